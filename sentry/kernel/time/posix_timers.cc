// timer_create and its kin, and ITIMER_REAL; cpu_timers.cc has those that count
// CPU time.
#include "sentry/kernel/time/posix_timers.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "sentry/kernel/kernel.h"
#include "sentry/kernel/task_impl.h"
#include "sentry/kernel/time/posix_timers_impl.h"

namespace sentry {

using base::MutexLock;

namespace {

constexpr size_t kMaxTimers = 4096;
constexpr int64_t kMaxOverrun = INT32_MAX;  // DELAYTIMER_MAX
// While its signal waits to be taken a timer has nothing to do but count, which
// it can do seldom.
constexpr int64_t kSlowPeriod = 10'000'000;
// No guest makes the timer thread spin; what is shorter counts as overruns.
constexpr int64_t kMinPeriod = 50'000;

}  // namespace

PosixTimers::PosixTimers(Kernel& kernel, ThreadGroup& group) : kernel_(kernel), group_(group) {}
PosixTimers::~PosixTimers() = default;

Result<int32_t> PosixTimers::Create(int32_t clock, const abi::SigEvent* event) {
  switch (clock) {
    case abi::kClockRealtime:
    case abi::kClockMonotonic:
    case abi::kClockBoottime:
    case abi::kClockTai:
      break;
    case abi::kClockProcessCputime:
    case abi::kClockThreadCputime:
    case abi::kClockMonotonicRaw:
    case abi::kClockRealtimeCoarse:
    case abi::kClockMonotonicCoarse:
      return Errno::kEOPNOTSUPP;
    default:
      return Errno::kEINVAL;
  }
  auto timer = std::make_unique<Timer>();
  timer->clock = clock;
  if (event) {
    const bool to_thread = event->notify == (abi::kSigEvSignal | abi::kSigEvThreadId);
    if (!to_thread && event->notify != abi::kSigEvSignal && event->notify != abi::kSigEvNone &&
        event->notify != abi::kSigEvThread) {
      return Errno::kEINVAL;
    }
    if (to_thread) {
      const RefPtr<Task> target = kernel_.FindTask(event->tid, group_.pid_ns());
      if (!target || &target->group() != &group_) return Errno::kEINVAL;
      timer->tid = target->tid();
    }
    timer->silent = event->notify == abi::kSigEvNone;
    if (!timer->silent && (event->signo < 1 || event->signo > abi::kSigMax)) return Errno::kEINVAL;
    timer->signo = event->signo;
    timer->value = event->value;
  }
  MutexLock lock(mu_);
  if (timers_.size() >= kMaxTimers || shut_down_) return Errno::kEAGAIN;
  while (timers_.contains(next_id_)) next_id_ = (next_id_ + 1) & INT32_MAX;
  const int32_t id = next_id_;
  next_id_ = (next_id_ + 1) & INT32_MAX;
  if (!event) timer->value = static_cast<uint64_t>(id);
  timers_.emplace(id, std::move(timer));
  return id;
}

abi::Itimerspec PosixTimers::Timer::Setting(int64_t now) const {
  abi::Itimerspec setting;
  setting.interval = NsToTimespec(interval);
  if (expires == 0) return setting;
  int64_t left = expires - now;
  if (left <= 0 && interval > 0) left += (-left / interval + 1) * interval;
  // A timer that is due but has not rung shows the smallest time there is.
  setting.value = NsToTimespec(left > 0 ? left : silent ? 0 : 1);
  return setting;
}

void PosixTimers::ArmTimer(int32_t id, Timer& timer) {
  ++timer.generation;
  if (timer.expires == 0 || timer.silent) return;
  timer.queue_id =
      kernel_.timers().Arm(timer.expires, [group = RefPtr<ThreadGroup>(&group_), id, generation = timer.generation] {
        group->timers().Fire(id, generation);
      });
}

Result<abi::Itimerspec> PosixTimers::Set(int32_t id, uint32_t flags, const abi::Itimerspec& value) {
  const int64_t interval = TRY(TimespecToNs(value.interval));
  const int64_t first = TRY(TimespecToNs(value.value));
  TimerQueue::Id stale;
  abi::Itimerspec old;
  {
    MutexLock lock(mu_);
    auto it = timers_.find(id);
    if (it == timers_.end()) return Errno::kEINVAL;
    Timer& timer = *it->second;
    old = timer.Setting(MonotonicNow());
    stale = std::exchange(timer.queue_id, 0);
    timer.interval = first == 0 ? 0 : interval;
    timer.overrun = timer.overrun_last = 0;
    timer.queued = false;
    if (first == 0) {
      timer.expires = 0;
    } else if (!(flags & abi::kTimerAbstime)) {
      timer.expires = *DeadlineAfter(first);
    } else if (timer.clock == abi::kClockMonotonic || timer.clock == abi::kClockBoottime) {
      timer.expires = timer.clock == abi::kClockMonotonic ? first : first - (BoottimeNow() - MonotonicNow());
    } else {
      timer.expires = *DeadlineAtRealtime(first);
    }
    if (first != 0 && timer.expires <= 0) timer.expires = 1;
    ArmTimer(id, timer);
  }
  if (stale != 0) kernel_.timers().Cancel(stale);
  return old;
}

Result<abi::Itimerspec> PosixTimers::Get(int32_t id) {
  MutexLock lock(mu_);
  auto it = timers_.find(id);
  if (it == timers_.end()) return Errno::kEINVAL;
  return it->second->Setting(MonotonicNow());
}

Result<int32_t> PosixTimers::Overrun(int32_t id) {
  MutexLock lock(mu_);
  auto it = timers_.find(id);
  if (it == timers_.end()) return Errno::kEINVAL;
  return static_cast<int32_t>(it->second->overrun_last);
}

Result<void> PosixTimers::Delete(int32_t id) {
  TimerQueue::Id stale;
  {
    MutexLock lock(mu_);
    auto it = timers_.find(id);
    if (it == timers_.end()) return Errno::kEINVAL;
    stale = it->second->queue_id;
    timers_.erase(it);
  }
  if (stale != 0) kernel_.timers().Cancel(stale);
  return Ok();
}

void PosixTimers::DeleteAll() {
  std::map<int32_t, std::unique_ptr<Timer>> gone;
  {
    MutexLock lock(mu_);
    gone.swap(timers_);
  }
  for (const auto& [id, timer] : gone) {
    if (timer->queue_id != 0) kernel_.timers().Cancel(timer->queue_id);
  }
}

void PosixTimers::Shutdown() {
  TimerQueue::Id real, cpu;
  {
    MutexLock lock(mu_);
    shut_down_ = true;
    ++real_generation_;
    ++cpu_generation_;
    real = std::exchange(real_id_, 0);
    cpu = std::exchange(cpu_id_, 0);
  }
  DeleteAll();
  if (real != 0) kernel_.timers().Cancel(real);
  if (cpu != 0) kernel_.timers().Cancel(cpu);
}

// On the timer thread.
void PosixTimers::Fire(int32_t id, uint64_t generation) {
  RefPtr<Task> target;
  MutexLock signal_lock(group_.signal_mu());
  MutexLock lock(mu_);
  auto it = timers_.find(id);
  if (it == timers_.end() || it->second->generation != generation) return;
  Timer& timer = *it->second;
  if (timer.tid != 0) {
    for (const RefPtr<Task>& task : group_.tasks_) {
      if (task->tid() == timer.tid) target = task;
    }
  }
  const int64_t now = MonotonicNow();
  int64_t periods = 1;
  timer.queue_id = 0;
  if (timer.interval > 0) {
    periods = (now - timer.expires) / timer.interval + 1;
    timer.expires += periods * timer.interval;
  } else {
    timer.expires = 0;
  }
  const PendingSignals& queue = target ? target->pending_ : group_.shared_pending_;
  // `queued` alone may be stale: the signal can have been discarded.
  const bool waits = timer.queued && queue.set().Has(timer.signo);
  timer.overrun = std::min(kMaxOverrun, (waits ? timer.overrun : -1) + periods);
  if (!waits && (timer.tid == 0 || target)) {
    SigInfo info = {.signo = timer.signo, .code = abi::kSiTimer};
    info.u.timer.timer_id = id;
    info.u.timer.value = timer.value;
    info.u.timer.private_id = static_cast<int32_t>(generation);
    group_.SendLocked(info, target.get(), ThreadGroup::Origin::kGuest);
    timer.queued = queue.set().Has(timer.signo);
  }
  if (timer.interval == 0) return;
  const int64_t period = timer.queued ? std::max(timer.interval, kSlowPeriod) : timer.interval;
  const int64_t due = std::max(timer.expires - timer.interval + period, now + kMinPeriod);
  timer.queue_id = kernel_.timers().Arm(
      due, [group = RefPtr<ThreadGroup>(&group_), id, generation] { group->timers().Fire(id, generation); });
}

bool PosixTimers::OnSignalTaken(SigInfo& info) {
  MutexLock lock(mu_);
  auto it = timers_.find(info.u.timer.timer_id);
  if (it == timers_.end() || static_cast<int32_t>(it->second->generation) != info.u.timer.private_id) return false;
  Timer& timer = *it->second;
  // What it slept through while the signal waited.
  const int64_t now = MonotonicNow();
  if (timer.interval > 0 && timer.expires > 0 && timer.expires <= now) {
    const int64_t missed = (now - timer.expires) / timer.interval + 1;
    timer.expires += missed * timer.interval;
    timer.overrun = std::min(kMaxOverrun, timer.overrun + missed);
  }
  timer.overrun_last = std::max<int64_t>(timer.overrun, 0);
  timer.overrun = 0;
  const bool was_slow = std::exchange(timer.queued, false) && timer.interval > 0 && timer.interval < kSlowPeriod;
  info.u.timer.overrun = static_cast<int32_t>(timer.overrun_last);
  info.u.timer.private_id = 0;
  // Back to its own pace. The slow one stays armed and finds its generation old.
  if (was_slow) ArmTimer(info.u.timer.timer_id, timer);
  return true;
}

// --- ITIMER_REAL -------------------------------------------------------------

void PosixTimers::ArmReal() {
  ++real_generation_;
  if (real_expires_ == 0) return;
  const int64_t due = real_interval_ == 0 ? real_expires_ : std::max(real_expires_, MonotonicNow() + kMinPeriod);
  real_id_ = kernel_.timers().Arm(due, [group = RefPtr<ThreadGroup>(&group_), generation = real_generation_] {
    group->timers().FireReal(generation);
  });
}

void PosixTimers::FireReal(uint64_t generation) {
  {
    MutexLock lock(mu_);
    if (generation != real_generation_ || shut_down_) return;
    real_id_ = 0;
    if (real_interval_ > 0) {
      real_expires_ += ((MonotonicNow() - real_expires_) / real_interval_ + 1) * real_interval_;
      ArmReal();
    } else {
      real_expires_ = 0;
    }
  }
  SendToGroup(abi::kSigAlrm);
}

void PosixTimers::SendToGroup(int signo) { (void)group_.SendSignal({.signo = signo, .code = abi::kSiKernel}); }

Result<PosixTimers::Interval> PosixTimers::SetItimer(int32_t which, Interval value) {
  if (which != abi::kItimerReal) return SetCpuItimer(which, value);
  TimerQueue::Id stale;
  Interval old;
  {
    MutexLock lock(mu_);
    const int64_t now = MonotonicNow();
    if (real_expires_ != 0) old.value = std::max<int64_t>(real_expires_ - now, 1000);
    old.interval = real_interval_;
    stale = std::exchange(real_id_, 0);
    real_expires_ = value.value == 0 ? 0 : *DeadlineAfter(value.value);
    real_interval_ = value.interval;
    if (!shut_down_) ArmReal();
  }
  if (stale != 0) kernel_.timers().Cancel(stale);
  return old;
}

Result<PosixTimers::Interval> PosixTimers::GetItimer(int32_t which) {
  if (which != abi::kItimerReal) return GetCpuItimer(which);
  MutexLock lock(mu_);
  Interval value = {.value = 0, .interval = real_interval_};
  if (real_expires_ != 0) value.value = std::max<int64_t>(real_expires_ - MonotonicNow(), 1000);
  return value;
}

}  // namespace sentry
