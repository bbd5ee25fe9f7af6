// How a task sleeps and is woken, and where its time goes.
#include "sentry/kernel/block.h"
#include "sentry/kernel/host_futex.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/task_impl.h"

namespace sentry {

bool Task::interrupted() const { return interrupted_.load(std::memory_order_acquire); }

bool Task::killed() const {
  return impl_->killed.load(std::memory_order_acquire) || group_->exiting_.load(std::memory_order_acquire);
}

void Task::Wake() {
  if (wake_word_.exchange(kWoken, std::memory_order_seq_cst) == kSleeping) HostFutexWakeOne(wake_word_);
}

// The flag first, then the looks at where the task is: it either sees the flag
// before it sleeps or enters the guest, or we see it there.
void Task::Interrupt() {
  interrupted_.store(true, std::memory_order_seq_cst);
  uint32_t word = wake_word_.load(std::memory_order_seq_cst);
  while (word == kMaySleep || word == kSleeping) {
    if (!wake_word_.compare_exchange_weak(word, kLookAround, std::memory_order_seq_cst)) continue;
    if (word == kSleeping) HostFutexWakeOne(wake_word_);
    break;
  }
  KickFromGuest();
  impl_->member.Nudge();
}

Task::WakeReason Task::Sleep(Deadline deadline) { return SleepAs(SleepKind::kInterruptible, deadline); }

Task::WakeReason Task::SleepAs(SleepKind kind, Deadline deadline) {
  auto ends_early = [this, kind] {
    if (kind == SleepKind::kUninterruptible) return false;
    return kind == SleepKind::kInterruptible ? interrupted() : killed();
  };
  bool timed_out = false;
  bool slept = false;
  WakeReason reason;
  while (true) {
    uint32_t word = wake_word_.load(std::memory_order_seq_cst);
    if (word == kWoken) {
      reason = WakeReason::kEvent;
      break;
    }
    if (ends_early()) {
      reason = WakeReason::kInterrupted;
      break;
    }
    if (timed_out || (deadline && *deadline <= MonotonicNow())) {
      reason = WakeReason::kTimeout;
      break;
    }
    // kLookAround is used up: we looked. A new Interrupt changes the word again.
    if (word != kSleeping && !wake_word_.compare_exchange_strong(word, kSleeping, std::memory_order_seq_cst)) continue;
    // An Interrupt between the look and the change of the word.
    if (ends_early()) continue;
    if (!slept) {
      slept = true;
      impl_->member.SetQuiet();
      if (impl_->member.held()) kernel().cgroups().MemberChanged(impl_->member);
      SwitchCpuMode(CpuMode::kSleep);
      context_->WillBlock();
      constexpr char kStates[] = {'S', 'D', 'T', 'D'};
      state.store(kStates[static_cast<int>(kind)], std::memory_order_relaxed);
      kernel().context_switches.fetch_add(1, std::memory_order_relaxed);
    }
    timed_out = HostFutexWait(wake_word_, kSleeping, deadline);
  }
  if (slept) {
    BecomeBusy();
    SwitchCpuMode(CpuMode::kSystem);
    state.store('R', std::memory_order_relaxed);
  }
  return reason;
}

Interruptible<int> SleepUntil(Task& task, Deadline deadline) {
  while (true) {
    task.PrepareToSleep();
    switch (task.Sleep(deadline)) {
      case Task::WakeReason::kEvent:
        continue;
      case Task::WakeReason::kInterrupted:
        return Restart::kSys;
      case Task::WakeReason::kTimeout:
        return 0;
    }
  }
}

// --- CPU time ----------------------------------------------------------------

// Own thread. A sequence lock: onlookers add the time since the stamp, and must
// not see a new stamp with an old sum.
void Task::SwitchCpuMode(CpuMode mode) {
  Impl& i = *impl_;
  const int64_t now = MonotonicNow();
  const int64_t spent = now - i.stamp.load(std::memory_order_relaxed);
  const auto old = static_cast<CpuMode>(i.cpu_mode.load(std::memory_order_relaxed));
  const uint32_t version = i.cpu_version.load(std::memory_order_relaxed);
  i.cpu_version.store(version + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  if (old == CpuMode::kUser) {
    i.user_ns.store(i.user_ns.load(std::memory_order_relaxed) + spent, std::memory_order_relaxed);
  } else if (old == CpuMode::kSystem) {
    i.system_ns.store(i.system_ns.load(std::memory_order_relaxed) + spent, std::memory_order_relaxed);
  }
  i.stamp.store(now, std::memory_order_relaxed);
  i.cpu_mode.store(static_cast<uint8_t>(mode), std::memory_order_relaxed);
  i.cpu_version.store(version + 2, std::memory_order_release);
}

ThreadGroup::CpuTimes Task::cpu_times() const {
  const Impl& i = *impl_;
  ThreadGroup::CpuTimes times;
  uint32_t before, after;
  do {
    before = i.cpu_version.load(std::memory_order_acquire);
    times = {.user_ns = i.user_ns.load(std::memory_order_relaxed),
             .system_ns = i.system_ns.load(std::memory_order_relaxed)};
    const auto mode = static_cast<CpuMode>(i.cpu_mode.load(std::memory_order_relaxed));
    const int64_t stamp = i.stamp.load(std::memory_order_relaxed);
    if (mode == CpuMode::kUser) times.user_ns += MonotonicNow() - stamp;
    if (mode == CpuMode::kSystem) times.system_ns += MonotonicNow() - stamp;
    std::atomic_thread_fence(std::memory_order_acquire);
    after = i.cpu_version.load(std::memory_order_relaxed);
  } while (before != after || before % 2 != 0);
  return times;
}

}  // namespace sentry
