// Owner, mode, times: Linux's fs/open.c and fs/utimes.c.
#include <array>

#include "sentry/abi/time.h"
#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/handlers.h"

namespace sentry {

SyscallResult SysFchmodat(Task& task, DirFd dir, UserPath path, FileMode mode) {
  const VfsContext ctx = task.vfs_context();
  return ChangeMode(ctx, TRY(ResolveAt(task, ctx, dir, path, 0)), mode.value & abi::kPermMask);
}

SyscallResult SysChmod(Task& task, UserPath path, FileMode mode) { return SysFchmodat(task, kCwd, path, mode); }

SyscallResult SysFchmod(Task& task, Fd fd, FileMode mode) {
  const RefPtr<FileDescription> file = TRY(task.fds().GetNoPath(fd.value));
  return ChangeMode(task.vfs_context(), file->path(), mode.value & abi::kPermMask);
}

SyscallResult SysFchownat(Task& task, DirFd dir, UserPath path, uint32_t uid, uint32_t gid, uint32_t flags) {
  if ((flags & ~(abi::kAtSymlinkNoFollow | abi::kAtEmptyPath)) != 0) return Errno::kEINVAL;
  const VfsContext ctx = task.vfs_context();
  return ChangeOwner(ctx, TRY(ResolveAt(task, ctx, dir, path, flags)), uid, gid);
}

SyscallResult SysChown(Task& task, UserPath path, uint32_t uid, uint32_t gid) {
  return SysFchownat(task, kCwd, path, uid, gid, 0);
}

SyscallResult SysLchown(Task& task, UserPath path, uint32_t uid, uint32_t gid) {
  return SysFchownat(task, kCwd, path, uid, gid, abi::kAtSymlinkNoFollow);
}

SyscallResult SysFchown(Task& task, Fd fd, uint32_t uid, uint32_t gid) {
  const RefPtr<FileDescription> file = TRY(task.fds().GetNoPath(fd.value));
  return ChangeOwner(task.vfs_context(), file->path(), uid, gid);
}

namespace {

constexpr int64_t kUtimeNow = 0x3fffffff, kUtimeOmit = 0x3ffffffe;

// Access and modification time as asked for; not yet checked (Linux looks at
// the nanoseconds after the path).
using Times = std::array<Timespec, 2>;
constexpr Times kBothNow = {Timespec{0, kUtimeNow}, Timespec{0, kUtimeNow}};

Result<TimeChange> ToChange(const Timespec& time) {
  using Kind = TimeChange::Kind;
  if (time.nsec == kUtimeNow) return TimeChange{.kind = Kind::kNow, .value = {}};
  if (time.nsec == kUtimeOmit) return TimeChange{.kind = Kind::kOmit, .value = {}};
  if (time.nsec < 0 || time.nsec >= kNsPerSec) return Errno::kEINVAL;
  return TimeChange{.kind = Kind::kSet, .value = time};
}

SyscallResult SetTimes(const VfsContext& ctx, const Path& place, const Times& times) {
  const TimeChange atime = TRY(ToChange(times[0]));
  const TimeChange mtime = TRY(ToChange(times[1]));
  return ChangeTimes(ctx, place, atime, mtime);
}

// Linux's do_utimes: without a path the descriptor itself is meant.
SyscallResult SetTimesAt(Task& task, DirFd dir, UserPath path, const Times& times, uint32_t flags) {
  const VfsContext ctx = task.vfs_context();
  if (!path && dir.value != abi::kAtFdCwd) {
    if (flags != 0) return Errno::kEINVAL;
    const RefPtr<FileDescription> file = TRY(task.fds().GetNoPath(dir.value));
    return SetTimes(ctx, file->path(), times);
  }
  if ((flags & ~(abi::kAtSymlinkNoFollow | abi::kAtEmptyPath)) != 0) return Errno::kEINVAL;
  return SetTimes(ctx, TRY(ResolveAt(task, ctx, dir, path, flags)), times);
}

Result<Times> ReadTimevals(Task& task, UserAddr addr) {
  if (addr.is_null()) return kBothNow;
  const auto tv = TRY(UserIn<abi::Timeval>(addr).ReadArray(task.mm(), 2));
  for (const abi::Timeval& t : tv) {
    if (t.usec < 0 || t.usec >= 1'000'000) return Errno::kEINVAL;
  }
  return Times{Timespec{tv[0].sec, tv[0].usec * 1000}, Timespec{tv[1].sec, tv[1].usec * 1000}};
}

}  // namespace

SyscallResult SysUtime(Task& task, UserPath path, UserAddr addr) {
  Times times = kBothNow;
  if (!addr.is_null()) {
    const auto seconds = TRY(UserIn<int64_t>(addr).ReadArray(task.mm(), 2));  // struct utimbuf
    times = {Timespec{seconds[0], 0}, Timespec{seconds[1], 0}};
  }
  return SetTimesAt(task, kCwd, path, times, 0);
}

SyscallResult SysUtimes(Task& task, UserPath path, UserAddr addr) { return SysFutimesat(task, kCwd, path, addr); }

SyscallResult SysFutimesat(Task& task, DirFd dir, UserPath path, UserAddr addr) {
  const Times times = TRY(ReadTimevals(task, addr));
  return SetTimesAt(task, dir, path, times, 0);
}

SyscallResult SysUtimensat(Task& task, DirFd dir, UserPath path, UserAddr addr, uint32_t flags) {
  Times times = kBothNow;
  if (!addr.is_null()) {
    const auto given = TRY(UserIn<Timespec>(addr).ReadArray(task.mm(), 2));
    times = {given[0], given[1]};
    // Linux does not even look at the path then.
    if (times[0].nsec == kUtimeOmit && times[1].nsec == kUtimeOmit) return 0;
  }
  return SetTimesAt(task, dir, path, times, flags);
}

}  // namespace sentry
