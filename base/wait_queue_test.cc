#include "base/wait_queue.h"

#include "gtest/gtest.h"

namespace base {
namespace {

class Recorder : public Waiter {
 public:
  using Waiter::Waiter;
  void Notify(EventMask events) override {
    ++calls;
    last = events;
  }
  int calls = 0;
  EventMask last = 0;
};

TEST(WaitQueue, NotifiesThoseWhoseMaskMeets) {
  WaitQueue q;
  Recorder in(kEventIn), out(kEventOut);
  q.Add(in);
  q.Add(out);
  q.Notify(kEventIn);
  EXPECT_EQ(in.calls, 1);
  EXPECT_EQ(out.calls, 0);
  q.Notify(kEventHup);  // always told
  EXPECT_EQ(in.calls, 2);
  EXPECT_EQ(out.calls, 1);
  EXPECT_EQ(out.last, kEventHup);
  q.Remove(in);
  q.Notify(kEventIn | kEventOut);
  EXPECT_EQ(in.calls, 2);
  EXPECT_EQ(out.calls, 2);
  q.Remove(out);
  EXPECT_TRUE(q.empty());
}

// As an epoll instance inside another does.
class Forwarder : public Waiter {
 public:
  Forwarder(EventMask mask, WaitQueue* next) : Waiter(mask), next_(next) {}
  void Notify(EventMask events) override { next_->Notify(events); }

 private:
  WaitQueue* next_;
};

TEST(WaitQueue, QueuesNest) {
  WaitQueue inner, outer;
  Recorder sleeper(kEventIn);
  Forwarder forward(kEventIn, &outer);
  inner.Add(forward);
  outer.Add(sleeper);
  inner.Notify(kEventIn);
  EXPECT_EQ(sleeper.calls, 1);
  inner.Remove(forward);
  outer.Remove(sleeper);
}

}  // namespace
}  // namespace base
