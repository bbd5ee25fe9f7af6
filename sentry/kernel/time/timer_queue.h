// Callbacks at a time, run by one host thread that sleeps until the next one is
// due. Serves posix timers, itimers, alarm, timerfd. An idle queue costs nothing.
#ifndef SENTRY_KERNEL_TIME_TIMER_QUEUE_H_
#define SENTRY_KERNEL_TIME_TIMER_QUEUE_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "sentry/kernel/time/clock.h"

namespace sentry {

class TimerQueue {
 public:
  TimerQueue();
  ~TimerQueue();  // stops the thread

  using Id = uint64_t;  // never 0, never reused
  // `callback` runs once on the timer thread with no lock held, at or after
  // `deadline_ns` (CLOCK_MONOTONIC).
  Id Arm(int64_t deadline_ns, std::function<void()> callback);
  // After it returns the callback neither runs nor will. Not from the callback.
  void Cancel(Id id);
  // Starts the thread now, if it does not run yet.
  void StartThread();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_TIME_TIMER_QUEUE_H_
