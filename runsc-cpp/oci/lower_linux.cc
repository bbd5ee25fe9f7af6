#include <sys/stat.h>

#include <algorithm>

#include "runsc-cpp/oci/lowering.h"
#include "runsc-cpp/oci/words.h"

namespace runsc::oci {
namespace {

struct DefaultDevice {
  const char* path;
  uint32_t major, minor;
};
constexpr DefaultDevice kDefaultDevices[] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5}, {"/dev/full", 1, 7},
                                             {"/dev/random", 1, 8}, {"/dev/tty", 5, 0},  {"/dev/urandom", 1, 9}};

absl::Status LowerNamespaces(const LowerContext& context, const Linux& from, ContainerPlan& to) {
  for (size_t i = 0; i < from.namespaces.size(); ++i) {
    const LinuxNamespace& ns = from.namespaces[i];
    const std::string path = ItemPath("linux.namespaces", i);
    if (ns.type == "time") return context.Refuse(path, ".type: there are no time namespaces");
    const size_t kind = static_cast<size_t>(std::find(std::begin(kNamespaceTypes), std::end(kNamespaceTypes), ns.type) -
                                            std::begin(kNamespaceTypes));
    NamespacePlan& plan = to.namespaces[kind];
    if (plan.wanted) return context.Refuse(path, ".type: ", QuoteJson(ns.type), " is there twice");
    if (!ns.path.empty() && !IsAbsolute(ns.path)) {
      return context.Refuse(path, ".path: ", QuoteJson(ns.path), " is not an absolute path");
    }
    plan = {true, ns.path};
  }
  // A cgroup or user namespace that is not asked for is no surprise.
  for (const NamespaceKind kind : {NamespaceKind::kPid, NamespaceKind::kNetwork, NamespaceKind::kMount,
                                   NamespaceKind::kIpc, NamespaceKind::kUts}) {
    if (to.Namespace(kind).wanted) continue;
    context.Warn("linux.namespaces: no ", kNamespaceTypes[static_cast<size_t>(kind)],
                 " namespace: the sandbox's is used, never the host's");
  }
  return absl::OkStatus();
}

absl::Status LowerMappings(const LowerContext& context, const Linux& from, ContainerPlan& to) {
  absl::Status status = CheckMappings(context, from.uid_mappings, "linux.uidMappings");
  status.Update(CheckMappings(context, from.gid_mappings, "linux.gidMappings"));
  to.uid_mappings = from.uid_mappings;
  to.gid_mappings = from.gid_mappings;
  const NamespacePlan& user = to.Namespace(NamespaceKind::kUser);
  const bool any = !from.uid_mappings.empty() || !from.gid_mappings.empty();
  if (any && !user.wanted) {
    status.Update(context.Refuse("linux.uidMappings: need a user namespace in linux.namespaces"));
  }
  if (user.wanted && user.path.empty() && (from.uid_mappings.empty() || from.gid_mappings.empty())) {
    status.Update(context.Refuse("linux.uidMappings: a new user namespace needs uidMappings and gidMappings"));
  }
  return status;
}

absl::Status LowerDevices(const LowerContext& context, const Linux& from, ContainerPlan& to) {
  for (size_t i = 0; i < from.devices.size(); ++i) {
    const LinuxDevice& device = from.devices[i];
    const std::string path = ItemPath("linux.devices", i);
    if (!IsAbsolute(device.path)) {
      return context.Refuse(path, ".path: ", QuoteJson(device.path), " is not an absolute path");
    }
    const uint32_t kind = device.type == "b" ? S_IFBLK : device.type == "p" ? S_IFIFO : S_IFCHR;
    // Docker leaves the file type in.
    const uint32_t permissions = device.file_mode.value_or(0666) & 07777;
    const bool is_fifo = kind == S_IFIFO;
    to.devices.push_back({device.path, kind | permissions, is_fifo ? 0 : static_cast<uint32_t>(device.major),
                          is_fifo ? 0 : static_cast<uint32_t>(device.minor), device.uid.value_or(0),
                          device.gid.value_or(0)});
  }
  for (const DefaultDevice& device : kDefaultDevices) {
    const bool given = std::any_of(from.devices.begin(), from.devices.end(),
                                   [&](const LinuxDevice& d) { return d.path == device.path; });
    if (!given) to.devices.push_back({device.path, S_IFCHR | 0666, device.major, device.minor, 0, 0});
  }
  return absl::OkStatus();
}

absl::Status CheckPaths(const LowerContext& context, const std::vector<std::string>& paths, const char* name) {
  for (size_t i = 0; i < paths.size(); ++i) {
    if (IsAbsolute(paths[i])) continue;
    return context.Refuse(ItemPath(name, i), ": ", QuoteJson(paths[i]), " is not an absolute path");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckMappings(const LowerContext& context, const std::vector<LinuxIDMapping>& mappings,
                           const std::string& path) {
  constexpr size_t kMaxExtents = 340;  // of a user namespace, user_namespaces(7)
  if (mappings.size() > kMaxExtents) return context.Refuse(path, ": has more than ", kMaxExtents, " items");
  const auto overlap = [](uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size) {
    return a < uint64_t{b} + b_size && b < uint64_t{a} + a_size;
  };
  for (size_t i = 0; i < mappings.size(); ++i) {
    const LinuxIDMapping& m = mappings[i];
    const std::string item = ItemPath(path, i);
    if (m.size == 0) return context.Refuse(item, ".size: must not be 0");
    if (m.size > UINT32_MAX - m.container_id || m.size > UINT32_MAX - m.host_id) {
      return context.Refuse(item, ".size: ", m.size, " goes beyond the last id");
    }
    for (size_t j = 0; j < i; ++j) {
      const LinuxIDMapping& other = mappings[j];
      if (!overlap(m.container_id, m.size, other.container_id, other.size) &&
          !overlap(m.host_id, m.size, other.host_id, other.size)) {
        continue;
      }
      return context.Refuse(item, ": overlaps ", ItemPath(path, j));
    }
  }
  return absl::OkStatus();
}

absl::Status LowerLinux(const LowerContext& context, const Linux& from, ContainerPlan& to) {
  absl::Status status = LowerNamespaces(context, from, to);
  status.Update(LowerMappings(context, from, to));
  status.Update(LowerDevices(context, from, to));
  status.Update(CheckPaths(context, from.masked_paths, "linux.maskedPaths"));
  status.Update(CheckPaths(context, from.readonly_paths, "linux.readonlyPaths"));
  status.Update(LowerSysctls(context, from, to));
  if (!status.ok()) return status;
  to.masked_paths = from.masked_paths;
  to.readonly_paths = from.readonly_paths;
  to.root_propagation = PropagationFlags(from.rootfs_propagation);
  to.cgroups_path = from.cgroups_path;
  if (from.personality.has_value()) {
    constexpr uint32_t kPerLinux32 = 8;
    to.personality = from.personality->domain == "LINUX32" ? kPerLinux32 : 0;
  }
  if (from.seccomp.has_value()) {
    std::vector<std::string> unknown;
    absl::StatusOr<SeccompProgram> program =
        CompileSeccomp(*from.seccomp, Cat(context.file, ": linux.seccomp"), &unknown);
    if (!program.ok()) return program.status();
    to.seccomp = *std::move(program);
    // Profiles name the calls of all architectures: nothing to warn of.
  }
  if (from.resources.has_value()) return LowerResources(context, *from.resources, "linux.resources", to.resources);
  return absl::OkStatus();
}

}  // namespace runsc::oci
