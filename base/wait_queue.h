// Who waits for an object to become readable, writable or otherwise ready.
//
// Analogous to Linux's wait_queue_head_t with poll keys. An object owns a
// WaitQueue and calls Notify(mask) after its state changed; a waiter adds a
// Waiter, looks at the state again (no wake-up is lost that way), and sleeps.
#ifndef BASE_WAIT_QUEUE_H_
#define BASE_WAIT_QUEUE_H_

#include <atomic>
#include <cstdint>

#include "base/mutex.h"

namespace base {

// Poll event bits (values of POLLIN and friends, man 2 poll).
using EventMask = uint32_t;
inline constexpr EventMask kEventIn = 0x001;
inline constexpr EventMask kEventPri = 0x002;
inline constexpr EventMask kEventOut = 0x004;
inline constexpr EventMask kEventErr = 0x008;
inline constexpr EventMask kEventHup = 0x010;
inline constexpr EventMask kEventRdNorm = 0x040;
inline constexpr EventMask kEventRdBand = 0x080;
inline constexpr EventMask kEventWrNorm = 0x100;
inline constexpr EventMask kEventWrBand = 0x200;
inline constexpr EventMask kEventRdHup = 0x2000;
inline constexpr EventMask kReadableEvents = kEventIn | kEventRdNorm | kEventHup | kEventErr;
inline constexpr EventMask kWritableEvents = kEventOut | kEventWrNorm | kEventHup | kEventErr;

class WaitQueue;

// One registration. Notify runs under the queue's lock, on any thread: it may
// only set a flag, wake a thread, or notify another queue.
class Waiter {
 public:
  explicit Waiter(EventMask mask) : mask_(mask) {}
  virtual ~Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  virtual void Notify(EventMask events) = 0;
  EventMask mask() const { return mask_; }

 private:
  friend class WaitQueue;
  EventMask mask_;
  Waiter* next_ = nullptr;
  Waiter* prev_ = nullptr;
};

class WaitQueue {
 public:
  WaitQueue() = default;
  ~WaitQueue();
  WaitQueue(const WaitQueue&) = delete;
  WaitQueue& operator=(const WaitQueue&) = delete;

  void Add(Waiter& waiter);
  // After Remove returns, waiter.Notify does not run any more.
  void Remove(Waiter& waiter);
  // Calls Notify of every waiter whose mask meets `events` (hang-up and error
  // always do). Free when nobody waits.
  void Notify(EventMask events);
  bool empty() const { return count_.load(std::memory_order_seq_cst) == 0; }

 private:
  // Rank kWaitQueue. Queues nest (an epoll in an epoll); the nesting has no
  // cycle, which epoll_ctl checks.
  RankedMutex<LockRank::kWaitQueue> mu_;
  Waiter* head_ ABSL_GUARDED_BY(mu_) = nullptr;
  // Lets Notify skip the lock: written under mu_, read without. seq_cst orders
  // it against the state that Notify's caller changed before.
  std::atomic<uint32_t> count_{0};
};

}  // namespace base

#endif  // BASE_WAIT_QUEUE_H_
