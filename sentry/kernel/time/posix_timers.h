// The timers of one process: timer_create(2)'s, setitimer(2)'s, and the watch
// over RLIMIT_CPU. Analogous to Linux's kernel/time/{posix-timers,itimer,
// posix-cpu-timers}.c.
#ifndef SENTRY_KERNEL_TIME_POSIX_TIMERS_H_
#define SENTRY_KERNEL_TIME_POSIX_TIMERS_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>

#include "base/mutex.h"
#include "sentry/abi/signal.h"
#include "sentry/abi/time.h"
#include "sentry/kernel/time/timer_queue.h"

namespace sentry {

class Kernel;
class ThreadGroup;

class PosixTimers {
 public:
  PosixTimers(Kernel& kernel, ThreadGroup& group);
  ~PosixTimers();

  // --- timer_create and friends ---
  // EINVAL: clock, signal number, or a thread that is not of the group;
  // EAGAIN: too many. `event` null: SIGALRM with the timer's id as value.
  base::Result<int32_t> Create(int32_t clock, const abi::SigEvent* event);
  // The old setting. EINVAL: no such timer, or a bad time.
  base::Result<abi::Itimerspec> Set(int32_t id, uint32_t flags, const abi::Itimerspec& value);
  base::Result<abi::Itimerspec> Get(int32_t id);
  base::Result<int32_t> Overrun(int32_t id);
  base::Result<void> Delete(int32_t id);

  // --- setitimer; `which` is ITIMER_*, EINVAL for others ---
  // Times in nanoseconds; 0: off.
  struct Interval {
    int64_t value = 0;
    int64_t interval = 0;
  };
  base::Result<Interval> SetItimer(int32_t which, Interval value);  // the old one
  base::Result<Interval> GetItimer(int32_t which);

  // --- For the kernel ---
  // A SI_TIMER signal leaves its queue: fills in the overrun count and lets the
  // timer queue its next one. False: the timer is gone, the signal is void.
  bool OnSignalTaken(abi::SigInfo& info);
  void DeleteAll();  // execve: timer_create's, not setitimer's
  void Shutdown();   // exit: all of them
  void CpuLimitChanged();

 private:
  struct Timer;
  struct CpuTimer {
    int64_t expires = 0;  // in CPU time; 0: off
    int64_t interval = 0;
  };
  base::Result<Interval> SetCpuItimer(int32_t which, Interval value);
  base::Result<Interval> GetCpuItimer(int32_t which);
  void Fire(int32_t id, uint64_t generation);
  void FireReal(uint64_t generation);
  void CheckCpu(uint64_t generation);
  void ArmTimer(int32_t id, Timer& timer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ArmReal() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ArmCpu(int64_t user_ns, int64_t total_ns, size_t threads) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SendToGroup(int signo);

  Kernel& kernel_;
  ThreadGroup& group_;
  mutable base::RankedMutex<base::LockRank::kTimers> mu_;
  std::map<int32_t, std::unique_ptr<Timer>> timers_ ABSL_GUARDED_BY(mu_);
  int32_t next_id_ ABSL_GUARDED_BY(mu_) = 0;
  bool shut_down_ ABSL_GUARDED_BY(mu_) = false;

  int64_t real_expires_ ABSL_GUARDED_BY(mu_) = 0;  // CLOCK_MONOTONIC; 0: off
  int64_t real_interval_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t real_generation_ ABSL_GUARDED_BY(mu_) = 0;
  TimerQueue::Id real_id_ ABSL_GUARDED_BY(mu_) = 0;

  // ITIMER_VIRTUAL, ITIMER_PROF.
  std::array<CpuTimer, 2> cpu_timers_ ABSL_GUARDED_BY(mu_);
  int64_t next_xcpu_ ABSL_GUARDED_BY(mu_) = 0;  // CPU time of the next SIGXCPU or SIGKILL; 0: no limit
  uint64_t cpu_generation_ ABSL_GUARDED_BY(mu_) = 0;
  TimerQueue::Id cpu_id_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_TIME_POSIX_TIMERS_H_
