// The kernel's timers and a task's signals as timerfd and signalfd see them.
#ifndef SENTRY_SYSCALLS_EVENT_FD_ADAPTORS_H_
#define SENTRY_SYSCALLS_EVENT_FD_ADAPTORS_H_

#include <cstdint>
#include <map>

#include "base/mutex.h"
#include "sentry/fs/signalfd/signal_source.h"
#include "sentry/fs/timerfd/timer_service.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/time/timer_queue.h"

namespace sentry {

class KernelTimers final : public TimerService {
 public:
  explicit KernelTimers(TimerQueue& queue) : queue_(queue) {}

  int64_t Now(int clock) override;
  void Arm(TimerListener& listener, int clock, int64_t deadline) override;
  void Disarm(TimerListener& listener) override;

 private:
  struct Entry {
    TimerQueue::Id id = 0;
    uint64_t generation = 0;
    int clock = 0;
    int64_t deadline = 0;
  };
  void Fire(TimerListener& listener, uint64_t generation);
  // Arms the queue for `entry` and notes the number, unless it changed meanwhile.
  void ArmQueue(TimerListener& listener, const Entry& entry);

  TimerQueue& queue_;
  // Rank kLeaf: held over no call of the queue. A callback whose generation is
  // not that of the entry is void.
  base::RankedMutex<base::LockRank::kLeaf> mu_;
  std::map<TimerListener*, Entry> entries_ ABSL_GUARDED_BY(mu_);
  uint64_t last_generation_ ABSL_GUARDED_BY(mu_) = 0;
};

class TaskSignals final : public SignalSource {
 public:
  explicit TaskSignals(Task& task) : task_(&task) {}
  bool Pending(abi::SignalSet mask) override;
  bool Dequeue(abi::SignalSet mask, abi::SignalfdSiginfo* info) override;
  base::WaitQueue& wait_queue() override { return task_->signal_events(); }

 private:
  ~TaskSignals() override = default;
  // A dead task's object stays while a signalfd of it does.
  const RefPtr<Task> task_;
};

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_EVENT_FD_ADAPTORS_H_
