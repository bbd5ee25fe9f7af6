#include "sentry/fs/host/host_file.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "sentry/abi/ioctl.h"
#include "sentry/abi/termios.h"
#include "sentry/abi/tty.h"
#include "sentry/fs/host/host_io.h"
#include "sentry/fs/host/host_poller.h"
#include "sentry/usermem/user_ptr.h"
#include "sentry/vfs/simple_inode.h"

namespace sentry {
namespace {

class HostFileSystem final : public FileSystem {
 public:
  HostFileSystem() : FileSystem("hostfd") {}
  Result<abi::Statfs> StatFs(const VfsContext&) override {
    abi::Statfs st{};
    st.type = 0x09041934;  // ANON_INODE_FS_MAGIC: none of the host's is ours to tell
    st.bsize = st.frsize = kPageSize;
    st.namelen = 255;
    return st;
  }
};

RefPtr<FileSystem> TheHostFileSystem() {
  static FileSystem* const fs = MakeRef<HostFileSystem>().release();  // lives as long as the process
  return RefPtr<FileSystem>(fs);
}

class HostInode final : public Inode {
 public:
  HostInode(HostPoller& poller, base::UniqueFd fd, HostIo::Kind kind, uint32_t access, const HostFileOptions& options)
      : Inode(TheHostFileSystem()), io_(std::move(fd), kind), poller_(poller), access_(access), options_(options) {}

  // A pipe or device of the host must not be opened as one of ours, which vfs
  // does by this type; what stat tells is in the attributes.
  uint32_t type() const override {
    if (io_.kind() == HostIo::Kind::kDirectory) return abi::kSIfDir;
    return io_.kind() == HostIo::Kind::kRegular ? abi::kSIfReg : 0;
  }
  const HostIo& io() const { return io_; }
  HostPoller& poller() const { return poller_; }
  bool host_readable() const { return access_ != abi::kOWrOnly; }
  bool host_writable() const { return access_ != abi::kORdOnly; }

  Result<Attributes> GetAttributes(const VfsContext& ctx) override;
  Result<void> SetAttr(const VfsContext& ctx, const SetAttributes& set) override;
  Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& path, uint32_t flags) override;
  Result<void> CheckMap(bool shared, MemoryProtection max) override;
  Result<Translation> Translate(uint64_t offset, uint64_t max_length, MemoryProtection access) override;
  Result<void> SyncMapped(uint64_t offset, uint64_t length) override;

 private:
  const HostIo io_;
  HostPoller& poller_;
  const uint32_t access_;
  const HostFileOptions options_;
};

class HostFile final : public FileDescription {
 public:
  HostFile(Path path, uint32_t flags, RefPtr<HostInode> inode)
      : FileDescription(std::move(path), flags), inode_(std::move(inode)), watch_(io().fd(), queue_) {}
  ~HostFile() override { inode_->poller().Remove(watch_); }

  Result<size_t> Read(const VfsContext& ctx, IoSink& dst) override;
  Result<size_t> Write(const VfsContext& ctx, IoSource& src) override;
  Result<size_t> ReadAt(const VfsContext& ctx, IoSink& dst, uint64_t offset) override;
  Result<size_t> WriteAt(const VfsContext& ctx, IoSource& src, uint64_t offset) override;
  bool seekable() const override { return io().kind() == HostIo::Kind::kRegular; }
  Result<int64_t> Seek(const VfsContext& ctx, int64_t offset, int whence) override;
  Result<void> Fallocate(const VfsContext& ctx, int mode, uint64_t offset, uint64_t length) override;
  Result<void> Sync(const VfsContext& ctx) override;
  base::EventMask Readiness(base::EventMask mask) override;
  base::WaitQueue* wait_queue() override { return io().always_ready() ? nullptr : &queue_; }
  Result<uint64_t> Ioctl(const VfsContext& ctx, uint32_t request, uint64_t arg) override;
  Result<RefPtr<Mappable>> MapTarget() override {
    if (io().kind() != HostIo::Kind::kRegular) return Errno::kENODEV;
    return RefPtr<Mappable>(inode_.get());
  }

 private:
  const HostIo& io() const { return inode_->io(); }
  // For waiters that do not look at Readiness again before they sleep (epoll's
  // edge mode): a call that found nothing asks to be told.
  void ArmIfAwaited(base::EventMask mask) {
    if (!io().always_ready() && !queue_.empty()) inode_->poller().Arm(watch_, mask);
  }

  const RefPtr<HostInode> inode_;
  base::WaitQueue queue_;
  HostPoller::Watch watch_;
};

Timespec ToTimespec(const timespec& ts) { return {ts.tv_sec, ts.tv_nsec}; }

Result<Attributes> HostInode::GetAttributes(const VfsContext&) {
  struct stat st;
  if (fstat(io_.fd(), &st) != 0) return base::HostErrno();
  Attributes a;
  a.ino = st.st_ino;
  a.dev = fs().device();  // the host's numbers may be those of one of our mounts
  a.mode = st.st_mode;
  a.nlink = static_cast<uint32_t>(st.st_nlink);
  a.uid = options_.uid.value_or(st.st_uid);
  a.gid = options_.gid.value_or(st.st_gid);
  a.rdev = st.st_rdev;
  a.size = static_cast<uint64_t>(st.st_size);
  a.blocks = static_cast<uint64_t>(st.st_blocks);
  a.blksize = static_cast<uint32_t>(st.st_blksize);
  a.atime = ToTimespec(st.st_atim), a.mtime = ToTimespec(st.st_mtim), a.ctime = ToTimespec(st.st_ctim);
  return a;
}

Result<void> HostInode::SetAttr(const VfsContext&, const SetAttributes& set) {
  if (!set.size) return Errno::kEPERM;
  // O_TRUNC of a pipe or device by way of /dev/stdout does nothing, as in Linux.
  if (type() != abi::kSIfReg) return Ok();
  if (*set.size > INT64_MAX) return Errno::kEFBIG;
  if (ftruncate(io_.fd(), static_cast<off_t>(*set.size)) != 0) return base::HostErrno();
  return Ok();
}

Result<RefPtr<FileDescription>> HostInode::Open(const VfsContext&, const Path& path, uint32_t flags) {
  // A second open shares the host's offset: the sentry opens no host path.
  if (io_.kind() == HostIo::Kind::kSocket) return Errno::kENXIO;
  const uint32_t access = flags & abi::kOAccMode;
  if (access != abi::kOWrOnly && !host_readable()) return Errno::kEACCES;
  if (access != abi::kORdOnly && !host_writable()) return Errno::kEACCES;
  return RefPtr<FileDescription>(MakeRef<HostFile>(path, flags, RefPtr<HostInode>(this)));
}

Result<void> HostInode::CheckMap(bool shared, MemoryProtection max) {
  if (type() != abi::kSIfReg) return Errno::kENODEV;
  if (!host_readable()) return Errno::kEACCES;
  if (shared && max.write && !host_writable()) return Errno::kEACCES;
  return Ok();
}

Result<Translation> HostInode::Translate(uint64_t offset, uint64_t max_length, MemoryProtection) {
  struct stat st;
  if (fstat(io_.fd(), &st) != 0) return Errno::kEFAULT;
  const uint64_t end = PageRoundUp(static_cast<uint64_t>(st.st_size));
  if (offset >= end) return Errno::kEFAULT;
  Translation t{};
  t.offset = offset;
  t.length = std::min(std::max(PageRoundDown(max_length), kPageSize), end - offset);
  t.in_memory_file = false;
  t.host_fd = io_.fd();
  t.host_offset = offset;
  t.keepalive = RefPtr<base::RefCounted>(this);
  return t;
}

Result<void> HostInode::SyncMapped(uint64_t, uint64_t) {
  if (fdatasync(io_.fd()) != 0) return base::HostErrno();
  return Ok();
}

Result<size_t> HostFile::Read(const VfsContext&, IoSink& dst) {
  std::vector<std::byte> chunk(std::min(dst.remaining(), kIoChunk));
  size_t total = 0;
  do {
    const std::span<std::byte> part(chunk.data(), std::min(dst.remaining(), chunk.size()));
    const Result<size_t> n = io().Read(part);
    if (n.Is(Errno::kEAGAIN)) ArmIfAwaited(base::kEventIn);
    if (!n.ok() && total == 0) return n.error();
    if (!n.ok() || *n == 0) break;
    const Result<size_t> copied = dst.Write(part.first(*n));
    const size_t taken = copied.ok() ? *copied : 0;
    // What the guest's memory refused stays in a file; a stream has lost it, as
    // the bytes of a pipe are when Linux can't copy them.
    if (taken < *n && seekable()) lseek(io().fd(), -static_cast<off_t>(*n - taken), SEEK_CUR);
    if (!copied.ok() && total == 0) return copied.error();
    total += taken;
    if (taken < *n || *n < part.size()) break;
  } while (dst.remaining() > 0 && seekable());
  return total;
}

Result<size_t> HostFile::Write(const VfsContext&, IoSource& src) {
  std::vector<std::byte> chunk(std::min(src.remaining(), kIoChunk));
  size_t total = 0;
  do {
    const Result<size_t> got = src.Read(std::span(chunk).first(std::min(src.remaining(), chunk.size())));
    if (!got.ok()) {
      if (total > 0) break;
      return got.error();
    }
    const Result<size_t> n = io().Write(std::span(chunk).first(*got), flags() & abi::kOAppend);
    src.Rewind(*got - (n.ok() ? *n : 0));
    if (n.Is(Errno::kEAGAIN)) ArmIfAwaited(base::kEventOut);
    if (!n.ok() && total == 0) return n.error();
    if (!n.ok()) break;
    total += *n;
    if (*n < *got) break;
  } while (src.remaining() > 0);
  return total;
}

Result<size_t> HostFile::ReadAt(const VfsContext&, IoSink& dst, uint64_t offset) {
  if (!seekable()) return Errno::kESPIPE;
  std::vector<std::byte> chunk(std::min(dst.remaining(), kIoChunk));
  size_t total = 0;
  while (dst.remaining() > 0 && offset + total <= INT64_MAX) {
    const size_t want = std::min(dst.remaining(), chunk.size());
    const ssize_t n = pread(io().fd(), chunk.data(), want, static_cast<off_t>(offset + total));
    if (n < 0 && total == 0) return base::HostErrno();
    if (n <= 0) break;
    const Result<size_t> copied = dst.Write(std::span(chunk).first(static_cast<size_t>(n)));
    if (!copied.ok()) {
      if (total > 0) break;
      return copied.error();
    }
    total += *copied;
    if (*copied < want) break;
  }
  return total;
}

Result<size_t> HostFile::WriteAt(const VfsContext&, IoSource& src, uint64_t offset) {
  if (!seekable()) return Errno::kESPIPE;
  std::vector<std::byte> chunk(std::min(src.remaining(), kIoChunk));
  size_t total = 0;
  while (src.remaining() > 0 && offset + total <= INT64_MAX) {
    const Result<size_t> got = src.Read(std::span(chunk).first(std::min(src.remaining(), chunk.size())));
    if (!got.ok()) {
      if (total > 0) break;
      return got.error();
    }
    const ssize_t n = pwrite(io().fd(), chunk.data(), *got, static_cast<off_t>(offset + total));
    const size_t taken = n < 0 ? 0 : static_cast<size_t>(n);
    src.Rewind(*got - taken);
    if (n < 0 && total == 0) return base::HostErrno();
    total += taken;
    if (taken < *got) break;
  }
  return total;
}

Result<int64_t> HostFile::Seek(const VfsContext&, int64_t offset, int whence) {
  // A device such as /dev/null seeks too; what can't says so itself.
  const off_t at = lseek(io().fd(), offset, whence);  // values of whence are the host's
  if (at < 0) return base::HostErrno();
  return static_cast<int64_t>(at);
}

Result<void> HostFile::Fallocate(const VfsContext&, int mode, uint64_t offset, uint64_t length) {
  if (!seekable()) return Errno::kESPIPE;
  if (offset > INT64_MAX || length > INT64_MAX - offset) return Errno::kEFBIG;
  if (fallocate(io().fd(), mode, static_cast<off_t>(offset), static_cast<off_t>(length)) != 0) {
    return base::HostErrno();
  }
  return Ok();
}

Result<void> HostFile::Sync(const VfsContext&) {
  if (!seekable()) return Errno::kEINVAL;
  if (fsync(io().fd()) != 0) return base::HostErrno();
  return Ok();
}

base::EventMask HostFile::Readiness(base::EventMask mask) {
  const base::EventMask always = base::kEventIn | base::kEventRdNorm | base::kEventOut | base::kEventWrNorm;
  if (io().always_ready()) return mask & always;
  const base::EventMask now = io().Poll(mask) & (mask | base::kEventErr | base::kEventHup);
  if ((now & mask) != mask) ArmIfAwaited(mask & ~now);
  return now;
}

Result<uint64_t> HostFile::Ioctl(const VfsContext& ctx, uint32_t request, uint64_t arg) {
  if (ctx.memory == nullptr) return Errno::kENOTTY;
  const UserAddr addr(arg);
  if (request == abi::kFioNRead && io().kind() != HostIo::Kind::kDevice) {
    int32_t n = 0;
    if (ioctl(io().fd(), FIONREAD, &n) != 0) return base::HostErrno();
    TRY(UserOut<int32_t>(addr).Write(*ctx.memory, n));
    return uint64_t{0};
  }
  if (io().kind() != HostIo::Kind::kTerminal) return Errno::kENOTTY;
  // A terminal that was not bridged can be looked at, never changed.
  if (request == abi::kTcGetS) {
    abi::Termios termios{};
    if (ioctl(io().fd(), abi::kTcGetS, &termios) != 0) return base::HostErrno();
    TRY(UserOut<abi::Termios>(addr).Write(*ctx.memory, termios));
    return uint64_t{0};
  }
  if (request == abi::kTiocGWinSz) {
    abi::Winsize size{};
    if (ioctl(io().fd(), abi::kTiocGWinSz, &size) != 0) return base::HostErrno();
    TRY(UserOut<abi::Winsize>(addr).Write(*ctx.memory, size));
    return uint64_t{0};
  }
  return Errno::kENOTTY;
}

// What /proc/PID/fd shows.
std::string NameOf(HostIo::Kind kind, uint64_t ino) {
  switch (kind) {
    case HostIo::Kind::kPipe:
      return "pipe:[" + std::to_string(ino) + "]";
    case HostIo::Kind::kSocket:
      return "socket:[" + std::to_string(ino) + "]";
    default:
      return "host:[" + std::to_string(ino) + "]";
  }
}

}  // namespace

bool IsHostTerminal(int fd) {
  const Result<HostIo::Kind> kind = HostIo::KindOf(fd);
  return kind.ok() && *kind == HostIo::Kind::kTerminal;
}

Result<RefPtr<FileDescription>> NewHostFile(HostPoller& poller, base::UniqueFd fd, uint32_t flags,
                                            const HostFileOptions& options) {
  const HostIo::Kind kind = TRY(HostIo::KindOf(fd.get()));
  const int host_flags = fcntl(fd.get(), F_GETFL);
  if (host_flags < 0) return base::HostErrno();
  struct stat st;
  if (fstat(fd.get(), &st) != 0) return base::HostErrno();
  const uint32_t access = static_cast<uint32_t>(host_flags) & abi::kOAccMode;
  RefPtr<HostInode> inode = MakeRef<HostInode>(poller, std::move(fd), kind, access, options);
  Path path = InternalPath(InternalFs::kAnonInode, inode, NameOf(kind, st.st_ino));
  flags = (flags & ~abi::kOAccMode) | access | (static_cast<uint32_t>(host_flags) & abi::kOAppend);
  return RefPtr<FileDescription>(MakeRef<HostFile>(std::move(path), flags, std::move(inode)));
}

}  // namespace sentry
