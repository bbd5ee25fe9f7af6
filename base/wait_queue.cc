#include "base/wait_queue.h"

#include "base/check.h"

namespace base {

WaitQueue::~WaitQueue() { CHECK(head_ == nullptr); }

void WaitQueue::Add(Waiter& waiter) {
  mu_.LockSameRank();
  waiter.prev_ = nullptr;
  waiter.next_ = head_;
  if (head_ != nullptr) head_->prev_ = &waiter;
  head_ = &waiter;
  count_.fetch_add(1, std::memory_order_seq_cst);
  mu_.Unlock();
}

void WaitQueue::Remove(Waiter& waiter) {
  mu_.LockSameRank();
  (waiter.prev_ != nullptr ? waiter.prev_->next_ : head_) = waiter.next_;
  if (waiter.next_ != nullptr) waiter.next_->prev_ = waiter.prev_;
  waiter.next_ = waiter.prev_ = nullptr;
  count_.fetch_sub(1, std::memory_order_seq_cst);
  mu_.Unlock();
}

void WaitQueue::Notify(EventMask events) {
  // A read-modify-write, for a plain load could pass the caller's own store.
  if (count_.fetch_add(0, std::memory_order_seq_cst) == 0) return;
  mu_.LockSameRank();
  for (Waiter* w = head_; w != nullptr; w = w->next_) {
    if ((events & (w->mask() | kEventErr | kEventHup)) != 0) w->Notify(events);
  }
  mu_.Unlock();
}

}  // namespace base
