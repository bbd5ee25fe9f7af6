// /dev: the memory devices, and what a fresh /dev holds.
#ifndef SENTRY_FS_DEV_DEV_H_
#define SENTRY_FS_DEV_DEV_H_

#include "sentry/vfs/context.h"

namespace sentry {

// Makes null, zero, full, random and urandom open-able through device nodes of
// any file system. Once, before the first task.
void RegisterMemoryDevices();

// Fills `root` (the root of a fresh tmpfs): device nodes, links to /proc/self/fd
// and pts/ptmx, directories to mount devpts and a tmpfs on. `ctx`: the kernel's
// own, with CAP_MKNOD and umask 0.
Result<void> PopulateDev(const VfsContext& ctx, const Path& root);
// The links alone, where nothing has their names.
Result<void> MakeDevLinks(const VfsContext& ctx, const Path& dev);

}  // namespace sentry

#endif  // SENTRY_FS_DEV_DEV_H_
