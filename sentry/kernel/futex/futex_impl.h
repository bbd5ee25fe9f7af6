// Parts of the futex table, shared by its files.
//
// How no wake-up is lost without a load of guest memory under a lock (it may
// fault, and then wait for a file): each bucket counts its wake-ups and changes.
// A waiter reads the count, then the word, then takes the lock, and starts again
// if the count has moved; a waker counts first and then looks for waiters.
#ifndef SENTRY_KERNEL_FUTEX_FUTEX_IMPL_H_
#define SENTRY_KERNEL_FUTEX_FUTEX_IMPL_H_

#include <array>
#include <atomic>

#include "sentry/kernel/futex/futex.h"
#include "sentry/kernel/task.h"

namespace sentry {

inline constexpr uint32_t kFutexWaiters = 0x80000000;
inline constexpr uint32_t kFutexOwnerDied = 0x40000000;
inline constexpr uint32_t kFutexTidMask = 0x3fffffff;

// Which word: (address space, address) or (mapped object, offset).
struct FutexKey {
  const void* object = nullptr;
  uint64_t offset = 0;
  FutexScope scope = FutexScope::kPrivate;
  friend bool operator==(const FutexKey&, const FutexKey&) = default;
};

struct FutexBucket;

// One sleeping task; lives on its stack, and is in a bucket's list while it may
// be woken.
struct FutexWaiter {
  Task& task;
  FutexKey key;
  uint32_t bitset;
  enum class Kind : uint8_t { kPlain, kPi } kind;
  // Keeps the object of a shared key; moves with a requeue.
  RefPtr<base::RefCounted> keepalive;
  // The bucket whose lock guards the links; changed under both buckets' locks.
  std::atomic<FutexBucket*> bucket{nullptr};
  std::atomic<bool> woken{false};
  FutexWaiter* next = nullptr;
  FutexWaiter* prev = nullptr;
};

struct FutexBucket {
  void PushBack(FutexWaiter& w) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void Unlink(FutexWaiter& w) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Takes `w` out and wakes it. It may be gone when this returns.
  void WakeWaiter(FutexWaiter& w) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  // Rank kFutexBucket; two of them in address order. Never held over guest memory.
  base::RankedMutex<base::LockRank::kFutexBucket> mu;
  FutexWaiter* head ABSL_GUARDED_BY(mu) = nullptr;
  FutexWaiter* tail ABSL_GUARDED_BY(mu) = nullptr;
  std::atomic<uint64_t> wakes{0};     // wake-ups and requeues that passed here
  std::atomic<uint64_t> arrivals{0};  // waiters that came: what CMP_REQUEUE compares against
  std::atomic<uint32_t> waiters{0};
};

struct FutexTable::Impl {
  static constexpr size_t kBuckets = 256;
  FutexBucket& BucketOf(const FutexKey& key);
  int WakeKey(const FutexKey& key, int count, uint32_t bitset, FutexWaiter::Kind kind);
  // Whether a task sleeps on a PI futex now (a bucket is shared by many keys).
  bool HasPiWaiter(const FutexKey& key);
  // Sleeps until woken, interrupted or late; leaves the list.
  Task::WakeReason SleepOn(FutexWaiter& waiter, Deadline deadline);

  std::array<FutexBucket, kBuckets> buckets;
};

// EINVAL for a misaligned address, EFAULT.
struct FutexPlace {
  FutexKey key;
  RefPtr<base::RefCounted> keepalive;
};
Result<FutexPlace> PlaceOf(MemoryManager& mm, UserAddr addr, FutexScope scope);

}  // namespace sentry

#endif  // SENTRY_KERNEL_FUTEX_FUTEX_IMPL_H_
