// Record locks and flock: the system call side of Linux's fs/locks.c.
#include "sentry/syscalls/file_locking.h"

#include "sentry/abi/fcntl.h"
#include "sentry/kernel/block.h"
#include "sentry/kernel/close.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/vfs/file_locks.h"
#include "sentry/vfs/operations.h"

namespace sentry {
namespace {

bool IsOfd(uint32_t command) { return command >= abi::kFOfdGetLk && command <= abi::kFOfdSetLkW; }
bool Waits(uint32_t command) { return command == abi::kFSetLkW || command == abi::kFOfdSetLkW; }

LockOwner OwnerFor(Task& task, FileDescription& file, uint32_t command) {
  if (IsOfd(command)) return {.owner = &file, .pid = -1};
  return {.owner = PosixLockOwner(task), .pid = task.tgid()};
}

// Linux's flock_to_posix_lock: EINVAL, EOVERFLOW.
Result<LockRange> ToRange(const VfsContext& ctx, FileDescription& file, const abi::Flock& lock) {
  int64_t base = 0;
  if (lock.whence == abi::kSeekCur) {
    const Result<int64_t> at = file.Seek(ctx, 0, abi::kSeekCur);
    base = at.ok() ? *at : 0;
  } else if (lock.whence == abi::kSeekEnd) {
    base = static_cast<int64_t>(TRY(GetAttributes(ctx, file.path())).size);
  } else if (lock.whence != abi::kSeekSet) {
    return Errno::kEINVAL;
  }
  int64_t start;
  if (__builtin_add_overflow(base, lock.start, &start)) return Errno::kEOVERFLOW;
  if (start < 0) return Errno::kEINVAL;
  int64_t last = INT64_MAX;
  if (lock.len > 0) {
    if (__builtin_add_overflow(start, lock.len - 1, &last)) return Errno::kEOVERFLOW;
  } else if (lock.len < 0) {
    last = start - 1;
    if (__builtin_add_overflow(start, lock.len, &start) || start < 0) return Errno::kEINVAL;
  }
  return LockRange{.start = static_cast<uint64_t>(start), .last = static_cast<uint64_t>(last)};
}

Result<LockType> ToType(int16_t type) {
  if (type == abi::kFRdLck) return LockType::kRead;
  if (type == abi::kFWrLck) return LockType::kWrite;
  return Errno::kEINVAL;
}

// Asks for the lock until it is there, if the call waits.
Interruptible<int> Acquire(Task& task, FileLocks& locks, const LockOwner& owner, LockType type, LockRange range,
                           uint32_t command) {
  const bool posix_wait = command == abi::kFSetLkW;
  base::WaitQueue* const queue = Waits(command) ? &locks.wait_queue() : nullptr;
  auto result = BlockUntil(task, queue, ~base::EventMask{0}, std::nullopt, [&]() -> Result<int> {
    TRY(posix_wait ? locks.SetRangeOrWait(owner, type, range) : locks.SetRange(owner, type, range));
    return 0;
  });
  if (posix_wait) FileLocks::StopWaiting(owner.owner);
  return result;
}

}  // namespace

SyscallResult TestRangeLock(Task& task, FileDescription& file, uint32_t command, UserAddr arg) {
  abi::Flock lock = TRY(UserIn<abi::Flock>(arg).Read(task.mm()));
  const LockType type = TRY(ToType(lock.type));
  const LockRange range = TRY(ToRange(task.vfs_context(), file, lock));
  if (IsOfd(command) && lock.pid != 0) return Errno::kEINVAL;
  const RefPtr<Inode> inode = file.inode();
  const auto found = inode->locks().TestRange(OwnerFor(task, file, command), type, range);
  lock.type = abi::kFUnLck;
  if (found) {
    lock.type = found->type == LockType::kRead ? abi::kFRdLck : abi::kFWrLck;
    lock.whence = abi::kSeekSet;
    lock.start = static_cast<int64_t>(found->range.start);
    lock.len =
        found->range.last == LockRange::kMax ? 0 : static_cast<int64_t>(found->range.last - found->range.start + 1);
    lock.pid = found->owner.pid < 0 ? found->owner.pid : task.NumberOf(found->owner.pid);
  }
  return UserOut<abi::Flock>(arg).Write(task.mm(), lock);
}

SyscallResult SetRangeLock(Task& task, int32_t fd, const RefPtr<FileDescription>& file, uint32_t command,
                           UserAddr arg) {
  const abi::Flock lock = TRY(UserIn<abi::Flock>(arg).Read(task.mm()));
  const LockRange range = TRY(ToRange(task.vfs_context(), *file, lock));
  if (IsOfd(command) && lock.pid != 0) return Errno::kEINVAL;
  const LockOwner owner = OwnerFor(task, *file, command);
  const RefPtr<Inode> inode = file->inode();
  if (lock.type == abi::kFUnLck) {
    inode->locks().ClearRange(owner.owner, range);
    return 0;
  }
  const LockType type = TRY(ToType(lock.type));
  if (type == LockType::kRead ? !file->readable() : !file->writable()) return Errno::kEBADF;
  TRY(Acquire(task, inode->locks(), owner, type, range, command));
  // Another thread may have closed the descriptor meanwhile, and its close found
  // no lock to drop (Linux's fcntl_setlk).
  const Result<RefPtr<FileDescription>> now = task.fds().Get(fd);
  if (!IsOfd(command) && !(now.ok() && *now == file)) {
    inode->locks().ClearRange(owner.owner, range);
    return Errno::kEBADF;
  }
  return 0;
}

SyscallResult SysFlock(Task& task, Fd fd, uint32_t operation) {
  const uint32_t kind = operation & ~abi::kLockNb;
  if (kind != abi::kLockSh && kind != abi::kLockEx && kind != abi::kLockUn) return Errno::kEINVAL;
  const RefPtr<FileDescription> file = TRY(task.fds().GetNoPath(fd.value));
  const RefPtr<Inode> inode = file->inode();
  FileLocks& locks = inode->locks();
  if (kind == abi::kLockUn) {
    locks.ClearFlock(file.get());
    return 0;
  }
  const LockType type = kind == abi::kLockSh ? LockType::kRead : LockType::kWrite;
  base::WaitQueue* const queue = (operation & abi::kLockNb) != 0 ? nullptr : &locks.wait_queue();
  return BlockUntil(task, queue, ~base::EventMask{0}, std::nullopt, [&]() -> Result<int> {
    TRY(locks.SetFlock(file.get(), type));
    return 0;
  });
}

}  // namespace sentry
