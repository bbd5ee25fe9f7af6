// What timerfd asks of the kernel's timers. sentry/kernel implements it on its
// timer thread; tests use a fake.
#ifndef SENTRY_FS_TIMERFD_TIMER_SERVICE_H_
#define SENTRY_FS_TIMERFD_TIMER_SERVICE_H_

#include <cstdint>

namespace sentry {

class TimerListener {
 public:
  virtual ~TimerListener() = default;
  // The armed deadline has come. Runs on any thread; may be called with locks
  // up to rank kTimerQueue held, and itself takes kEventFd and wait queues.
  // It never calls the service.
  virtual void TimerExpired() = 0;
};

class TimerService {
 public:
  virtual ~TimerService() = default;
  // Nanoseconds of a clock (clockid_t), as the guest sees it.
  virtual int64_t Now(int clock) = 0;
  // One call of TimerExpired at or after `deadline` of `clock`; replaces what
  // was armed for `listener`. Callers hold locks up to rank kTimers.
  virtual void Arm(TimerListener& listener, int clock, int64_t deadline) = 0;
  // After it returns TimerExpired neither runs nor will run.
  virtual void Disarm(TimerListener& listener) = 0;
};

}  // namespace sentry

#endif  // SENTRY_FS_TIMERFD_TIMER_SERVICE_H_
