// Sizes and storage: sync, truncate, fallocate, advice (Linux's fs/sync.c,
// fs/open.c, mm/fadvise.c).
#include "sentry/abi/fcntl.h"
#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/file_io.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/vfs/notify.h"

namespace sentry {
namespace {

using File = RefPtr<FileDescription>;

bool HasRange(FileDescription& file) {
  const RefPtr<Inode> inode = file.inode();
  if (!inode) return false;
  const uint32_t type = inode->type();
  return type == abi::kSIfReg || type == abi::kSIfBlk || type == abi::kSIfDir || type == abi::kSIfLnk;
}

// Linux's vfs_fallocate: modes, then the descriptor, then the file's type.
Result<void> CheckFallocate(FileDescription& file, int32_t mode, int64_t offset, int64_t length) {
  constexpr int32_t kKnown = abi::kFallocKeepSize | abi::kFallocPunchHole | abi::kFallocCollapseRange |
                             abi::kFallocZeroRange | abi::kFallocInsertRange | abi::kFallocUnshareRange;
  if (offset < 0 || length <= 0) return Errno::kEINVAL;
  if ((mode & ~kKnown) != 0) return Errno::kEOPNOTSUPP;
  const bool punch = (mode & abi::kFallocPunchHole) != 0;
  if (punch && ((mode & abi::kFallocZeroRange) != 0 || (mode & abi::kFallocKeepSize) == 0)) {
    return Errno::kEOPNOTSUPP;
  }
  for (const int32_t alone : {abi::kFallocCollapseRange, abi::kFallocInsertRange}) {
    if ((mode & alone) != 0 && mode != alone) return Errno::kEINVAL;
  }
  if (!file.writable()) return Errno::kEBADF;
  const RefPtr<Inode> inode = file.inode();
  const uint32_t type = inode ? inode->type() : 0;
  if (type == abi::kSIfIfo) return Errno::kESPIPE;
  if (type == abi::kSIfDir) return Errno::kEISDIR;
  if (type != abi::kSIfReg && type != abi::kSIfBlk) return Errno::kENODEV;
  return offset > INT64_MAX - length ? Errno::kEFBIG : Ok();
}

}  // namespace

SyscallResult SysFsync(Task& task, Fd fd) {
  const File file = TRY(task.fds().GetNoPath(fd.value));
  return file->Sync(task.vfs_context());
}

SyscallResult SysFdatasync(Task& task, Fd fd) { return SysFsync(task, fd); }

SyscallResult SysSync(Task& task) {
  // sync(2) can't fail: an error stays with the file system for a later fsync.
  for (const RefPtr<Mount>& mount : task.mounts()->Mounts()) (void)mount->fs().Sync();
  return 0;
}

SyscallResult SysSyncfs(Task& task, Fd fd) {
  const File file = TRY(task.fds().GetNoPath(fd.value));
  const RefPtr<Inode> inode = file->inode();
  return inode ? inode->fs().Sync() : Ok();
}

SyscallResult SysSyncFileRange(Task& task, Fd fd, int64_t offset, int64_t bytes, uint32_t flags) {
  constexpr uint32_t kWaitBefore = 1, kWrite = 2, kWaitAfter = 4;
  const File file = TRY(task.fds().GetNoPath(fd.value));
  if ((flags & ~(kWaitBefore | kWrite | kWaitAfter)) != 0) return Errno::kEINVAL;
  int64_t end;
  if (offset < 0 || bytes < 0 || __builtin_add_overflow(offset, bytes, &end)) return Errno::kEINVAL;
  if (!HasRange(*file)) return Errno::kESPIPE;
  // More than was asked for is allowed.
  return flags == 0 ? Ok() : file->Sync(task.vfs_context());
}

SyscallResult SysFallocate(Task& task, Fd fd, int32_t mode, int64_t offset, int64_t length) {
  const File file = TRY(task.fds().GetNoPath(fd.value));
  TRY(CheckFallocate(*file, mode, offset, length));
  const VfsContext ctx = task.vfs_context();
  const uint64_t start = static_cast<uint64_t>(offset), size = static_cast<uint64_t>(length);
  const bool grows = (mode & (abi::kFallocKeepSize | abi::kFallocCollapseRange)) == 0;
  if (grows && start + size > ctx.file_size_limit && start + size > TRY(GetAttributes(ctx, file->path())).size) {
    return SizeError(task, ctx, Errno::kEFBIG);
  }
  const Result<void> done = file->Fallocate(ctx, mode, start, size);
  if (!done.ok()) return SizeError(task, ctx, done.error());
  notify::Modified(*file);
  return 0;
}

SyscallResult SysFadvise64(Task& task, Fd fd, int64_t, int64_t length, int32_t advice) {
  constexpr int32_t kNoReuse = 5;  // the last of POSIX_FADV_*
  const File file = TRY(task.fds().GetNoPath(fd.value));
  const RefPtr<Inode> inode = file->inode();
  if (inode && inode->type() == abi::kSIfIfo) return Errno::kESPIPE;
  if (length < 0 || advice < 0 || advice > kNoReuse) return Errno::kEINVAL;
  return 0;
}

SyscallResult SysReadahead(Task& task, Fd fd, int64_t, Size) {
  const File file = TRY(task.fds().GetNoPath(fd.value));
  if (!file->readable()) return Errno::kEBADF;
  const RefPtr<Inode> inode = file->inode();
  return inode && inode->is_regular() ? 0 : SyscallResult(Errno::kEINVAL);
}

SyscallResult SysTruncate(Task& task, UserPath path, int64_t length) {
  if (length < 0) return Errno::kEINVAL;
  const VfsContext ctx = task.vfs_context();
  const Path place = TRY(ResolveAt(task, ctx, kCwd, path, 0));
  const Result<void> done = Truncate(ctx, place, static_cast<uint64_t>(length));
  return done.ok() ? done : SizeError(task, ctx, done.error());
}

SyscallResult SysFtruncate(Task& task, Fd fd, int64_t length) {
  if (length < 0) return Errno::kEINVAL;
  const File file = TRY(task.fds().GetNoPath(fd.value));
  const VfsContext ctx = task.vfs_context();
  const Result<void> done = TruncateFile(ctx, *file, static_cast<uint64_t>(length));
  return done.ok() ? done : SizeError(task, ctx, done.error());
}

}  // namespace sentry
