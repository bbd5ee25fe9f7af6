// ioctl(2): what holds for every file; the rest is the file's own (Linux's
// fs/ioctl.c).
#include "sentry/abi/ioctl.h"

#include <algorithm>

#include "sentry/net/socket/socket.h"
#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/file_io.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/net_ioctl.h"
#include "sentry/syscalls/seccomp.h"
#include "sentry/vfs/nsfs.h"

namespace sentry {
namespace {

constexpr uint32_t kFiGetBsz = 2, kFiClone = 0x40049409, kFiCloneRange = 0x4020940d, kFiDedupeRange = 0xc0189436;

SyscallResult SetFlagFromInt(Task& task, FileDescription& file, uint32_t flag, UserAddr arg) {
  const int32_t on = TRY(UserIn<int32_t>(arg).Read(task.mm()));
  const uint32_t flags = file.flags();
  file.SetStatusFlags(on != 0 ? flags | flag : flags & ~flag);
  return 0;
}

SyscallResult QuerySize(Task& task, FileDescription& file, UserAddr arg) {
  const RefPtr<Inode> inode = file.inode();
  if (!inode || !(inode->is_regular() || inode->is_dir() || inode->is_symlink())) return Errno::kENOTTY;
  const uint64_t blocks = TRY(inode->GetAttributes(task.vfs_context())).blocks;
  return UserOut<int64_t>(arg).Write(task.mm(), static_cast<int64_t>(blocks * 512));
}

SyscallResult BytesLeft(Task& task, FileDescription& file, UserAddr arg) {
  const VfsContext ctx = task.vfs_context();
  const int64_t size = static_cast<int64_t>(TRY(GetAttributes(ctx, file.path())).size);
  const int64_t at = TRY(file.Seek(ctx, 0, abi::kSeekCur));
  return UserOut<int32_t>(arg).Write(task.mm(), static_cast<int32_t>(size - at));
}

// What Linux answers for regular files before their file system is asked.
bool IsRegularRequest(uint32_t request) {
  return request == abi::kFioNRead || request == kFiClone || request == kFiCloneRange || request == kFiDedupeRange;
}

}  // namespace

SyscallResult SysIoctl(Task& task, Fd fd, uint32_t request, uint64_t arg) {
  const RefPtr<FileDescription> file = TRY(task.fds().GetNoPath(fd.value));
  switch (request) {
    case abi::kFioClex:
      return task.fds().SetCloseOnExec(fd.value, CloseOnExec::kYes);
    case abi::kFioNClex:
      return task.fds().SetCloseOnExec(fd.value, CloseOnExec::kNo);
    case abi::kFioNBio:
      return SetFlagFromInt(task, *file, abi::kONonBlock, UserAddr(arg));
    case abi::kFioAsync:
      return SetFlagFromInt(task, *file, abi::kOAsync, UserAddr(arg));
    case abi::kFioQSize:
      return QuerySize(task, *file, UserAddr(arg));
    case kFiGetBsz:
      return UserOut<int32_t>(UserAddr(arg))
          .Write(task.mm(), static_cast<int32_t>(TRY(GetAttributes(task.vfs_context(), file->path())).blksize));
    default:
      break;
  }
  if (const RefPtr<NsFile> ns = FileCast<NsFile>(file)) return NamespaceIoctl(task, *ns, request, arg);
  const RefPtr<Inode> inode = file->inode();
  if (inode && inode->is_regular() && IsRegularRequest(request)) {
    return request == abi::kFioNRead ? BytesLeft(task, *file, UserAddr(arg)) : Errno::kEOPNOTSUPP;
  }
  if (const RefPtr<SeccompListener> listener = FileCast<SeccompListener>(file)) {
    return SeccompIoctl(task, *listener, request, UserAddr(arg));
  }
  const RefPtr<Socket> socket = FileCast<Socket>(file);
  if (socket && IsInterfaceRequest(socket->domain(), request)) {
    return InterfaceIoctl(task, request, UserAddr(arg));
  }
  VfsContext ctx = task.vfs_context();
  ctx.memory = &task.mm();
  const Result<uint64_t> done = file->Ioctl(ctx, request, arg);
  if (!done.ok() && IsInterruption(done.error())) return Restart::kSys;
  return done;
}

}  // namespace sentry
