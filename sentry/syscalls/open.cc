// Descriptors come and go: Linux's fs/open.c, fs/file.c, fs/pipe.c.
#include "sentry/fs/pipe/fifo.h"
#include "sentry/fs/pipe/pipe_file.h"
#include "sentry/fs/tmpfs/tmpfs.h"
#include "sentry/kernel/block.h"
#include "sentry/kernel/close.h"
#include "sentry/kernel/kernel.h"
#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/rooms.h"

namespace sentry {
namespace {

constexpr uint32_t kTmpFileBit = abi::kOTmpFile & ~abi::kODirectory;
constexpr uint32_t kValidOpenFlags = abi::kOAccMode | abi::kOCreat | abi::kOExcl | abi::kONoCtty | abi::kOTrunc |
                                     abi::kOAppend | abi::kONonBlock | abi::kODSync | abi::kOSync | abi::kOAsync |
                                     abi::kODirect | abi::kOLargeFile | abi::kODirectory | abi::kONoFollow |
                                     abi::kONoAtime | abi::kOCloExec | abi::kOPath | kTmpFileBit;
constexpr uint32_t kPathFlags = abi::kODirectory | abi::kONoFollow | abi::kOPath | abi::kOCloExec;

// struct open_how (man 2 openat2).
struct RawHow {
  uint64_t flags;
  uint64_t mode;
  uint64_t resolve;
};
constexpr size_t kHowSizeV0 = 24;
constexpr uint64_t kNoXdev = 1, kNoMagicLinks = 2, kNoSymlinks = 4, kBeneath = 8, kInRoot = 16, kCached = 32;

// Linux's build_open_flags.
Result<OpenHow> ToHow(const RawHow& raw) {
  if ((raw.flags & ~uint64_t{kValidOpenFlags}) != 0) return Errno::kEINVAL;
  if ((raw.resolve & ~(kNoXdev | kNoMagicLinks | kNoSymlinks | kBeneath | kInRoot | kCached)) != 0) {
    return Errno::kEINVAL;
  }
  if ((raw.resolve & kBeneath) != 0 && (raw.resolve & kInRoot) != 0) return Errno::kEINVAL;
  uint32_t flags = static_cast<uint32_t>(raw.flags);
  const bool creates = (flags & (abi::kOCreat | kTmpFileBit)) != 0;
  if (creates ? (raw.mode & ~uint64_t{abi::kPermMask}) != 0 : raw.mode != 0) return Errno::kEINVAL;
  if ((flags & abi::kODirectory) != 0 && (flags & abi::kOCreat) != 0) return Errno::kEINVAL;
  if ((flags & kTmpFileBit) != 0) {
    if ((flags & abi::kODirectory) == 0 || (flags & abi::kOAccMode) == abi::kORdOnly) return Errno::kEINVAL;
  }
  if ((flags & abi::kOPath) != 0 && (flags & ~kPathFlags) != 0) return Errno::kEINVAL;
  // O_SYNC has a bit of its own besides O_DSYNC's: __O_SYNC alone means both.
  if ((flags & (abi::kOSync & ~abi::kODSync)) != 0) flags |= abi::kODSync;
  if ((raw.resolve & kCached) != 0) return Errno::kEAGAIN;  // "not from the cache alone", always allowed
  OpenHow how{.flags = flags, .mode = static_cast<uint32_t>(raw.mode), .resolve = {}};
  how.resolve.no_xdev = (raw.resolve & kNoXdev) != 0;
  how.resolve.no_magiclinks = (raw.resolve & kNoMagicLinks) != 0;
  how.resolve.no_symlinks = (raw.resolve & kNoSymlinks) != 0;
  how.resolve.beneath = (raw.resolve & kBeneath) != 0;
  how.resolve.in_root = (raw.resolve & kInRoot) != 0;
  return how;
}

// What open(2) and openat(2) forgive: unknown flags and useless modes.
RawHow ForgivingHow(uint32_t flags, uint32_t mode) {
  flags &= kValidOpenFlags;
  if ((flags & abi::kOPath) != 0) {
    flags &= kPathFlags;
  } else {
    flags |= abi::kOLargeFile;  // as x86-64's F_GETFL tells
  }
  const bool creates = (flags & (abi::kOCreat | kTmpFileBit)) != 0;
  return {.flags = flags, .mode = creates ? mode & abi::kPermMask : 0, .resolve = 0};
}

// A fifo waits for its other side before anybody gets to see the descriptor.
Interruptible<int> WaitForFifo(Task& task, const RefPtr<FileDescription>& file) {
  return BlockUntil(task, file->wait_queue(), ~base::EventMask{0}, std::nullopt, [&]() -> Result<int> {
    if (FifoOpenPending(file)) return Errno::kEAGAIN;
    return 0;
  });
}

SyscallResult OpenAt(Task& task, DirFd dir, UserPath path, const RawHow& raw) {
  const OpenHow how = TRY(ToHow(raw));
  PathArg arg = TRY(ReadPathArg(task, dir, path));
  // RESOLVE_IN_ROOT: an absolute path begins there too.
  if (how.resolve.in_root && dir.value != abi::kAtFdCwd) arg.start = TRY(task.fds().Get(dir.value))->path();
  TRY(task.fds().CheckRoom(NofileLimit(task)));
  RefPtr<FileDescription> file = TRY(Open(task.vfs_context(), arg.start, arg.text, how));
  if (FifoOpenPending(file)) TRY(WaitForFifo(task, file));
  return InstallFd(task, std::move(file), ToCloseOnExec(how.flags));
}

}  // namespace

SyscallResult SysOpen(Task& task, UserPath path, OpenFlags flags, FileMode mode) {
  return OpenAt(task, kCwd, path, ForgivingHow(flags.value, mode.value));
}

SyscallResult SysOpenat(Task& task, DirFd dir, UserPath path, OpenFlags flags, FileMode mode) {
  return OpenAt(task, dir, path, ForgivingHow(flags.value, mode.value));
}

SyscallResult SysOpenat2(Task& task, DirFd dir, UserPath path, UserAddr how, Size size) {
  RawHow raw{};
  TRY(CopyInExtensible(task, how, size.value, kHowSizeV0, std::as_writable_bytes(std::span(&raw, 1))));
  return OpenAt(task, dir, path, raw);
}

SyscallResult SysCreat(Task& task, UserPath path, FileMode mode) {
  return OpenAt(task, kCwd, path, ForgivingHow(abi::kOCreat | abi::kOWrOnly | abi::kOTrunc, mode.value));
}

SyscallResult SysClose(Task& task, Fd fd) {
  CloseFile(task, TRY(task.fds().Remove(fd.value)));
  return 0;
}

SyscallResult SysCloseRange(Task& task, uint32_t first, uint32_t last, uint32_t flags) {
  constexpr uint32_t kUnshare = 2, kCloExec = 4;
  if ((flags & ~(kUnshare | kCloExec)) != 0 || first > last) return Errno::kEINVAL;
  if ((flags & kUnshare) != 0) task.SetFds(task.fds().Fork());
  if ((flags & kCloExec) != 0) {
    task.fds().SetCloseOnExecRange(first, last);
    return 0;
  }
  for (RefPtr<FileDescription>& file : task.fds().RemoveRange(first, last)) CloseFile(task, std::move(file));
  return 0;
}

SyscallResult SysDup(Task& task, Fd fd) { return InstallFd(task, TRY(task.fds().Get(fd.value)), CloseOnExec::kNo); }

namespace {

SyscallResult Duplicate(Task& task, int32_t old_fd, int32_t new_fd, CloseOnExec cloexec) {
  if (new_fd < 0 || static_cast<uint64_t>(new_fd) >= NofileLimit(task)) return Errno::kEBADF;
  RefPtr<FileDescription> file = TRY(task.fds().Get(old_fd));
  RefPtr<FileDescription> replaced = TRY(task.fds().InstallAt(new_fd, std::move(file), cloexec, NofileLimit(task)));
  if (replaced) CloseFile(task, std::move(replaced));
  return new_fd;
}

}  // namespace

SyscallResult SysDup2(Task& task, Fd old_fd, Fd new_fd) {
  if (old_fd.value == new_fd.value) {
    TRY(task.fds().Get(old_fd.value));
    return new_fd.value;
  }
  return Duplicate(task, old_fd.value, new_fd.value, CloseOnExec::kNo);
}

SyscallResult SysDup3(Task& task, Fd old_fd, Fd new_fd, OpenFlags flags) {
  if ((flags.value & ~abi::kOCloExec) != 0 || old_fd.value == new_fd.value) return Errno::kEINVAL;
  return Duplicate(task, old_fd.value, new_fd.value, ToCloseOnExec(flags.value));
}

SyscallResult SysPipe(Task& task, UserOut<FdPair> fds) { return SysPipe2(task, fds, OpenFlags{0}); }

SyscallResult SysPipe2(Task& task, UserOut<FdPair> fds, OpenFlags flags) {
  if ((flags.value & ~(abi::kOCloExec | abi::kONonBlock | abi::kODirect)) != 0) return Errno::kEINVAL;
  PipePair pipe = NewPipe(task.vfs_context(), flags.value);
  return InstallFdPair(task, std::move(pipe.read_end), std::move(pipe.write_end), ToCloseOnExec(flags.value), fds);
}

SyscallResult SysMemfdCreate(Task& task, UserAddr name, uint32_t flags) {
  constexpr size_t kNameMax = 249;  // "memfd:" and the name fill NAME_MAX
  const Result<std::string> text = CopyInString(task.mm(), name, kNameMax + 1);
  if (!text.ok()) return text.Is(Errno::kENAMETOOLONG) ? Errno::kEINVAL : text.error();
  RefPtr<FileDescription> file =
      TRY(SyscallRooms::Of(task.kernel()).memfds().NewMemfd(task.vfs_context(), *text, flags));
  return InstallFd(task, std::move(file), (flags & kMfdCloExec) != 0 ? CloseOnExec::kYes : CloseOnExec::kNo);
}

}  // namespace sentry
