// An open file. Analogous to Linux's struct file with its file_operations.
//
// Nothing here sleeps for a guest: what can't go on returns EAGAIN, and the
// caller waits on wait_queue() until readiness says so (see VfsContext).
#ifndef SENTRY_VFS_FILE_DESCRIPTION_H_
#define SENTRY_VFS_FILE_DESCRIPTION_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/wait_queue.h"
#include "sentry/mm/mappable.h"
#include "sentry/usermem/io_buffer.h"
#include "sentry/vfs/context.h"
#include "sentry/vfs/inode.h"

namespace sentry {

class EpollCore;

// Receives directory entries (getdents64). Returns false when full: the entry
// was not taken and iteration stops before it.
class DirSink {
 public:
  virtual ~DirSink() = default;
  // `next_offset` is what d_off tells: where to go on behind this entry.
  virtual bool Add(std::string_view name, uint64_t ino, uint32_t type /* S_IF* */, int64_t next_offset) = 0;
};

class FileDescription : public FileIdentity {
 public:
  // flags: open(2)'s access mode and status flags.
  FileDescription(Path path, uint32_t flags);
  ~FileDescription() override;

  const Path& path() const { return path_; }
  Dentry& dentry() const { return *path_.dentry; }
  RefPtr<Inode> inode() const;

  // Status flags as F_GETFL tells; SetStatusFlags changes those F_SETFL may
  // (O_APPEND, O_NONBLOCK, O_ASYNC, O_DIRECT, O_NOATIME).
  uint32_t flags() const { return flags_.load(std::memory_order_relaxed); }
  void SetStatusFlags(uint32_t flags);
  bool readable() const { return !is_path() && (flags() & abi::kOAccMode) != abi::kOWrOnly; }
  bool writable() const { return !is_path() && (flags() & abi::kOAccMode) != abi::kORdOnly; }
  bool is_path() const { return flags() & abi::kOPath; }
  bool nonblocking() const { return flags() & abi::kONonBlock; }

  // --- Data ---
  // At the file's own position, which moves. Defaults: ReadAt/WriteAt with the
  // position lock held (seekable files). Streams override them.
  virtual Result<size_t> Read(const VfsContext& ctx, IoSink& dst);
  virtual Result<size_t> Write(const VfsContext& ctx, IoSource& src);
  // At an offset (pread, pwrite): ESPIPE by default. O_APPEND writes at the end.
  virtual Result<size_t> ReadAt(const VfsContext& ctx, IoSink& dst, uint64_t offset);
  virtual Result<size_t> WriteAt(const VfsContext& ctx, IoSource& src, uint64_t offset);
  virtual bool seekable() const { return false; }
  virtual Result<int64_t> Seek(const VfsContext& ctx, int64_t offset, int whence);  // default by seekable()
  // For SEEK_END, SEEK_DATA, SEEK_HOLE; default from the inode's size.
  virtual Result<uint64_t> SeekDataHole(const VfsContext& ctx, uint64_t offset, int whence);
  virtual Result<void> Fallocate(const VfsContext& ctx, int mode, uint64_t offset, uint64_t length);  // EOPNOTSUPP
  virtual Result<void> Sync(const VfsContext& ctx);  // fsync; default EINVAL for streams, Ok for inodes with data
  // At each close(2) of a descriptor that refers here (Linux's flush).
  virtual void Flush(const VfsContext& ctx) { (void)ctx; }

  // --- Directories: ENOTDIR by default. Starts at position() and moves it. ---
  virtual Result<void> IterateDir(const VfsContext& ctx, DirSink& sink);

  // --- Readiness ---
  // Events of `mask` that hold now. Default: always readable and writable.
  virtual base::EventMask Readiness(base::EventMask mask);
  // Notified when readiness may have changed; null: never changes.
  virtual base::WaitQueue* wait_queue() { return nullptr; }
  // Whether epoll takes it (EPERM for regular files and directories).
  virtual bool pollable() const { return wait_queue_exists(); }

  // --- Others ---
  // Arguments are in ctx.memory. ENOTTY by default.
  virtual Result<uint64_t> Ioctl(const VfsContext& ctx, uint32_t request, uint64_t arg);
  // What mmap maps; ENODEV by default.
  virtual Result<RefPtr<Mappable>> MapTarget();
  // F_SETPIPE_SZ and other calls of one kind of file cast by this tag, for want
  // of RTTI. Each kind names itself once.
  virtual const void* kind() const { return nullptr; }
  // Lines for /proc/PID/fdinfo after pos, flags, mnt_id, ino.
  virtual std::string FdInfo() { return ""; }
  // The same, where it has process numbers: those of the proc that shows it.
  virtual std::string FdInfoFor(const PidNamespace& /*viewer*/) { return FdInfo(); }

  // --- FileIdentity (/proc/PID/maps) ---
  std::string MappedName() const override;
  uint64_t MappedDevice() const override;
  uint64_t MappedInode() const override;

  // Linux's f_owner (F_SETOWN, F_SETSIG), kept for F_GETOWN and O_ASYNC.
  struct AsyncOwner {
    int32_t pid = 0;  // an id (pid.h); negative: a process group's
    int32_t signo = 0;
  };
  AsyncOwner async_owner() const;
  void SetAsyncOwner(AsyncOwner owner);

  // For vfs/operations: gives back at the end what was taken of inode() when the
  // file was opened (ETXTBSY).
  enum class WriteAccess : uint8_t { kNone, kHeld, kDenied };
  void AdoptWriteAccess(WriteAccess access) { write_access_ = access; }
  // For EpollCore: `core` has an entry of this file, to be taken out before the
  // file goes.
  void AddEpoll(const RefPtr<EpollCore>& core);
  void RemoveEpoll(const EpollCore& core);

 protected:
  // Leaves all epolls and drops locks while the object is still whole.
  void LastRefDropped() override;

  int64_t position() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(position_mu_) { return position_; }
  void set_position(int64_t p) ABSL_EXCLUSIVE_LOCKS_REQUIRED(position_mu_) { position_ = p; }
  // Rank kFileDescription: outermost of file locks; held over user copies, as
  // Linux's f_pos_lock is.
  mutable base::RankedMutex<base::LockRank::kFileDescription> position_mu_;

 private:
  bool wait_queue_exists() const { return const_cast<FileDescription*>(this)->wait_queue() != nullptr; }

  const Path path_;
  std::atomic<uint32_t> flags_;
  int64_t position_ ABSL_GUARDED_BY(position_mu_) = 0;
  WriteAccess write_access_ = WriteAccess::kNone;
  mutable base::RankedMutex<base::LockRank::kLeaf> owner_mu_;
  AsyncOwner owner_ ABSL_GUARDED_BY(owner_mu_);
  // One reference an entry; an instance may have several of this file.
  std::vector<RefPtr<EpollCore>> epolls_ ABSL_GUARDED_BY(owner_mu_);
};

// Casts to T if file.kind() says so. T has `static const void* Kind()`.
template <typename T>
RefPtr<T> FileCast(const RefPtr<FileDescription>& file) {
  if (!file || file->kind() != T::Kind()) return nullptr;
  return RefPtr<T>(static_cast<T*>(file.get()));
}

}  // namespace sentry

#endif  // SENTRY_VFS_FILE_DESCRIPTION_H_
