#include "sentry/vfs/file_description.h"

#include <algorithm>
#include <utility>

#include "sentry/vfs/dentry.h"
#include "sentry/vfs/epoll.h"
#include "sentry/vfs/file_locks.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/path_walk.h"

namespace sentry {
namespace {

constexpr uint32_t kSettable = abi::kOAppend | abi::kONonBlock | abi::kOAsync | abi::kODirect | abi::kONoAtime;
constexpr uint32_t kOnlyAtOpen = abi::kOCreat | abi::kOExcl | abi::kONoCtty | abi::kOTrunc | abi::kOCloExec;

}  // namespace

FileDescription::FileDescription(Path path, uint32_t flags) : path_(std::move(path)), flags_(flags & ~kOnlyAtOpen) {
  if (path_.mount) path_.mount->users.fetch_add(1, std::memory_order_relaxed);
}

FileDescription::~FileDescription() {
  if (path_.mount) path_.mount->users.fetch_sub(1, std::memory_order_relaxed);
  if (write_access_ == WriteAccess::kNone) return;
  if (const RefPtr<Inode> node = inode()) {
    write_access_ == WriteAccess::kHeld ? node->PutWriteAccess() : node->AllowWriteAccess();
  }
}

RefPtr<Inode> FileDescription::inode() const { return path_.dentry->inode(); }

void FileDescription::LastRefDropped() {
  notify::Closed(*this);
  std::vector<RefPtr<EpollCore>> epolls;
  {
    base::MutexLock lock(owner_mu_);
    epolls.swap(epolls_);
  }
  for (const RefPtr<EpollCore>& core : epolls) core->FileGone(*this);
  if (const RefPtr<Inode> node = inode()) {
    if (FileLocks* locks = node->locks_if_any(); locks != nullptr) locks->Release(this);
  }
  FileIdentity::LastRefDropped();
}

void FileDescription::AddEpoll(const RefPtr<EpollCore>& core) {
  base::MutexLock lock(owner_mu_);
  epolls_.push_back(core);
}

void FileDescription::RemoveEpoll(const EpollCore& core) {
  RefPtr<EpollCore> gone;  // dropped behind the lock
  base::MutexLock lock(owner_mu_);
  auto it = std::find_if(epolls_.begin(), epolls_.end(), [&](const auto& e) { return e.get() == &core; });
  if (it == epolls_.end()) return;
  gone = std::move(*it);
  epolls_.erase(it);
}

void FileDescription::SetStatusFlags(uint32_t flags) {
  uint32_t old = flags_.load(std::memory_order_relaxed);
  while (!flags_.compare_exchange_weak(old, (old & ~kSettable) | (flags & kSettable), std::memory_order_relaxed)) {
  }
}

Result<size_t> FileDescription::Read(const VfsContext& ctx, IoSink& dst) {
  if (!seekable()) return Errno::kEINVAL;
  base::MutexLock lock(position_mu_);
  const size_t n = TRY(ReadAt(ctx, dst, static_cast<uint64_t>(position_)));
  position_ += static_cast<int64_t>(n);
  return n;
}

Result<size_t> FileDescription::Write(const VfsContext& ctx, IoSource& src) {
  if (!seekable()) return Errno::kEINVAL;
  base::MutexLock lock(position_mu_);
  const size_t n = TRY(WriteAt(ctx, src, static_cast<uint64_t>(position_)));
  if ((flags() & abi::kOAppend) != 0) {
    position_ = static_cast<int64_t>(TRY(SeekDataHole(ctx, 0, abi::kSeekEnd)));
  } else {
    position_ += static_cast<int64_t>(n);
  }
  return n;
}

Result<size_t> FileDescription::ReadAt(const VfsContext&, IoSink&, uint64_t) { return Errno::kESPIPE; }
Result<size_t> FileDescription::WriteAt(const VfsContext&, IoSource&, uint64_t) { return Errno::kESPIPE; }

Result<int64_t> FileDescription::Seek(const VfsContext& ctx, int64_t offset, int whence) {
  if (!seekable()) return Errno::kESPIPE;
  base::MutexLock lock(position_mu_);
  int64_t base = 0;
  switch (whence) {
    case abi::kSeekSet:
      break;
    case abi::kSeekCur:
      base = position_;
      break;
    case abi::kSeekEnd:
      base = static_cast<int64_t>(TRY(SeekDataHole(ctx, 0, whence)));
      break;
    case abi::kSeekData:
    case abi::kSeekHole:
      if (offset < 0) return Errno::kENXIO;
      base = static_cast<int64_t>(TRY(SeekDataHole(ctx, static_cast<uint64_t>(offset), whence)));
      offset = 0;
      break;
    default:
      return Errno::kEINVAL;
  }
  int64_t target;
  if (__builtin_add_overflow(base, offset, &target)) return Errno::kEOVERFLOW;
  if (target < 0) return Errno::kEINVAL;
  position_ = target;
  return target;
}

// A file without holes: data up to its end, and a hole there.
Result<uint64_t> FileDescription::SeekDataHole(const VfsContext& ctx, uint64_t offset, int whence) {
  const RefPtr<Inode> node = inode();
  if (!node) return Errno::kENXIO;
  const Attributes attributes = TRY(node->GetAttributes(ctx));
  if (whence == abi::kSeekEnd) return attributes.size;
  if (offset >= attributes.size) return Errno::kENXIO;
  return whence == abi::kSeekData ? offset : attributes.size;
}

Result<void> FileDescription::Fallocate(const VfsContext&, int, uint64_t, uint64_t) { return Errno::kEOPNOTSUPP; }

Result<void> FileDescription::Sync(const VfsContext&) {
  const RefPtr<Inode> node = inode();
  if (!node || !(node->is_regular() || node->is_dir())) return Errno::kEINVAL;
  return Ok();
}

Result<void> FileDescription::IterateDir(const VfsContext&, DirSink&) { return Errno::kENOTDIR; }

base::EventMask FileDescription::Readiness(base::EventMask mask) {
  return mask & (base::kEventIn | base::kEventRdNorm | base::kEventOut | base::kEventWrNorm);
}

Result<uint64_t> FileDescription::Ioctl(const VfsContext&, uint32_t, uint64_t) { return Errno::kENOTTY; }
Result<RefPtr<Mappable>> FileDescription::MapTarget() { return Errno::kENODEV; }

std::string FileDescription::MappedName() const { return FullPath(path_); }

uint64_t FileDescription::MappedDevice() const {
  const RefPtr<Inode> node = inode();
  if (!node) return 0;
  const Result<Attributes> attributes = node->GetAttributes(VfsContext{});
  return attributes.ok() ? attributes->dev : node->fs().device();
}

uint64_t FileDescription::MappedInode() const {
  const RefPtr<Inode> node = inode();
  if (!node) return 0;
  const Result<Attributes> attributes = node->GetAttributes(VfsContext{});
  return attributes.ok() ? attributes->ino : 0;
}

FileDescription::AsyncOwner FileDescription::async_owner() const {
  base::MutexLock lock(owner_mu_);
  return owner_;
}

void FileDescription::SetAsyncOwner(AsyncOwner owner) {
  base::MutexLock lock(owner_mu_);
  owner_ = owner;
}

}  // namespace sentry
