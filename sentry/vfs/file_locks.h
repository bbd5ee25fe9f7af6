// Advisory locks of one file: POSIX byte ranges, open-file-description ranges
// and flock (man 2 fcntl, flock). Analogous to Linux's fs/locks.c.
//
// Nothing waits here: a conflict is EAGAIN, and the caller sleeps on
// wait_queue() and asks again.
#ifndef SENTRY_VFS_FILE_LOCKS_H_
#define SENTRY_VFS_FILE_LOCKS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "base/wait_queue.h"

namespace sentry {

enum class LockType : uint8_t { kRead, kWrite };

// Whose a range lock is. POSIX: the descriptor table, with its process for
// F_GETLK. OFD: the file description, pid -1. Compared by `owner` alone.
struct LockOwner {
  const void* owner = nullptr;
  int32_t pid = -1;  // an id (pid.h)
};

struct LockRange {
  uint64_t start = 0;
  uint64_t last = kMax;  // inclusive
  static constexpr uint64_t kMax = INT64_MAX;
  bool Overlaps(const LockRange& o) const { return start <= o.last && o.start <= last; }
};

struct RangeLock {
  LockOwner owner;
  LockType type;
  LockRange range;
};

class FileLocks {
 public:
  FileLocks() = default;
  ~FileLocks();
  FileLocks(const FileLocks&) = delete;
  FileLocks& operator=(const FileLocks&) = delete;

  // Locks `range`, replacing what `owner` has there. EAGAIN: another owner's
  // lock is in the way. ENOLCK: too many locks.
  base::Result<void> SetRange(const LockOwner& owner, LockType type, LockRange range);
  // The same for F_SETLKW of POSIX locks: before EAGAIN it notes that `owner`
  // waits, and is EDEADLK where that closes a circle. The caller calls
  // StopWaiting when it gives up or got the lock.
  base::Result<void> SetRangeOrWait(const LockOwner& owner, LockType type, LockRange range);
  static void StopWaiting(const void* owner);
  void ClearRange(const void* owner, LockRange range);
  // A lock that would be in the way (F_GETLK).
  std::optional<RangeLock> TestRange(const LockOwner& owner, LockType type, LockRange range) const;

  // flock(2): the owner is the file description. A conversion drops the old
  // lock first, as Linux's does.
  base::Result<void> SetFlock(const void* owner, LockType type);
  void ClearFlock(const void* owner);

  // Everything of one owner: at close(2) for POSIX (owner: descriptor table),
  // at the description's end for OFD and flock.
  void Release(const void* owner);

  // Notified when a lock goes away.
  base::WaitQueue& wait_queue() { return queue_; }

  struct Flock {
    const void* owner;
    LockType type;
  };
  std::vector<RangeLock> ranges() const;  // for /proc/locks and fdinfo
  std::vector<Flock> flocks() const;

 private:
  const RangeLock* Conflict(const LockOwner& owner, LockType type, LockRange range) const;
  void Carve(const void* owner, LockRange range);
  base::Result<void> Insert(const LockOwner& owner, LockType type, LockRange range);

  // All of it is guarded by one lock for the whole kernel (file_locks.cc): the
  // search for a deadlock crosses files.
  std::vector<RangeLock> ranges_;
  std::vector<Flock> flocks_;
  base::WaitQueue queue_;
};

}  // namespace sentry

#endif  // SENTRY_VFS_FILE_LOCKS_H_
