// The guest's mount tree: the host's root under an overlay, and what a Linux
// system has besides (proc, dev, devpts, tmpfs, volumes).
#ifndef RUNSC_CPP_BOOT_FILE_SYSTEMS_H_
#define RUNSC_CPP_BOOT_FILE_SYSTEMS_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "fsgofer/protocol/client.h"
#include "runsc-cpp/sandbox/config.h"
#include "sentry/fs/proc/process_view.h"
#include "sentry/memfile/memory_file.h"
#include "sentry/vfs/mount.h"

namespace runsc {

struct FileSystems {
  sentry::RefPtr<sentry::MountNamespace> mounts;
  sentry::RefPtr<sentry::Mount> devpts;
};

// The view of a pid namespace, for a proc mounted in it; null: of the root one.
using ProcessViews = std::function<std::shared_ptr<sentry::ProcessView>(sentry::PidNamespace*)>;

// Registers devices and mountable types, and mounts everything. Asks the gofer,
// so it must be there.
absl::StatusOr<FileSystems> MountFileSystems(const SandboxConfig& config, std::shared_ptr<fsgofer::Client> gofer,
                                             sentry::MemoryFile& memory, const ProcessViews& views);

// The kernel's own view of the tree: all capabilities, no umask.
sentry::VfsContext KernelContext(const sentry::RefPtr<sentry::MountNamespace>& mounts);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_FILE_SYSTEMS_H_
