#include "runsc-cpp/oci/lowering.h"

namespace runsc::oci {

// What a cgroup can be told is checked where cgroups are written; here is what
// no host would take, and what engines write for "unset".
absl::Status LowerResources(const LowerContext& context, const LinuxResources& from, const std::string& path,
                            LinuxResources& to) {
  to = from;
  for (size_t i = 0; i < from.devices.size(); ++i) {
    const std::string& access = from.devices[i].access;
    if (!access.empty() && access.find_first_not_of("rwm") == std::string::npos) continue;
    return context.Refuse(ItemPath(MemberPath(path, "devices"), i), ".access: ", QuoteJson(access),
                          " is not made of r, w and m");
  }
  if (from.memory.has_value() && from.memory->swappiness.has_value()) {
    constexpr uint64_t kUnset = UINT64_MAX, kMost = 200;
    const uint64_t swappiness = *from.memory->swappiness;
    if (swappiness == kUnset) {
      to.memory->swappiness.reset();
    } else if (swappiness > kMost) {
      return context.Refuse(MemberPath(path, "memory"), ".swappiness: ", swappiness, " is not one of 0 to ", kMost);
    }
  }
  for (const auto& [file, value] : from.unified) {
    // The name of a file in the container's cgroup, not a way out of it.
    if (file.empty() || file == "." || file == ".." || file.find('/') != std::string::npos) {
      return context.Refuse(MemberPath(MemberPath(path, "unified"), file), ": is not the name of a file");
    }
  }
  return absl::OkStatus();
}

}  // namespace runsc::oci
