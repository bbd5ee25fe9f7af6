#include "runsc-cpp/container/describe.h"

#include <linux/filter.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/container/bind_mounts.h"

namespace runsc {
namespace {

namespace control = sentry::control;

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

void AddMappings(const std::vector<oci::LinuxIDMapping>& from,
                 google::protobuf::RepeatedPtrField<control::IdMapping>* to) {
  for (const oci::LinuxIDMapping& mapping : from) {
    control::IdMapping& added = *to->Add();
    added.set_container_id(mapping.container_id);
    added.set_host_id(mapping.host_id);
    added.set_size(mapping.size);
  }
}

enum class Mapped : bool { kNo, kYes };

void AddExport(const oci::MountPlan& plan, GoferExport exported, uint64_t flags, Mapped mapped, control::Mount& mount,
               ContainerDescription& out) {
  mount.set_kind(control::Mount::BIND);
  mount.set_flags(flags);
  mount.set_gofer_mount(static_cast<uint32_t>(out.exports.size()));
  exported.read_only = (flags & MS_RDONLY) != 0;
  out.exports.push_back(std::move(exported));
  if (mapped == Mapped::kNo) return;
  AddMappings(plan.uid_mappings, mount.mutable_uid_mappings());
  AddMappings(plan.gid_mappings, mount.mutable_gid_mappings());
}

// Each of the host's mounts is one of the guest's, so that its flags are its own. Where they can't be taken apart, all
// that an rbind shows is one.
absl::Status AddBind(const oci::MountPlan& plan, control::Mount& mount, ContainerDescription& out) {
  const absl::StatusOr<std::string> path = Resolve(plan.source, "mount source");
  if (!path.ok()) return path.status();
  absl::StatusOr<BindSource> source = InspectSource(*path);
  if (!source.ok()) return source.status();
  const bool deep = (plan.options.flags & MS_REC) != 0;
  const bool split = MaySplitMounts();
  const Mapped mapped = plan.options.idmap ? Mapped::kYes : Mapped::kNo;
  mount.set_identity(absl::CHexEscape(*path));  // proto3 wants text
  AddExport(plan, {.host_path = *path, .recursive = deep && !split}, BindFlagsOf(plan.options, source->flags), mapped,
            mount, out);
  if (!deep || !split) return absl::OkStatus();
  const size_t prefix = *path == "/" ? 1 : path->size() + 1;
  for (const HostMount& below : source->below) {
    control::Mount& added = *mount.add_below();
    added.set_destination(below.path.substr(prefix));
    added.set_identity(absl::CHexEscape(below.path));
    AddExport(plan, {.host_path = below.path, .recursive = false}, BelowFlagsOf(plan.options, below.flags),
              plan.options.recursive_idmap ? mapped : Mapped::kNo, added, out);
  }
  return absl::OkStatus();
}

absl::Status AddMount(const oci::MountPlan& plan, ContainerDescription& out) {
  control::Mount& mount = *out.container.add_mounts();
  mount.set_destination(plan.destination);
  for (const uint64_t propagation : plan.options.propagation) mount.add_propagation(propagation);
  if (plan.type == "bind") return AddBind(plan, mount, out);
  mount.set_flags(MountFlagsOf(plan.options));
  mount.set_options(plan.options.data);
  mount.set_copy_up(plan.options.copy_up);
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

void DescribeScheduler(const oci::SchedulerPlan& plan, control::Scheduler& scheduler) {
  scheduler.set_policy(plan.policy);
  scheduler.set_flags(plan.flags);
  scheduler.set_nice(plan.nice);
  scheduler.set_priority(plan.priority);
  scheduler.set_runtime(plan.runtime);
  scheduler.set_deadline(plan.deadline);
  scheduler.set_period(plan.period);
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
  if (plan.scheduler) DescribeScheduler(*plan.scheduler, *process.mutable_scheduler());
  process.set_io_priority(plan.io_priority.value_or(0));
}

void DescribeAffinity(const oci::ProcessPlan& plan, control::Process& process) {
  for (const uint32_t cpu : plan.final_cpus.empty() ? plan.initial_cpus : plan.final_cpus) process.add_cpus(cpu);
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
  out.exports.push_back({.host_path = *root, .read_only = overlay});
  for (const oci::MountPlan& mount : plan.mounts) {
    if (absl::Status s = AddMount(mount, out); !s.ok()) return s;
  }
  for (const oci::DevicePlan& device : plan.devices) AddDevice(device, container);
  for (const std::string& path : plan.masked_paths) container.add_masked_paths(path);
  for (const std::string& path : plan.readonly_paths) container.add_read_only_paths(path);
  AddMappings(plan.uid_mappings, container.mutable_uid_mappings());
  AddMappings(plan.gid_mappings, container.mutable_gid_mappings());
  for (const auto& [path, value] : plan.sysctls) {
    control::Sysctl& sysctl = *container.add_sysctls();
    sysctl.set_path(path);
    sysctl.set_value(value);
  }
  container.set_hostname(plan.hostname);
  container.set_domainname(plan.domainname);
  if (plan.process) {
    DescribeProcess(*plan.process, *container.mutable_process());
    container.set_console(plan.process->terminal);
    container.mutable_process()->set_personality(plan.personality.value_or(0));
  }
  DescribeSeccomp(plan.seccomp, *container.mutable_process());
  return out;
}

}  // namespace runsc
