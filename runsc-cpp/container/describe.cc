#include "runsc-cpp/container/describe.h"

#include <linux/filter.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace runsc {
namespace {

namespace control = sentry::control;

constexpr uint64_t kMountFlags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME;

// The guest sees a bind mount's tree as one: what is asked for all below ("rro") is asked for it.
uint64_t FlagsOf(const oci::MountOptions& options) {
  const auto flags = [](uint64_t attributes) {
    return (attributes & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)) |  // same bits
           ((attributes & MOUNT_ATTR__ATIME) == MOUNT_ATTR_NOATIME ? uint64_t{MS_NOATIME} : 0);
  };
  const uint64_t cleared = flags(options.recursive_clear & ~uint64_t{MOUNT_ATTR__ATIME}) |
                           ((options.recursive_clear & MOUNT_ATTR__ATIME) != 0 ? uint64_t{MS_NOATIME} : 0);
  return ((options.flags & ~cleared) | flags(options.recursive_set)) & kMountFlags;
}

absl::StatusOr<std::string> Resolve(const std::string& path, absl::string_view what) {
  char resolved[PATH_MAX];
  if (realpath(path.c_str(), resolved) == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path));
  return std::string(resolved);
}

absl::StatusOr<control::Mount::Kind> KindOf(const std::string& type) {
  if (type == "tmpfs") return control::Mount::TMPFS;
  if (type == "proc") return control::Mount::PROC;
  if (type == "sysfs") return control::Mount::SYSFS;
  if (type == "devpts") return control::Mount::DEVPTS;
  if (type == "mqueue") return control::Mount::MQUEUE;
  if (type == "cgroup" || type == "cgroup2") return control::Mount::CGROUP;
  return absl::InvalidArgumentError(absl::StrCat("a mount of type \"", type, "\" is not known"));
}

absl::Status AddMount(const oci::MountPlan& plan, ContainerDescription& out) {
  control::Mount& mount = *out.container.add_mounts();
  mount.set_destination(plan.destination);
  mount.set_flags(FlagsOf(plan.options));
  mount.set_options(plan.options.data);
  if (plan.type == "bind") {
    absl::StatusOr<std::string> source = Resolve(plan.source, "mount source");
    if (!source.ok()) return source.status();
    const bool read_only = (mount.flags() & MS_RDONLY) != 0;
    mount.set_kind(control::Mount::BIND);
    mount.set_identity(absl::CHexEscape(*source));  // proto3 wants text
    mount.set_gofer_mount(static_cast<uint32_t>(out.exports.size()));
    out.exports.push_back({*std::move(source), read_only});
    return absl::OkStatus();
  }
  const absl::StatusOr<control::Mount::Kind> kind = KindOf(plan.type);
  if (!kind.ok()) return kind.status();
  mount.set_kind(*kind);
  mount.set_devices(*kind == control::Mount::TMPFS && plan.destination == "/dev");
  return absl::OkStatus();
}

void AddDevice(const oci::DevicePlan& plan, control::Container& container) {
  control::Device& device = *container.add_devices();
  device.set_path(plan.path);
  device.set_mode(plan.mode);
  device.set_major(plan.major);
  device.set_minor(plan.minor);
  device.set_uid(plan.uid);
  device.set_gid(plan.gid);
}

}  // namespace

void DescribeProcess(const oci::ProcessPlan& plan, control::Process& process) {
  for (const std::string& word : plan.argv) process.add_args(word);
  for (const std::string& entry : plan.envp) process.add_env(entry);
  process.set_cwd(plan.cwd);
  process.set_make_cwd(true);  // as runc does, like the next
  process.set_set_home(true);
  process.set_uid(plan.uid);
  process.set_gid(plan.gid);
  process.set_umask(plan.umask);
  for (const uint32_t gid : plan.groups) process.add_additional_gids(gid);
  if (plan.capabilities) {
    control::Capabilities& to = *process.mutable_capabilities();
    to.set_bounding(plan.capabilities->bounding);
    to.set_effective(plan.capabilities->effective);
    to.set_permitted(plan.capabilities->permitted);
    to.set_inheritable(plan.capabilities->inheritable);
    to.set_ambient(plan.capabilities->ambient);
  }
  process.set_no_new_privileges(plan.no_new_privileges);
  for (const oci::RlimitPlan& limit : plan.rlimits) {
    control::Rlimit& to = *process.add_rlimits();
    to.set_resource(static_cast<uint32_t>(limit.resource));
    to.set_soft(limit.soft);
    to.set_hard(limit.hard);
  }
  process.set_oom_score_adj(plan.oom_score_adj.value_or(0));
  if (plan.scheduler) process.set_nice(plan.scheduler->nice);
}

void DescribeSeccomp(const oci::SeccompProgram& program, control::Process& process) {
  process.set_seccomp(program.instructions.data(), program.instructions.size() * sizeof(sock_filter));
  process.set_seccomp_log(program.log);
}

absl::StatusOr<ContainerDescription> DescribeContainer(const std::string& id, const oci::ContainerPlan& plan,
                                                       bool overlay) {
  ContainerDescription out;
  control::Container& container = out.container;
  container.set_id(id);
  container.mutable_root()->set_overlay(overlay);
  container.mutable_root()->set_read_only(plan.root_readonly);
  absl::StatusOr<std::string> root = Resolve(plan.root, "root.path");
  if (!root.ok()) return root.status();
  struct stat st;
  if (stat(root->c_str(), &st) == 0 && !S_ISDIR(st.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat("root.path ", *root, ": not a directory"));
  }
  // Mountpoints are made even in a read-only root, as runc does.
  out.exports.push_back({*root, overlay});
  for (const oci::MountPlan& mount : plan.mounts) {
    if (absl::Status s = AddMount(mount, out); !s.ok()) return s;
  }
  for (const oci::DevicePlan& device : plan.devices) AddDevice(device, container);
  for (const std::string& path : plan.masked_paths) container.add_masked_paths(path);
  for (const std::string& path : plan.readonly_paths) container.add_read_only_paths(path);
  container.set_hostname(plan.hostname);
  container.set_domainname(plan.domainname);
  if (plan.process) {
    DescribeProcess(*plan.process, *container.mutable_process());
    container.set_console(plan.process->terminal);
  }
  DescribeSeccomp(plan.seccomp, *container.mutable_process());
  return out;
}

}  // namespace runsc
