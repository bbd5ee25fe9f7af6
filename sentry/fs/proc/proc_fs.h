// The file system "proc" (man 5 proc).
#ifndef SENTRY_FS_PROC_PROC_FS_H_
#define SENTRY_FS_PROC_PROC_FS_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "sentry/vfs/dentry.h"
#include "sentry/vfs/file_description.h"

namespace sentry {

class ProcessView;

struct ProcMount {
  RefPtr<FileSystem> fs;
  RefPtr<Dentry> root;
};
ProcMount NewProcFs(std::shared_ptr<ProcessView> view);

// The process that an open /proc/PID is about, which may have ended; nothing for
// any other file, task/TID and descriptors of O_PATH too. Analogous to Linux's
// tgid_pidfd_to_pid.
struct ProcProcess {
  int32_t tgid;     // the kernel's id (vfs/pid.h)
  uint64_t serial;  // ProcessView::TaskSerial of its leader
};
std::optional<ProcProcess> ProcProcessOf(const RefPtr<FileDescription>& file);

}  // namespace sentry

#endif  // SENTRY_FS_PROC_PROC_FS_H_
