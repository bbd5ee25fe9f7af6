// What else a descriptor can do: Linux's fs/fcntl.c.
#include "sentry/abi/fcntl.h"

#include "sentry/fs/pipe/pipe_file.h"
#include "sentry/fs/tmpfs/tmpfs.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/pid_table.h"
#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/file_locking.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/vfs/checks.h"

namespace sentry {
namespace {

using File = RefPtr<FileDescription>;

SyscallResult DupFd(Task& task, File file, uint64_t arg, CloseOnExec cloexec) {
  const uint32_t min_fd = static_cast<uint32_t>(arg);
  if (min_fd >= NofileLimit(task) || min_fd > INT32_MAX) return Errno::kEINVAL;
  return task.fds().Install(std::move(file), cloexec, NofileLimit(task), static_cast<int32_t>(min_fd));
}

// Linux's setfl.
SyscallResult SetFlags(Task& task, FileDescription& file, uint32_t flags) {
  const uint32_t added = flags & ~file.flags();
  const RefPtr<Inode> inode = file.inode();
  if ((added & abi::kONoAtime) != 0 && inode) {
    if (!OwnerOrCapable(task.creds(), TRY(inode->GetAttributes(task.vfs_context())))) return Errno::kEPERM;
  }
  if ((added & abi::kODirect) != 0) {
    const bool able = (inode && inode->is_regular()) || file.kind() == PipeEnd::Kind();
    if (!able) return Errno::kEINVAL;
  }
  file.SetStatusFlags(flags);
  return 0;
}

// Numbers of the caller's in, ids out. ESRCH for an owner that is not there.
// Negative: a process group.
Result<int32_t> FindOwner(Task& task, int32_t who) {
  if (who == 0) return 0;
  const int32_t id = task.IdOf(who > 0 ? who : -who);
  if (id == 0) return Errno::kESRCH;
  return who > 0 ? id : -id;
}

// 0 for one that is gone or not seen.
int32_t OwnerNumber(Task& task, FileDescription& file) {
  const int32_t id = file.async_owner().pid;
  const RefPtr<Pid> pid = task.kernel().pids().FindPid(id < 0 ? -id : id);
  if (!pid) return 0;
  const int32_t number = pid->NumberIn(task.pid_ns());
  return id < 0 ? -number : number;
}

SyscallResult SetOwner(Task& task, FileDescription& file, int32_t who) {
  if (who == INT32_MIN) return Errno::kEINVAL;
  const int32_t id = TRY(FindOwner(task, who));
  FileDescription::AsyncOwner owner = file.async_owner();
  owner.pid = id;
  file.SetAsyncOwner(owner);
  return 0;
}

SyscallResult SetOwnerEx(Task& task, FileDescription& file, UserAddr arg) {
  const auto owner = TRY(UserIn<abi::FOwnerEx>(arg).Read(task.mm()));
  if (owner.type < abi::kFOwnerTid || owner.type > abi::kFOwnerPgrp) return Errno::kEINVAL;
  if (owner.pid < 0) return Errno::kESRCH;
  return SetOwner(task, file, owner.type == abi::kFOwnerPgrp ? -owner.pid : owner.pid);
}

SyscallResult GetOwnerEx(Task& task, FileDescription& file, UserAddr arg) {
  const int32_t pid = OwnerNumber(task, file);
  const abi::FOwnerEx owner{.type = pid < 0 ? abi::kFOwnerPgrp : abi::kFOwnerPid, .pid = pid < 0 ? -pid : pid};
  return UserOut<abi::FOwnerEx>(arg).Write(task.mm(), owner);
}

SyscallResult SetSignal(FileDescription& file, uint64_t arg) {
  if (arg > abi::kSigMax) return Errno::kEINVAL;
  FileDescription::AsyncOwner owner = file.async_owner();
  owner.signo = static_cast<int32_t>(arg);
  file.SetAsyncOwner(owner);
  return 0;
}

// The commands of an O_PATH descriptor; others give EBADF there.
bool AllowedOnPath(uint32_t command) {
  switch (command) {
    case abi::kFDupFd:
    case abi::kFDupFdCloExec:
    case abi::kFGetFd:
    case abi::kFSetFd:
    case abi::kFGetFl:
      return true;
    default:
      return false;
  }
}

SyscallResult DescriptorCommand(Task& task, int32_t fd, File file, uint32_t command, uint64_t arg) {
  switch (command) {
    case abi::kFDupFd:
      return DupFd(task, std::move(file), arg, CloseOnExec::kNo);
    case abi::kFDupFdCloExec:
      return DupFd(task, std::move(file), arg, CloseOnExec::kYes);
    case abi::kFGetFd:
      return TRY(task.fds().GetCloseOnExec(fd)) == CloseOnExec::kYes ? 1 : 0;
    case abi::kFSetFd:
      return task.fds().SetCloseOnExec(fd, (arg & abi::kFdCloExec) != 0 ? CloseOnExec::kYes : CloseOnExec::kNo);
    default:
      return file->flags();
  }
}

SyscallResult OwnerCommand(Task& task, FileDescription& file, uint32_t command, uint64_t arg) {
  switch (command) {
    case abi::kFGetOwn:
      return OwnerNumber(task, file);
    case abi::kFSetOwn:
      return SetOwner(task, file, static_cast<int32_t>(arg));
    case abi::kFGetOwnEx:
      return GetOwnerEx(task, file, UserAddr(arg));
    case abi::kFSetOwnEx:
      return SetOwnerEx(task, file, UserAddr(arg));
    case abi::kFGetSig:
      return file.async_owner().signo;
    default:
      return SetSignal(file, arg);
  }
}

SyscallResult PipeSize(Task& task, const File& file, uint32_t command, uint64_t arg) {
  const RefPtr<PipeEnd> end = FileCast<PipeEnd>(file);
  if (!end) return Errno::kEBADF;
  if (command == abi::kFGetPipeSz) return end->pipe().capacity();
  return end->pipe().SetCapacity(task.vfs_context(), static_cast<uint32_t>(arg));
}

}  // namespace

SyscallResult SysFcntl(Task& task, Fd fd, uint32_t command, uint64_t arg) {
  File file = TRY(task.fds().Get(fd.value));
  if (AllowedOnPath(command)) return DescriptorCommand(task, fd.value, std::move(file), command, arg);
  if (file->is_path()) return Errno::kEBADF;
  switch (command) {
    case abi::kFSetFl:
      return SetFlags(task, *file, static_cast<uint32_t>(arg));
    case abi::kFGetLk:
    case abi::kFOfdGetLk:
      return TestRangeLock(task, *file, command, UserAddr(arg));
    case abi::kFSetLk:
    case abi::kFSetLkW:
    case abi::kFOfdSetLk:
    case abi::kFOfdSetLkW:
      return SetRangeLock(task, fd.value, file, command, UserAddr(arg));
    case abi::kFGetOwn:
    case abi::kFSetOwn:
    case abi::kFGetOwnEx:
    case abi::kFSetOwnEx:
    case abi::kFGetSig:
    case abi::kFSetSig:
      return OwnerCommand(task, *file, command, arg);
    case abi::kFSetPipeSz:
    case abi::kFGetPipeSz:
      return PipeSize(task, file, command, arg);
    case abi::kFAddSeals:
      return AddSeals(*file, static_cast<uint32_t>(arg));
    case abi::kFGetSeals:
      return GetSeals(*file);
    case abi::kFGetLease:
      return int{abi::kFUnLck};  // nobody has one
    default:
      return Errno::kEINVAL;
  }
}

}  // namespace sentry
