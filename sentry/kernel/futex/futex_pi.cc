// FUTEX_LOCK_PI and its kin, without the inheritance: an unlock frees the word
// and wakes one waiter, which takes the lock or waits again.
#include <utility>

#include "sentry/kernel/futex/futex_impl.h"

namespace sentry {

using base::MutexLock;

namespace {

enum class Attempt : uint8_t { kTaken, kBusy };

// One try: takes a free lock (or a dead owner's), else marks that we wait.
Result<Attempt> TryTake(Task& task, UserAddr addr, FutexTable::PiMode mode) {
  const uint32_t tid = static_cast<uint32_t>(task.own_tid());
  uint32_t word = TRY(task.mm().LoadU32(addr));
  while (true) {
    if ((word & kFutexTidMask) == tid) return Errno::kEDEADLK;
    uint32_t fresh;
    Attempt outcome;
    if ((word & kFutexTidMask) == 0) {
      // Others may be waiting still: the bit makes our unlock come to us.
      fresh = tid | (word & (kFutexOwnerDied | kFutexWaiters));
      outcome = Attempt::kTaken;
    } else if (mode == FutexTable::PiMode::kTryLock) {
      return Errno::kEAGAIN;
    } else {
      fresh = word | kFutexWaiters;
      outcome = Attempt::kBusy;
    }
    const uint32_t found = TRY(task.mm().CompareExchangeU32(addr, word, fresh));
    if (found == word) return outcome;
    word = found;
  }
}

}  // namespace

Interruptible<int> FutexTable::LockPi(Task& task, UserAddr addr, FutexScope scope, Deadline deadline, int try_only) {
  const FutexPlace place = TRY(PlaceOf(task.mm(), addr, scope));
  FutexBucket& bucket = impl_->BucketOf(place.key);
  while (true) {
    FutexWaiter waiter{.task = task,
                       .key = place.key,
                       .bitset = UINT32_MAX,
                       .kind = FutexWaiter::Kind::kPi,
                       .keepalive = place.keepalive};
    const uint64_t wakes = bucket.wakes.load(std::memory_order_seq_cst);
    if (TRY(TryTake(task, addr, try_only ? PiMode::kTryLock : PiMode::kLock)) == Attempt::kTaken) return 0;
    {
      MutexLock lock(bucket.mu);
      bucket.waiters.fetch_add(1, std::memory_order_seq_cst);
      if (bucket.wakes.load(std::memory_order_seq_cst) != wakes) {
        bucket.waiters.fetch_sub(1, std::memory_order_seq_cst);
        continue;
      }
      task.PrepareToSleep();
      bucket.PushBack(waiter);
    }
    const Task::WakeReason reason = impl_->SleepOn(waiter, deadline);
    if (reason == Task::WakeReason::kEvent) continue;
    if (reason == Task::WakeReason::kTimeout) return Errno::kETIMEDOUT;
    return Restart::kNoIntr;
  }
}

Result<int> FutexTable::UnlockPi(Task& task, UserAddr addr, FutexScope scope) {
  const FutexPlace place = TRY(PlaceOf(task.mm(), addr, scope));
  const uint32_t tid = static_cast<uint32_t>(task.own_tid());
  uint32_t word = TRY(task.mm().LoadU32(addr));
  while (true) {
    if ((word & kFutexTidMask) != tid) return Errno::kEPERM;
    // The waiters' bit stays while one waits, so that the next owner's unlock
    // comes here as well. One that is about to wait sees our wake, and sets the
    // bit again.
    const bool waiting = impl_->HasPiWaiter(place.key);
    const uint32_t found = TRY(task.mm().CompareExchangeU32(addr, word, waiting ? kFutexWaiters : 0));
    if (found == word) break;
    word = found;
  }
  impl_->WakeKey(place.key, 1, UINT32_MAX, FutexWaiter::Kind::kPi);
  return 0;
}

void FutexTable::OwnerDied(MemoryManager& mm, UserAddr addr) {
  for (FutexScope scope : {FutexScope::kShared, FutexScope::kPrivate}) {
    Result<FutexPlace> place = PlaceOf(mm, addr, scope);
    if (place.ok()) impl_->WakeKey(place->key, 1, UINT32_MAX, FutexWaiter::Kind::kPi);
  }
}

}  // namespace sentry
