// Bytes in and out of descriptors: Linux's fs/read_write.c.
#include "sentry/kernel/block.h"
#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/file_io.h"
#include "sentry/syscalls/handlers.h"

namespace sentry {
namespace {

using Iov = std::vector<UserIovec>;

constexpr uint32_t kRwfHipri = 1, kRwfDSync = 2, kRwfSync = 4, kRwfNoWait = 8, kRwfAppend = 16;

uint64_t TotalOf(const Iov& iov) {
  uint64_t total = 0;
  for (const UserIovec& v : iov) total += v.len;
  return total;
}

// Linux's rw_verify_area, for positions that were checked to be >= 0.
Result<void> CheckRange(std::optional<uint64_t> offset, const Iov& iov) {
  return offset && *offset + TotalOf(iov) > INT64_MAX ? Errno::kEINVAL : Ok();
}

Result<RefPtr<FileDescription>> Readable(Task& task, Fd fd) {
  RefPtr<FileDescription> file = TRY(task.fds().GetNoPath(fd.value));
  if (!file->readable()) return Errno::kEBADF;
  return file;
}

Result<RefPtr<FileDescription>> Writable(Task& task, Fd fd) {
  RefPtr<FileDescription> file = TRY(task.fds().GetNoPath(fd.value));
  if (!file->writable()) return Errno::kEBADF;
  return file;
}

// pwrite on what has no offsets: Linux says ESPIPE before it looks at the mode.
Result<RefPtr<FileDescription>> WritableAt(Task& task, Fd fd) {
  RefPtr<FileDescription> file = TRY(task.fds().GetNoPath(fd.value));
  if (!file->seekable()) return Errno::kESPIPE;
  if (!file->writable()) return Errno::kEBADF;
  return file;
}
Result<RefPtr<FileDescription>> ReadableAt(Task& task, Fd fd) {
  RefPtr<FileDescription> file = TRY(task.fds().GetNoPath(fd.value));
  if (!file->seekable()) return Errno::kESPIPE;
  if (!file->readable()) return Errno::kEBADF;
  return file;
}

SyscallResult ReadTo(Task& task, FileDescription& file, Iov iov, std::optional<uint64_t> offset,
                     Wait wait = Wait::kByFile) {
  TRY(CheckRange(offset, iov));
  const VfsContext ctx = task.vfs_context();
  UserIoSink sink(task.mm(), std::move(iov));
  return ReadFile(task, ctx, file, sink, offset, wait);
}

// O_SYNC, O_DSYNC and their per-call forms; only files with storage have any.
Result<void> SyncIfAsked(const VfsContext& ctx, FileDescription& file, uint32_t rwf) {
  const bool asked = (rwf & (kRwfSync | kRwfDSync)) != 0 || (file.flags() & abi::kODSync) != 0;
  const RefPtr<Inode> inode = asked ? file.inode() : nullptr;
  return inode && inode->is_regular() ? file.Sync(ctx) : Ok();
}

SyscallResult WriteFrom(Task& task, FileDescription& file, Iov iov, std::optional<uint64_t> offset, uint32_t rwf = 0) {
  TRY(CheckRange(offset, iov));
  const VfsContext ctx = task.vfs_context();
  UserIoSource source(task.mm(), std::move(iov));
  const Wait wait = (rwf & kRwfNoWait) != 0 ? Wait::kNever : Wait::kByFile;
  const size_t n = TRY(WriteFile(task, ctx, file, source, offset, wait));
  if (n > 0) TRY(SyncIfAsked(ctx, file, rwf));
  return n;
}

// RWF_APPEND: through a description of its own that has O_APPEND, so that the
// file system finds the end and writes in one step.
SyscallResult AppendFrom(Task& task, FileDescription& file, Iov iov, std::optional<uint64_t> offset, uint32_t rwf) {
  const RefPtr<Inode> inode = file.inode();
  if (!inode || !inode->is_regular()) return WriteFrom(task, file, std::move(iov), offset, rwf);
  const VfsContext ctx = task.vfs_context();
  const RefPtr<FileDescription> end = TRY(inode->Open(ctx, file.path(), abi::kOWrOnly | abi::kOAppend));
  const SyscallResult result =
      WriteFrom(task, *end, std::move(iov), 0, rwf | (file.flags() & abi::kODSync ? kRwfDSync : 0));
  if (result.value_if() != nullptr && !offset) TRY(file.Seek(ctx, 0, abi::kSeekEnd));
  return result;
}

// The offset of preadv and pwritev is one register; its upper half is empty.
Result<std::optional<uint64_t>> CheckOffset(int64_t offset) {
  if (offset < 0) return Errno::kEINVAL;
  return std::optional<uint64_t>(static_cast<uint64_t>(offset));
}

Result<void> CheckRwFlags(uint32_t flags) {
  constexpr uint32_t kKnown = kRwfHipri | kRwfDSync | kRwfSync | kRwfNoWait | kRwfAppend;
  return (flags & ~kKnown) != 0 ? Errno::kEOPNOTSUPP : Ok();
}

}  // namespace

SyscallResult SysRead(Task& task, Fd fd, UserAddr buf, Size count) {
  const RefPtr<FileDescription> file = TRY(Readable(task, fd));
  return ReadTo(task, *file, TRY(ImportBuffer(buf, count.value)), std::nullopt);
}

SyscallResult SysWrite(Task& task, Fd fd, UserAddr buf, Size count) {
  const RefPtr<FileDescription> file = TRY(Writable(task, fd));
  return WriteFrom(task, *file, TRY(ImportBuffer(buf, count.value)), std::nullopt);
}

SyscallResult SysPread64(Task& task, Fd fd, UserAddr buf, Size count, int64_t offset) {
  const std::optional<uint64_t> at = TRY(CheckOffset(offset));
  const RefPtr<FileDescription> file = TRY(ReadableAt(task, fd));
  return ReadTo(task, *file, TRY(ImportBuffer(buf, count.value)), at);
}

SyscallResult SysPwrite64(Task& task, Fd fd, UserAddr buf, Size count, int64_t offset) {
  const std::optional<uint64_t> at = TRY(CheckOffset(offset));
  const RefPtr<FileDescription> file = TRY(WritableAt(task, fd));
  return WriteFrom(task, *file, TRY(ImportBuffer(buf, count.value)), at);
}

SyscallResult SysReadv(Task& task, Fd fd, UserAddr iov, uint64_t count) {
  const RefPtr<FileDescription> file = TRY(Readable(task, fd));
  return ReadTo(task, *file, TRY(ImportIovec(task, iov, count)), std::nullopt);
}

SyscallResult SysWritev(Task& task, Fd fd, UserAddr iov, uint64_t count) {
  const RefPtr<FileDescription> file = TRY(Writable(task, fd));
  return WriteFrom(task, *file, TRY(ImportIovec(task, iov, count)), std::nullopt);
}

SyscallResult SysPreadv(Task& task, Fd fd, UserAddr iov, uint64_t count, int64_t offset) {
  const std::optional<uint64_t> at = TRY(CheckOffset(offset));
  const RefPtr<FileDescription> file = TRY(ReadableAt(task, fd));
  return ReadTo(task, *file, TRY(ImportIovec(task, iov, count)), at);
}

SyscallResult SysPwritev(Task& task, Fd fd, UserAddr iov, uint64_t count, int64_t offset) {
  const std::optional<uint64_t> at = TRY(CheckOffset(offset));
  const RefPtr<FileDescription> file = TRY(WritableAt(task, fd));
  return WriteFrom(task, *file, TRY(ImportIovec(task, iov, count)), at);
}

SyscallResult SysPreadv2(Task& task, Fd fd, UserAddr iov, uint64_t count, int64_t offset, int64_t, uint32_t flags) {
  std::optional<uint64_t> at;
  if (offset != -1) at = TRY(CheckOffset(offset));
  const RefPtr<FileDescription> file = TRY(Readable(task, fd));
  Iov buffers = TRY(ImportIovec(task, iov, count));
  TRY(CheckRwFlags(flags));
  return ReadTo(task, *file, std::move(buffers), at, (flags & kRwfNoWait) != 0 ? Wait::kNever : Wait::kByFile);
}

SyscallResult SysPwritev2(Task& task, Fd fd, UserAddr iov, uint64_t count, int64_t offset, int64_t, uint32_t flags) {
  std::optional<uint64_t> at;
  if (offset != -1) at = TRY(CheckOffset(offset));
  const RefPtr<FileDescription> file = TRY(Writable(task, fd));
  Iov buffers = TRY(ImportIovec(task, iov, count));
  TRY(CheckRwFlags(flags));
  if ((flags & kRwfAppend) != 0) return AppendFrom(task, *file, std::move(buffers), at, flags);
  return WriteFrom(task, *file, std::move(buffers), at, flags);
}

SyscallResult SysLseek(Task& task, Fd fd, int64_t offset, int32_t whence) {
  const RefPtr<FileDescription> file = TRY(task.fds().GetNoPath(fd.value));
  if (whence < abi::kSeekSet || whence > abi::kSeekHole) return Errno::kEINVAL;
  return file->Seek(task.vfs_context(), offset, whence);
}

}  // namespace sentry
