#include <linux/mount.h>

#include <algorithm>

#include "runsc-cpp/oci/lowering.h"

namespace runsc::oci {
namespace {

// What a mount of a new file system may be; the guest's kernel has these.
constexpr std::string_view kFileSystems[] = {"proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"};

std::string Below(const std::string& directory, const std::string& path) {
  return IsAbsolute(path) ? path : Cat(directory, "/", path);
}

absl::Status LowerBind(const LowerContext& context, const Mount& from, const std::string& path,
                       const std::string& bundle, MountPlan& to) {
  if (from.source.empty()) return context.Refuse(path, ".source: a bind mount must have one");
  // The kernel would ignore them, and the author would not know.
  if (!to.options.data.empty()) {
    return context.Refuse(path, ".options: ", QuoteJson(to.options.data), " has no meaning for a bind mount");
  }
  to.type = "bind";
  to.source = Below(bundle, from.source);
  return absl::OkStatus();
}

// Explicit mappings, or with "idmap" alone those of the user namespace.
absl::Status LowerIdmap(const LowerContext& context, const Spec& spec, const Mount& from, const std::string& path,
                        MountPlan& to) {
  const bool has_uids = !from.uid_mappings.empty(), has_gids = !from.gid_mappings.empty();
  if (has_uids != has_gids) {
    return context.Refuse(path, ": has only one of uidMappings and gidMappings; must have both or none");
  }
  if (!has_uids && !to.options.idmap) return absl::OkStatus();
  if (to.type != "bind") return context.Refuse(path, ": only a bind mount can have its ids mapped");
  to.options.idmap = true;
  to.uid_mappings = from.uid_mappings;
  to.gid_mappings = from.gid_mappings;
  if (!has_uids && spec.linux_config.has_value()) {
    to.uid_mappings = spec.linux_config->uid_mappings;
    to.gid_mappings = spec.linux_config->gid_mappings;
  }
  if (to.uid_mappings.empty() || to.gid_mappings.empty()) {
    return context.Refuse(path, ".options: \"idmap\" needs uidMappings and gidMappings, here or in linux");
  }
  absl::Status status = CheckMappings(context, to.uid_mappings, path + ".uidMappings");
  status.Update(CheckMappings(context, to.gid_mappings, path + ".gidMappings"));
  return status;
}

absl::Status LowerMount(const LowerContext& context, const Spec& spec, const Mount& from, const std::string& path,
                        const std::string& bundle, MountPlan& to) {
  if (from.destination.empty()) return context.Refuse(path, ".destination: must not be empty");
  if (!IsAbsolute(from.destination)) {
    context.Warn(path, ".destination: ", QuoteJson(from.destination), " is not absolute; taken as below /");
  }
  to.destination = IsAbsolute(from.destination) ? from.destination : "/" + from.destination;
  to.type = from.type;
  to.source = from.source;
  to.options = ParseMountOptions(from.options);
  if ((to.options.flags & MS_BIND) != 0 || from.type == "bind") {
    to.options.flags |= MS_BIND;
    absl::Status status = LowerBind(context, from, path, bundle, to);
    if (!status.ok()) return status;
  } else if (std::find(std::begin(kFileSystems), std::end(kFileSystems), from.type) == std::end(kFileSystems)) {
    return context.Refuse(path, ".type: ", QuoteJson(from.type), " is not one of bind, ", Join(kFileSystems));
  }
  if (to.options.copy_up && to.type != "tmpfs") {
    return context.Refuse(path, ".options: tmpcopyup goes with type tmpfs only");
  }
  return LowerIdmap(context, spec, from, path, to);
}

}  // namespace

absl::Status LowerMounts(const LowerContext& context, const Spec& spec, const std::string& bundle, ContainerPlan& to) {
  to.mounts.resize(spec.mounts.size());
  for (size_t i = 0; i < to.mounts.size(); ++i) {
    absl::Status status = LowerMount(context, spec, spec.mounts[i], ItemPath("mounts", i), bundle, to.mounts[i]);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace runsc::oci
