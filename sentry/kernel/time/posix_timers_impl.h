// One timer of timer_create(2).
#ifndef SENTRY_KERNEL_TIME_POSIX_TIMERS_IMPL_H_
#define SENTRY_KERNEL_TIME_POSIX_TIMERS_IMPL_H_

#include "sentry/kernel/time/clock.h"
#include "sentry/kernel/time/posix_timers.h"

namespace sentry {

struct PosixTimers::Timer {
  int32_t clock = 0;
  bool silent = false;  // SIGEV_NONE
  int32_t signo = abi::kSigAlrm;
  int32_t tid = 0;  // 0: any thread of the group
  uint64_t value = 0;

  int64_t expires = 0;  // CLOCK_MONOTONIC; 0: disarmed
  int64_t interval = 0;
  // Tells callbacks and signals of an older setting from this one's.
  uint64_t generation = 0;
  TimerQueue::Id queue_id = 0;
  bool queued = false;       // its signal waits to be taken
  int64_t overrun = 0;       // further periods since that signal was sent
  int64_t overrun_last = 0;  // of the last signal taken

  abi::Itimerspec Setting(int64_t now) const;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_TIME_POSIX_TIMERS_IMPL_H_
