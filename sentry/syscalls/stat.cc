// What is known of a file: Linux's fs/stat.c, fs/statfs.c, fs/readdir.c,
// fs/d_path.c.
#include <algorithm>
#include <cstring>

#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/vfs/notify.h"

namespace sentry {
namespace {

constexpr uint32_t kAtStatxSyncType = 0x6000;
constexpr uint32_t kStatFlags = abi::kAtSymlinkNoFollow | abi::kAtNoAutomount | abi::kAtEmptyPath | kAtStatxSyncType;

abi::Stat ToStat(const UserNamespace& viewer, const Attributes& a) {
  abi::Stat s{};
  s.dev = a.dev;
  s.ino = a.ino;
  s.nlink = a.nlink;
  s.mode = a.mode;
  s.uid = viewer.ShownUid(a.uid);
  s.gid = viewer.ShownGid(a.gid);
  s.rdev = a.rdev;
  s.size = static_cast<int64_t>(a.size);
  s.blksize = a.blksize;
  s.blocks = static_cast<int64_t>(a.blocks);
  s.atime = a.atime;
  s.mtime = a.mtime;
  s.ctime = a.ctime;
  return s;
}

abi::StatxTimestamp ToStatxTime(const Timespec& t) {
  return {.sec = t.sec, .nsec = static_cast<uint32_t>(t.nsec), .pad = 0};
}

abi::Statx ToStatx(const UserNamespace& viewer, const Attributes& a, const Path& path) {
  constexpr uint64_t kMountRoot = 0x2000;
  abi::Statx s{};
  s.mask = abi::kStatxBasicStats | abi::kStatxMntId;
  s.blksize = a.blksize;
  s.attributes = path.mount->root() == path.dentry ? kMountRoot : 0;
  s.attributes_mask = kMountRoot;
  s.nlink = a.nlink;
  s.uid = viewer.ShownUid(a.uid);
  s.gid = viewer.ShownGid(a.gid);
  s.mode = static_cast<uint16_t>(a.mode);
  s.ino = a.ino;
  s.size = a.size;
  s.blocks = a.blocks;
  s.atime = ToStatxTime(a.atime);
  s.ctime = ToStatxTime(a.ctime);
  s.mtime = ToStatxTime(a.mtime);
  if (a.btime) {
    s.mask |= abi::kStatxBtime;
    s.btime = ToStatxTime(*a.btime);
  }
  s.rdev_major = abi::Major(a.rdev);
  s.rdev_minor = abi::Minor(a.rdev);
  s.dev_major = abi::Major(a.dev);
  s.dev_minor = abi::Minor(a.dev);
  s.mnt_id = static_cast<uint64_t>(path.mount->id());
  return s;
}

SyscallResult StatAt(Task& task, DirFd dir, UserPath path, UserOut<abi::Stat> buf, uint32_t at) {
  const VfsContext ctx = task.vfs_context();
  const Path place = TRY(ResolveAt(task, ctx, dir, path, at));
  return buf.Write(task.mm(), ToStat(*ctx.creds->user_ns, TRY(GetAttributes(ctx, place))));
}

}  // namespace

SyscallResult SysStat(Task& task, UserPath path, UserOut<abi::Stat> buf) { return StatAt(task, kCwd, path, buf, 0); }

SyscallResult SysLstat(Task& task, UserPath path, UserOut<abi::Stat> buf) {
  return StatAt(task, kCwd, path, buf, abi::kAtSymlinkNoFollow);
}

SyscallResult SysFstat(Task& task, Fd fd, UserOut<abi::Stat> buf) {
  const RefPtr<FileDescription> file = TRY(task.fds().Get(fd.value));
  return buf.Write(task.mm(), ToStat(*task.creds().user_ns, TRY(GetAttributes(task.vfs_context(), file->path()))));
}

SyscallResult SysNewfstatat(Task& task, DirFd dir, UserPath path, UserOut<abi::Stat> buf, uint32_t flags) {
  if ((flags & ~kStatFlags) != 0) return Errno::kEINVAL;
  return StatAt(task, dir, path, buf, flags);
}

SyscallResult SysStatx(Task& task, DirFd dir, UserPath path, uint32_t flags, uint32_t mask, UserOut<abi::Statx> buf) {
  constexpr uint32_t kReserved = 0x80000000;
  if ((mask & kReserved) != 0 || (flags & kAtStatxSyncType) == kAtStatxSyncType) return Errno::kEINVAL;
  if ((flags & ~kStatFlags) != 0) return Errno::kEINVAL;
  const VfsContext ctx = task.vfs_context();
  const Path place = TRY(ResolveAt(task, ctx, dir, path, flags));
  return buf.Write(task.mm(), ToStatx(*ctx.creds->user_ns, TRY(GetAttributes(ctx, place)), place));
}

SyscallResult SysStatfs(Task& task, UserPath path, UserOut<abi::Statfs> buf) {
  const VfsContext ctx = task.vfs_context();
  const Path place = TRY(ResolveAt(task, ctx, kCwd, path, 0));
  return buf.Write(task.mm(), TRY(StatFs(ctx, place)));
}

SyscallResult SysFstatfs(Task& task, Fd fd, UserOut<abi::Statfs> buf) {
  const RefPtr<FileDescription> file = TRY(task.fds().Get(fd.value));
  return buf.Write(task.mm(), TRY(StatFs(task.vfs_context(), file->path())));
}

namespace {

// access(2) asks for the real ids, and for root's powers only if the real user
// is root (Linux's access_override_creds).
RefPtr<Credentials> RealCredentials(const Credentials& creds) {
  auto real = MakeRef<Credentials>(creds);
  real->fsuid = creds.uid;
  real->fsgid = creds.gid;
  if ((creds.securebits & kSecbitNoSetuidFixup) == 0) {
    real->effective = creds.uid == creds.user_ns->ToKernelUid(0) ? creds.permitted : CapabilitySet{};
  }
  return real;
}

}  // namespace

SyscallResult SysFaccessat2(Task& task, DirFd dir, UserPath path, FileMode mode, uint32_t flags) {
  constexpr uint32_t kMask = abi::kMayRead | abi::kMayWrite | abi::kMayExec;
  if ((mode.value & ~kMask) != 0) return Errno::kEINVAL;
  if ((flags & ~(abi::kAtEaccess | abi::kAtSymlinkNoFollow | abi::kAtEmptyPath)) != 0) return Errno::kEINVAL;
  VfsContext ctx = task.vfs_context();
  if ((flags & abi::kAtEaccess) == 0) ctx.creds = RealCredentials(task.creds());
  return CheckAccess(ctx, TRY(ResolveAt(task, ctx, dir, path, flags)), mode.value);
}

SyscallResult SysFaccessat(Task& task, DirFd dir, UserPath path, FileMode mode) {
  return SysFaccessat2(task, dir, path, mode, 0);
}

SyscallResult SysAccess(Task& task, UserPath path, FileMode mode) { return SysFaccessat2(task, kCwd, path, mode, 0); }

SyscallResult SysReadlinkat(Task& task, DirFd dir, UserPath path, UserAddr buf, int32_t size) {
  if (size <= 0) return Errno::kEINVAL;
  // "" reads a link that was opened with O_PATH | O_NOFOLLOW.
  const PathArg arg = TRY(ReadPathArg(task, dir, path, EmptyPath::kAllowed));
  const std::string target =
      TRY(ReadLink(task.vfs_context(), arg.start, arg.text, {.follow = false, .empty_path = true}));
  const size_t n = std::min<size_t>(target.size(), static_cast<size_t>(size));
  TRY(CopyOutFull(task.mm(), buf, std::as_bytes(std::span(target.data(), n))));
  return n;
}

SyscallResult SysReadlink(Task& task, UserPath path, UserAddr buf, int32_t size) {
  return SysReadlinkat(task, kCwd, path, buf, size);
}

namespace {

enum class DirentLayout : uint8_t { kOld, k64 };

// Entries in the layout of getdents(2) or getdents64(2), in kernel memory of at
// most 128 KiB: a longer buffer is filled by the next call.
class DirentSink final : public DirSink {
 public:
  DirentSink(DirentLayout layout, size_t size) : layout_(layout), buf_(std::min<size_t>(size, 128 << 10)) {}

  bool Add(std::string_view name, uint64_t ino, uint32_t type, int64_t next_offset) override {
    // The type stands before the name, or (old) in the record's last byte.
    const size_t fixed = layout_ == DirentLayout::k64 ? kHeader + 1 : kHeader;
    const size_t tail = layout_ == DirentLayout::k64 ? 1 : 2;
    const size_t length = (fixed + name.size() + tail + 7) & ~size_t{7};
    if (length > buf_.size() - used_) {
      full_ = true;
      return false;
    }
    std::byte* const at = buf_.data() + used_;
    memset(at, 0, length);
    const uint16_t record = static_cast<uint16_t>(length);
    memcpy(at, &ino, 8);
    memcpy(at + 8, &next_offset, 8);
    memcpy(at + 16, &record, 2);
    memcpy(at + fixed, name.data(), name.size());
    at[layout_ == DirentLayout::k64 ? kHeader : length - 1] = static_cast<std::byte>(type >> 12);
    used_ += length;
    return true;
  }

  std::span<const std::byte> bytes() const { return std::span(buf_).first(used_); }
  bool too_small() const { return full_ && used_ == 0; }

 private:
  static constexpr size_t kHeader = 18;
  const DirentLayout layout_;
  std::vector<std::byte> buf_;
  size_t used_ = 0;
  bool full_ = false;
};

SyscallResult GetDents(Task& task, Fd fd, UserAddr buf, uint32_t count, DirentLayout layout) {
  const RefPtr<FileDescription> file = TRY(task.fds().GetNoPath(fd.value));
  const VfsContext ctx = task.vfs_context();
  const RefPtr<Inode> inode = file->inode();
  if (inode && inode->is_dir() && file->dentry().unhashed()) return Errno::kENOENT;  // removed meanwhile
  const Result<int64_t> before = file->Seek(ctx, 0, abi::kSeekCur);
  DirentSink sink(layout, count);
  TRY(file->IterateDir(ctx, sink));
  notify::Accessed(*file);
  if (sink.too_small()) return Errno::kEINVAL;
  const Result<void> copied = CopyOutFull(task.mm(), buf, sink.bytes());
  if (!copied.ok()) {
    // Nothing was told, so nothing was passed over.
    if (before.ok()) (void)file->Seek(ctx, *before, abi::kSeekSet);
    return copied.error();
  }
  return sink.bytes().size();
}

}  // namespace

SyscallResult SysGetdents(Task& task, Fd fd, UserAddr buf, uint32_t count) {
  return GetDents(task, fd, buf, count, DirentLayout::kOld);
}

SyscallResult SysGetdents64(Task& task, Fd fd, UserAddr buf, uint32_t count) {
  return GetDents(task, fd, buf, count, DirentLayout::k64);
}

SyscallResult SysGetcwd(Task& task, UserAddr buf, Size size) {
  const VfsContext ctx = task.vfs_context();
  if (ctx.cwd.dentry->unhashed()) return Errno::kENOENT;
  const std::string path = PathToString(*ctx.mounts, ctx.root, ctx.cwd, Deleted::kPlain);
  if (path.size() >= kPathMax) return Errno::kENAMETOOLONG;
  if (path.size() + 1 > size.value) return Errno::kERANGE;
  TRY(CopyOutFull(task.mm(), buf, std::as_bytes(std::span(path.c_str(), path.size() + 1))));
  return path.size() + 1;
}

}  // namespace sentry
