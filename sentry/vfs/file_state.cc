#include "sentry/vfs/file_state.h"

#include <utility>

#include "sentry/vfs/file_locks.h"
#include "sentry/vfs/inotify.h"

namespace sentry {

FileState::FileState() = default;
FileState::~FileState() { delete watches(); }

FileLocks& FileState::locks() {
  base::MutexLock lock(lazy_mu_);
  if (!locks_) locks_ = std::make_unique<FileLocks>();
  return *locks_;
}

FileLocks* FileState::locks_if_any() {
  base::MutexLock lock(lazy_mu_);
  return locks_.get();
}

RefPtr<base::RefCounted> FileState::attachment() {
  base::MutexLock lock(lazy_mu_);
  return attachment_;
}

RefPtr<base::RefCounted> FileState::AttachIfNone(RefPtr<base::RefCounted> fresh) {
  base::MutexLock lock(lazy_mu_);
  if (!attachment_) attachment_ = std::move(fresh);
  return attachment_;
}

// A counter that moves one way only from 0: up for writers, down for
// executions.
Result<void> FileState::GetWriteAccess() {
  int32_t n = write_count_.load(std::memory_order_relaxed);
  do {
    if (n < 0) return Errno::kETXTBSY;
  } while (!write_count_.compare_exchange_weak(n, n + 1, std::memory_order_acq_rel));
  return Ok();
}

void FileState::PutWriteAccess() { write_count_.fetch_sub(1, std::memory_order_acq_rel); }

Result<void> FileState::DenyWriteAccess() {
  int32_t n = write_count_.load(std::memory_order_relaxed);
  do {
    if (n > 0) return Errno::kETXTBSY;
  } while (!write_count_.compare_exchange_weak(n, n - 1, std::memory_order_acq_rel));
  return Ok();
}

void FileState::AllowWriteAccess() { write_count_.fetch_add(1, std::memory_order_acq_rel); }

InodeWatches& FileState::MakeWatches() {
  if (InodeWatches* there = watches()) return *there;
  auto fresh = std::make_unique<InodeWatches>();
  InodeWatches* expected = nullptr;
  if (watches_.compare_exchange_strong(expected, fresh.get(), std::memory_order_acq_rel)) return *fresh.release();
  return *expected;
}

}  // namespace sentry
