#include "sentry/syscalls/event_fd_adaptors.h"

#include <algorithm>

#include "sentry/abi/time.h"

namespace sentry {

int64_t KernelTimers::Now(int clock) {
  switch (clock) {
    case abi::kClockRealtime:
    case abi::kClockRealtimeAlarm:
      return RealtimeNowNs();
    case abi::kClockBoottime:
    case abi::kClockBoottimeAlarm:
      return BoottimeNow();
    default:
      return MonotonicNow();
  }
}

void KernelTimers::Arm(TimerListener& listener, int clock, int64_t deadline) {
  Entry entry{.clock = clock, .deadline = deadline};
  TimerQueue::Id old;
  {
    base::MutexLock lock(mu_);
    entry.generation = ++last_generation_;
    Entry& place = entries_[&listener];
    old = place.id;
    place = entry;
  }
  if (old != 0) queue_.Cancel(old);
  ArmQueue(listener, entry);
}

void KernelTimers::ArmQueue(TimerListener& listener, const Entry& entry) {
  // The queue counts in CLOCK_MONOTONIC.
  const int64_t wait = entry.deadline - std::min(entry.deadline, Now(entry.clock));
  const uint64_t generation = entry.generation;
  const TimerQueue::Id id =
      queue_.Arm(*DeadlineAfter(wait), [this, &listener, generation] { Fire(listener, generation); });
  base::MutexLock lock(mu_);
  auto it = entries_.find(&listener);
  if (it != entries_.end() && it->second.generation == generation) it->second.id = id;
}

void KernelTimers::Fire(TimerListener& listener, uint64_t generation) {
  Entry entry;
  {
    base::MutexLock lock(mu_);
    auto it = entries_.find(&listener);
    if (it == entries_.end() || it->second.generation != generation) return;
    entry = it->second;
  }
  // The clock was set back, or went slower than CLOCK_MONOTONIC.
  if (Now(entry.clock) < entry.deadline) {
    ArmQueue(listener, entry);
    return;
  }
  // Disarm waits for this callback: the listener is still there.
  listener.TimerExpired();
}

void KernelTimers::Disarm(TimerListener& listener) {
  TimerQueue::Id id;
  {
    base::MutexLock lock(mu_);
    auto it = entries_.find(&listener);
    if (it == entries_.end()) return;
    id = it->second.id;
    entries_.erase(it);
  }
  if (id != 0) queue_.Cancel(id);
}

bool TaskSignals::Pending(abi::SignalSet mask) { return !(task_->pending() & mask).empty(); }

bool TaskSignals::Dequeue(abi::SignalSet mask, abi::SignalfdSiginfo* out) {
  const std::optional<SigInfo> info = task_->DequeueSignal(mask);
  if (!info) return false;
  *out = {};
  out->signo = static_cast<uint32_t>(info->signo);
  out->error = info->error;
  out->code = info->code;
  if (info->code == abi::kSiTimer) {
    out->tid = static_cast<uint32_t>(info->u.timer.timer_id);
    out->overrun = static_cast<uint32_t>(info->u.timer.overrun);
    out->sigval_ptr = info->u.timer.value;
    out->sigval_int = static_cast<int32_t>(info->u.timer.value);
  } else if (info->signo == abi::kSigChld && info->code > 0) {
    out->pid = static_cast<uint32_t>(info->u.child.pid);
    out->uid = info->u.child.uid;
    out->status = info->u.child.status;
    out->utime = static_cast<uint64_t>(info->u.child.utime);
    out->stime = static_cast<uint64_t>(info->u.child.stime);
  } else if (info->code > 0 && info->code != abi::kSiKernel) {
    out->addr = info->u.fault.addr;
    out->addr_lsb = static_cast<uint16_t>(info->u.fault.addr_lsb);
  } else {
    out->pid = static_cast<uint32_t>(info->u.kill.pid);
    out->uid = info->u.kill.uid;
    out->sigval_ptr = info->u.kill.value;
    out->sigval_int = static_cast<int32_t>(info->u.kill.value);
  }
  return true;
}

}  // namespace sentry
