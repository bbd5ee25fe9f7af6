// What the kernel keeps of a file beside its data and names: locks, watches, pipe or socket, writers.
#ifndef SENTRY_VFS_FILE_STATE_H_
#define SENTRY_VFS_FILE_STATE_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/mutex.h"
#include "base/ref_ptr.h"
#include "base/result.h"

namespace sentry {

using base::Errno;
using base::RefPtr;
using base::Result;

class FileLocks;
class InodeWatches;

// Part of its inode; of several inodes, where one file is reached by more than one file system (SharedFileState).
class FileState {
 public:
  FileState();
  ~FileState();
  FileState(const FileState&) = delete;
  FileState& operator=(const FileState&) = delete;

  // Advisory locks of this file, made at first use.
  FileLocks& locks();
  FileLocks* locks_if_any();  // null: none was ever asked for

  // Who is told of what happens to this file (inotify.h); null: nobody ever was.
  InodeWatches* watches() const { return watches_.load(std::memory_order_acquire); }
  InodeWatches& MakeWatches();

  // What hangs on a fifo or socket node: the pipe's buffer, the bound socket.
  // Set once by its owner (fs/pipe, net/unix); identity with the file.
  RefPtr<base::RefCounted> attachment();
  // Stores `fresh` unless one is there; returns the one that stands.
  RefPtr<base::RefCounted> AttachIfNone(RefPtr<base::RefCounted> fresh);

  // Write access and execution exclude each other (ETXTBSY). Counts of open
  // writers; negative: counts of executions (Linux's i_writecount).
  Result<void> GetWriteAccess();
  void PutWriteAccess();
  Result<void> DenyWriteAccess();
  void AllowWriteAccess();

 private:
  base::RankedMutex<base::LockRank::kLeaf> lazy_mu_;
  std::unique_ptr<FileLocks> locks_ ABSL_GUARDED_BY(lazy_mu_);
  RefPtr<base::RefCounted> attachment_ ABSL_GUARDED_BY(lazy_mu_);
  std::atomic<int32_t> write_count_{0};
  std::atomic<InodeWatches*> watches_{nullptr};  // stays once made
};

class SharedFileState : public base::RefCounted {
 public:
  FileState& state() { return state_; }

 private:
  FileState state_;
};

}  // namespace sentry

#endif  // SENTRY_VFS_FILE_STATE_H_
