// A container's mount tree, from its description: the root (the gofer's, or an overlay over it), and its mounts in
// turn.
#ifndef RUNSC_CPP_BOOT_CONTAINER_MOUNTS_H_
#define RUNSC_CPP_BOOT_CONTAINER_MOUNTS_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "fsgofer/protocol/client.h"
#include "sentry/control/control.pb.h"
#include "sentry/fs/cgroup/cgroup_fs.h"
#include "sentry/fs/proc/process_view.h"
#include "sentry/fs/sys/sys_view.h"
#include "sentry/memfile/memory_file.h"
#include "sentry/vfs/mount.h"

namespace runsc {

struct ContainerMounts {
  sentry::RefPtr<sentry::MountNamespace> mounts;
  sentry::RefPtr<sentry::Mount> devpts;  // null: it has none
};

// The view of a pid namespace, for a proc mounted in it; null: of the root one.
using ProcessViews = std::function<std::shared_ptr<sentry::ProcessView>(sentry::PidNamespace*)>;

// What file systems are made of. All of it outlives all containers.
struct FileSystemParts {
  sentry::MemoryFile* memory = nullptr;
  ProcessViews processes;
  sentry::CgroupProcesses* cgroup_processes = nullptr;
  std::shared_ptr<sentry::NetDevices> net;
};

// Once: devices, and what mount(2) can make.
void RegisterFileSystems(const FileSystemParts& parts);

// Asks the gofer, so it must be there. Mountpoints that are missing are made. `pid_ns`: whose processes /proc shows;
// null: all. `user_ns`: whose the mounts are. `cgroup`: the container's.
absl::StatusOr<ContainerMounts> MountContainer(const sentry::control::Container& container,
                                               std::shared_ptr<fsgofer::Client> gofer, const FileSystemParts& parts,
                                               sentry::PidNamespace* pid_ns,
                                               const sentry::RefPtr<sentry::UserNamespace>& user_ns,
                                               const sentry::RefPtr<sentry::Cgroup>& cgroup);

// Puts `terminal`, of the container's devpts, on /dev/console.
absl::Status MountConsole(const ContainerMounts& mounts, const sentry::FileDescription& terminal);

// The kernel's own view of the tree: all capabilities, no umask; what it makes belongs to the root of the tree's user
// namespace.
sentry::VfsContext KernelContext(const sentry::RefPtr<sentry::MountNamespace>& mounts);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_CONTAINER_MOUNTS_H_
