// RankedMutex<rank>, its guards and CondVar.
//
// In debug builds a thread that takes a lock out of order (lock_rank.h) aborts;
// in opt builds the check costs nothing. No lock is held over a user copy or a
// host call that can block.
#ifndef BASE_MUTEX_H_
#define BASE_MUTEX_H_

#include <condition_variable>
#include <cstddef>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "base/lock_rank.h"

namespace base {

#ifdef NDEBUG
inline void LockAcquired(LockRank) {}
inline void LockAcquiredSame(LockRank) {}
inline void LockAcquiredTry(LockRank) {}
inline void LockReleased(LockRank) {}
inline size_t LockLayerBegin() { return 0; }
inline void LockLayerEnd(size_t) {}
#else
void LockAcquired(LockRank rank);      // aborts unless every held rank is earlier
void LockAcquiredSame(LockRank rank);  // the same, but an equal rank may be held
void LockAcquiredTry(LockRank rank);   // no check: a try can't deadlock
void LockReleased(LockRank rank);
size_t LockLayerBegin();
void LockLayerEnd(size_t outer);
#endif

// For a file system that stands on another one: within the scope ranks begin
// anew. Right only where the lower one's objects are reached through the upper
// one alone, so that no other thread can take the two layers' locks the other
// way round.
class LockLayer {
 public:
  LockLayer() : outer_(LockLayerBegin()) {}
  ~LockLayer() { LockLayerEnd(outer_); }
  LockLayer(const LockLayer&) = delete;
  LockLayer& operator=(const LockLayer&) = delete;

 private:
  const size_t outer_;
};

template <LockRank kRank>
class ABSL_LOCKABLE RankedMutex {
 public:
  RankedMutex() = default;
  RankedMutex(const RankedMutex&) = delete;
  RankedMutex& operator=(const RankedMutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
    LockAcquired(kRank);
    mu_.lock();
  }
  // For a second lock of the same rank, in an order the caller states.
  void LockSameRank() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
    LockAcquiredSame(kRank);
    mu_.lock();
  }
  [[nodiscard]] bool TryLock() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true) {
    if (!mu_.try_lock()) return false;
    LockAcquiredTry(kRank);
    return true;
  }
  void Unlock() ABSL_UNLOCK_FUNCTION() {
    mu_.unlock();
    LockReleased(kRank);
  }

  // std names, for std::condition_variable_any and std::scoped_lock only.
  void lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { Lock(); }
  void unlock() ABSL_UNLOCK_FUNCTION() { Unlock(); }

 private:
  friend class CondVar;
  std::mutex mu_;
};

template <typename Mutex>
class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex& mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu) : mu_(mu) { mu_.Lock(); }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mu_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mu_;
};

// Locks two mutexes of one rank in address order; the same one only once.
template <typename Mutex>
class ABSL_SCOPED_LOCKABLE MutexPairLock {
 public:
  MutexPairLock(Mutex& a, Mutex& b) ABSL_EXCLUSIVE_LOCK_FUNCTION(a, b)
      : first_(&a < &b ? a : b), second_(&a < &b ? b : a) {
    first_.Lock();
    if (&first_ != &second_) second_.LockSameRank();
  }
  ~MutexPairLock() ABSL_UNLOCK_FUNCTION() {
    if (&first_ != &second_) second_.Unlock();
    first_.Unlock();
  }
  MutexPairLock(const MutexPairLock&) = delete;
  MutexPairLock& operator=(const MutexPairLock&) = delete;

 private:
  Mutex& first_;
  Mutex& second_;
};

// For our own threads (timer thread, pollers). Tasks never sleep on one: they
// block through their Blocker, which a kick can end.
class CondVar {
 public:
  template <typename Mutex>
  void Wait(Mutex& mu) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    std::unique_lock<std::mutex> lock(mu.mu_, std::adopt_lock);
    cv_.wait(lock);
    (void)lock.release();
  }
  template <typename Mutex, typename TimePoint>
  bool WaitUntil(Mutex& mu, const TimePoint& deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    std::unique_lock<std::mutex> lock(mu.mu_, std::adopt_lock);
    const bool in_time = cv_.wait_until(lock, deadline) == std::cv_status::no_timeout;
    (void)lock.release();
    return in_time;
  }
  void Signal() { cv_.notify_one(); }
  void SignalAll() { cv_.notify_all(); }

 private:
  std::condition_variable cv_;
};

}  // namespace base

#endif  // BASE_MUTEX_H_
