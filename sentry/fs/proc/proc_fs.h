// The file system "proc" (man 5 proc).
#ifndef SENTRY_FS_PROC_PROC_FS_H_
#define SENTRY_FS_PROC_PROC_FS_H_

#include "sentry/vfs/dentry.h"

namespace sentry {

class ProcessView;

struct ProcMount {
  RefPtr<FileSystem> fs;
  RefPtr<Dentry> root;
};
// `view` outlives the file system and every file of it.
ProcMount NewProcFs(ProcessView& view);

}  // namespace sentry

#endif  // SENTRY_FS_PROC_PROC_FS_H_
