// ITIMER_VIRTUAL, ITIMER_PROF and RLIMIT_CPU: watched from the timer thread. It
// looks when the first of them could be due if all threads ran all the time, so
// a process that sleeps is looked at seldom.
#include <algorithm>
#include <utility>

#include "sentry/kernel/kernel.h"
#include "sentry/kernel/task_impl.h"
#include "sentry/kernel/time/posix_timers_impl.h"

namespace sentry {

using base::MutexLock;

namespace {

constexpr int64_t kMinLook = 1'000'000;

int64_t TimeOf(int32_t which, ThreadGroup::CpuTimes times) {
  return which == abi::kItimerVirtual ? times.user_ns : times.user_ns + times.system_ns;
}

int64_t SecondsToNs(uint64_t seconds) {
  if (seconds >= static_cast<uint64_t>(INT64_MAX / kNsPerSec)) return INT64_MAX;
  return static_cast<int64_t>(seconds) * kNsPerSec;
}

}  // namespace

// `times` are those of now; the group's lock is not to be taken under ours.
void PosixTimers::ArmCpu(int64_t user_ns, int64_t total_ns, size_t threads) {
  ++cpu_generation_;
  int64_t left = INT64_MAX;
  if (cpu_timers_[0].expires != 0) left = std::min(left, cpu_timers_[0].expires - user_ns);
  if (cpu_timers_[1].expires != 0) left = std::min(left, cpu_timers_[1].expires - total_ns);
  if (next_xcpu_ != 0) left = std::min(left, next_xcpu_ - total_ns);
  if (left == INT64_MAX || shut_down_) return;
  left = std::max(left / static_cast<int64_t>(std::max<size_t>(threads, 1)), kMinLook);
  cpu_id_ = kernel_.timers().Arm(
      *DeadlineAfter(left),
      [group = RefPtr<ThreadGroup>(&group_), generation = cpu_generation_] { group->timers().CheckCpu(generation); });
}

void PosixTimers::CheckCpu(uint64_t generation) {
  const ThreadGroup::CpuTimes times = group_.cpu_times();
  const size_t threads = group_.tasks().size();
  const int64_t total = times.user_ns + times.system_ns;
  int signals[3];
  int count = 0;
  bool kill = false;
  {
    MutexLock lock(mu_);
    if (generation != cpu_generation_ || shut_down_) return;
    cpu_id_ = 0;
    for (int32_t which : {abi::kItimerVirtual, abi::kItimerProf}) {
      CpuTimer& timer = cpu_timers_[which - 1];
      const int64_t now = TimeOf(which, times);
      if (timer.expires == 0 || timer.expires > now) continue;
      signals[count++] = which == abi::kItimerVirtual ? abi::kSigVtalrm : abi::kSigProf;
      timer.expires =
          timer.interval == 0 ? 0 : timer.expires + ((now - timer.expires) / timer.interval + 1) * timer.interval;
    }
    if (next_xcpu_ != 0 && total >= next_xcpu_) {
      kill = total >= SecondsToNs(group_.limit(RlimitKind::kCpu).hard);
      signals[count++] = abi::kSigXcpu;
      next_xcpu_ += kNsPerSec;  // again each second, until the hard limit
    }
    ArmCpu(times.user_ns, total, threads);
  }
  if (kill) group_.Exit({.signo = abi::kSigKill});
  for (int i = 0; i < count; ++i) SendToGroup(signals[i]);
}

void PosixTimers::CpuLimitChanged() {
  const uint64_t soft = group_.soft_limit(RlimitKind::kCpu);
  TimerQueue::Id stale;
  {
    MutexLock lock(mu_);
    if (soft == UINT64_MAX && next_xcpu_ == 0) return;
  }
  const ThreadGroup::CpuTimes times = group_.cpu_times();
  const size_t threads = group_.tasks().size();
  {
    MutexLock lock(mu_);
    // A limit of 0 counts as 1 second, as in Linux.
    next_xcpu_ = soft == UINT64_MAX ? 0 : SecondsToNs(std::max<uint64_t>(soft, 1));
    stale = std::exchange(cpu_id_, 0);
    ArmCpu(times.user_ns, times.user_ns + times.system_ns, threads);
  }
  if (stale != 0) kernel_.timers().Cancel(stale);
}

Result<PosixTimers::Interval> PosixTimers::SetCpuItimer(int32_t which, Interval value) {
  if (which != abi::kItimerVirtual && which != abi::kItimerProf) return Errno::kEINVAL;
  const ThreadGroup::CpuTimes times = group_.cpu_times();
  const size_t threads = group_.tasks().size();
  TimerQueue::Id stale;
  Interval old;
  {
    MutexLock lock(mu_);
    CpuTimer& timer = cpu_timers_[which - 1];
    const int64_t now = TimeOf(which, times);
    if (timer.expires != 0) old.value = std::max<int64_t>(timer.expires - now, 1000);
    old.interval = timer.interval;
    timer.expires = 0;
    if (value.value != 0 && __builtin_add_overflow(now, value.value, &timer.expires)) timer.expires = INT64_MAX;
    timer.interval = value.interval;
    stale = std::exchange(cpu_id_, 0);
    ArmCpu(times.user_ns, times.user_ns + times.system_ns, threads);
  }
  if (stale != 0) kernel_.timers().Cancel(stale);
  return old;
}

Result<PosixTimers::Interval> PosixTimers::GetCpuItimer(int32_t which) {
  if (which != abi::kItimerVirtual && which != abi::kItimerProf) return Errno::kEINVAL;
  const ThreadGroup::CpuTimes times = group_.cpu_times();
  MutexLock lock(mu_);
  const CpuTimer& timer = cpu_timers_[which - 1];
  Interval value = {.value = 0, .interval = timer.interval};
  if (timer.expires != 0) value.value = std::max<int64_t>(timer.expires - TimeOf(which, times), 1000);
  return value;
}

}  // namespace sentry
