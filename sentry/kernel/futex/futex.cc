// FUTEX_WAIT, FUTEX_WAKE, requeue and WAKE_OP. futex_pi.cc and robust_list.cc
// have the rest; futex_impl.h says why no wake-up is lost.
#include "sentry/kernel/futex/futex.h"

#include <algorithm>
#include <utility>

#include "sentry/kernel/futex/futex_impl.h"

namespace sentry {

using base::MutexLock;
using base::MutexPairLock;

Result<FutexPlace> PlaceOf(MemoryManager& mm, UserAddr addr, FutexScope scope) {
  if (addr.value % 4 != 0) return Errno::kEINVAL;
  if (!MakeUserRange(addr, 4)) return Errno::kEFAULT;
  if (scope == FutexScope::kPrivate) {
    return FutexPlace{.key = {.object = &mm, .offset = addr.value, .scope = scope}, .keepalive = nullptr};
  }
  MemoryManager::SharedKey shared = TRY(mm.FutexKey(addr));
  return FutexPlace{.key = {.object = shared.object, .offset = shared.offset, .scope = scope},
                    .keepalive = std::move(shared.keepalive)};
}

// --- Buckets -----------------------------------------------------------------

void FutexBucket::PushBack(FutexWaiter& w) {
  w.next = nullptr;
  w.prev = tail;
  (tail ? tail->next : head) = &w;
  tail = &w;
  w.bucket.store(this, std::memory_order_release);
}

void FutexBucket::Unlink(FutexWaiter& w) {
  (w.prev ? w.prev->next : head) = w.next;
  (w.next ? w.next->prev : tail) = w.prev;
  waiters.fetch_sub(1, std::memory_order_seq_cst);
}

void FutexBucket::WakeWaiter(FutexWaiter& w) {
  Unlink(w);
  // The waiter takes this lock before it goes, so both stores reach it.
  w.woken.store(true, std::memory_order_release);
  w.task.Wake();
}

FutexBucket& FutexTable::Impl::BucketOf(const FutexKey& key) {
  uint64_t hash = reinterpret_cast<uint64_t>(key.object) ^ (key.offset * 0x9e3779b97f4a7c15);
  hash ^= hash >> 32;
  hash *= 0xff51afd7ed558ccd;
  return buckets[(hash >> 40) % kBuckets];
}

FutexTable::FutexTable() : impl_(std::make_unique<Impl>()) {}
FutexTable::~FutexTable() = default;

Task::WakeReason FutexTable::Impl::SleepOn(FutexWaiter& waiter, Deadline deadline) {
  Task::WakeReason reason;
  do {
    reason = waiter.task.Sleep(deadline);
    if (reason != Task::WakeReason::kEvent || waiter.woken.load(std::memory_order_acquire)) break;
    waiter.task.PrepareToSleep();
  } while (!waiter.woken.load(std::memory_order_acquire));
  // A requeue may move it while we look: lock, and see that it is still there.
  while (true) {
    FutexBucket* bucket = waiter.bucket.load(std::memory_order_acquire);
    MutexLock lock(bucket->mu);
    if (waiter.bucket.load(std::memory_order_relaxed) != bucket) continue;
    if (waiter.woken.load(std::memory_order_relaxed)) return Task::WakeReason::kEvent;
    bucket->Unlink(waiter);
    return reason;
  }
}

Interruptible<int> FutexTable::Wait(Task& task, UserAddr addr, FutexScope scope, uint32_t expected, uint32_t bitset,
                                    Deadline deadline) {
  if (bitset == 0) return Errno::kEINVAL;
  FutexPlace place = TRY(PlaceOf(task.mm(), addr, scope));
  FutexWaiter waiter{.task = task,
                     .key = place.key,
                     .bitset = bitset,
                     .kind = FutexWaiter::Kind::kPlain,
                     .keepalive = std::move(place.keepalive)};
  FutexBucket& bucket = impl_->BucketOf(place.key);
  while (true) {
    const uint64_t wakes = bucket.wakes.load(std::memory_order_seq_cst);
    if (TRY(task.mm().LoadU32(addr)) != expected) return Errno::kEAGAIN;
    MutexLock lock(bucket.mu);
    // Count first, then the last look: a waker does the reverse.
    bucket.waiters.fetch_add(1, std::memory_order_seq_cst);
    if (bucket.wakes.load(std::memory_order_seq_cst) != wakes) {
      bucket.waiters.fetch_sub(1, std::memory_order_seq_cst);
      continue;
    }
    task.PrepareToSleep();
    bucket.PushBack(waiter);
    bucket.arrivals.fetch_add(1, std::memory_order_relaxed);
    break;
  }
  switch (impl_->SleepOn(waiter, deadline)) {
    case Task::WakeReason::kEvent:
      return 0;
    case Task::WakeReason::kTimeout:
      return Errno::kETIMEDOUT;
    case Task::WakeReason::kInterrupted:
      return Restart::kSys;
  }
  return 0;
}

int FutexTable::Impl::WakeKey(const FutexKey& key, int count, uint32_t bitset, FutexWaiter::Kind kind) {
  FutexBucket& bucket = BucketOf(key);
  bucket.wakes.fetch_add(1, std::memory_order_seq_cst);
  if (bucket.waiters.load(std::memory_order_seq_cst) == 0) return 0;
  int woken = 0;
  MutexLock lock(bucket.mu);
  for (FutexWaiter* w = bucket.head; w && woken < count;) {
    FutexWaiter* next = w->next;
    if (w->key == key && w->kind == kind && (w->bitset & bitset)) {
      bucket.WakeWaiter(*w);
      ++woken;
    }
    w = next;
  }
  return woken;
}

bool FutexTable::Impl::HasPiWaiter(const FutexKey& key) {
  FutexBucket& bucket = BucketOf(key);
  if (bucket.waiters.load(std::memory_order_seq_cst) == 0) return false;
  MutexLock lock(bucket.mu);
  for (const FutexWaiter* w = bucket.head; w != nullptr; w = w->next) {
    if (w->key == key && w->kind == FutexWaiter::Kind::kPi) return true;
  }
  return false;
}

Result<int> FutexTable::Wake(MemoryManager& mm, UserAddr addr, FutexScope scope, int count, uint32_t bitset) {
  if (bitset == 0) return Errno::kEINVAL;
  const FutexPlace place = TRY(PlaceOf(mm, addr, scope));
  // As Linux: a count of 0 or less still wakes one.
  return impl_->WakeKey(place.key, std::max(count, 1), bitset, FutexWaiter::Kind::kPlain);
}

Result<int> FutexTable::Requeue(MemoryManager& mm, UserAddr addr, UserAddr addr2, FutexScope scope, int wake,
                                int requeue, const uint32_t* compare) {
  if (wake < 0 || requeue < 0) return Errno::kEINVAL;
  const FutexPlace from = TRY(PlaceOf(mm, addr, scope));
  const FutexPlace to = TRY(PlaceOf(mm, addr2, scope));
  FutexBucket& source = impl_->BucketOf(from.key);
  FutexBucket& target = impl_->BucketOf(to.key);
  while (true) {
    const uint64_t arrivals = source.arrivals.load(std::memory_order_seq_cst);
    if (compare && TRY(mm.LoadU32(addr)) != *compare) return Errno::kEAGAIN;
    source.wakes.fetch_add(1, std::memory_order_seq_cst);
    target.wakes.fetch_add(1, std::memory_order_seq_cst);
    MutexPairLock lock(source.mu, target.mu);
    // A waiter that came since may have seen another value.
    if (compare && source.arrivals.load(std::memory_order_seq_cst) != arrivals) continue;
    return [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      int woken = 0, moved = 0;
      for (FutexWaiter* w = source.head; w && (woken < wake || moved < requeue);) {
        FutexWaiter* next = w->next;
        if (w->key == from.key && w->kind == FutexWaiter::Kind::kPlain) {
          if (woken < wake) {
            source.WakeWaiter(*w);
            ++woken;
          } else if (from.key == to.key) {
            ++moved;  // to where it is already
          } else {
            source.Unlink(*w);
            w->key = to.key;
            w->keepalive = to.keepalive;
            target.waiters.fetch_add(1, std::memory_order_seq_cst);
            target.PushBack(*w);
            ++moved;
          }
        }
        w = next;
      }
      return woken + moved;
    }();
  }
}

namespace {

int32_t SignExtend12(uint32_t v) { return static_cast<int32_t>(v << 20) >> 20; }

// FUTEX_WAKE_OP's change of *addr2; the old value.
Result<uint32_t> ApplyWakeOp(MemoryManager& mm, UserAddr addr, uint32_t op) {
  constexpr uint32_t kArgShift = 8;  // FUTEX_OP_OPARG_SHIFT, in the operation's bits
  const uint32_t operation = op >> 28;
  uint32_t arg = static_cast<uint32_t>(SignExtend12((op >> 12) & 0xfff));
  if (operation & kArgShift) arg = uint32_t{1} << (arg & 31);
  uint32_t old = TRY(mm.LoadU32(addr));
  while (true) {
    uint32_t fresh;
    switch (operation & 7) {
      case 0:
        fresh = arg;
        break;
      case 1:
        fresh = old + arg;
        break;
      case 2:
        fresh = old | arg;
        break;
      case 3:
        fresh = old & ~arg;
        break;
      case 4:
        fresh = old ^ arg;
        break;
      default:
        return Errno::kENOSYS;
    }
    const uint32_t found = TRY(mm.CompareExchangeU32(addr, old, fresh));
    if (found == old) return old;
    old = found;
  }
}

Result<bool> CompareWakeOp(uint32_t old_word, uint32_t op) {
  const int32_t old = static_cast<int32_t>(old_word);
  const int32_t arg = SignExtend12(op & 0xfff);
  switch ((op >> 24) & 15) {
    case 0:
      return old == arg;
    case 1:
      return old != arg;
    case 2:
      return old < arg;
    case 3:
      return old <= arg;
    case 4:
      return old > arg;
    case 5:
      return old >= arg;
    default:
      return Errno::kENOSYS;
  }
}

}  // namespace

// The word changes before any wake-up is counted, so a waiter that saw the old
// value is in its list by then or starts again.
Result<int> FutexTable::WakeOp(MemoryManager& mm, UserAddr addr, UserAddr addr2, FutexScope scope, int wake, int wake2,
                               uint32_t op) {
  const FutexPlace first = TRY(PlaceOf(mm, addr, scope));
  const FutexPlace second = TRY(PlaceOf(mm, addr2, scope));
  const uint32_t old = TRY(ApplyWakeOp(mm, addr2, op));
  const bool also = TRY(CompareWakeOp(old, op));
  int woken = impl_->WakeKey(first.key, std::max(wake, 1), UINT32_MAX, FutexWaiter::Kind::kPlain);
  if (also) woken += impl_->WakeKey(second.key, std::max(wake2, 1), UINT32_MAX, FutexWaiter::Kind::kPlain);
  return woken;
}

}  // namespace sentry
