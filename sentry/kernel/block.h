// The one way a system call waits (DESIGN 1, 2). Every wait ends early when the
// task is interrupted: by a signal, a stop, its group's exit, or a pause of the
// kernel; the handler then unwinds with a Restart code and holds nothing.
#ifndef SENTRY_KERNEL_BLOCK_H_
#define SENTRY_KERNEL_BLOCK_H_

#include <utility>

#include "base/wait_queue.h"
#include "sentry/kernel/syscall_result.h"
#include "sentry/kernel/task.h"

namespace sentry {

// A Waiter that wakes its task.
class TaskWaiter final : public base::Waiter {
 public:
  TaskWaiter(Task& task, base::EventMask mask) : Waiter(mask), task_(task) {}
  void Notify(base::EventMask) override { task_.Wake(); }

 private:
  Task& task_;
};

// Calls `attempt` (returns Result<T>) until it says something else than EAGAIN.
// Between attempts the task sleeps on `queue` for `mask`. `queue` null: EAGAIN is
// final. Returns Restart::kSys when interrupted, `on_timeout` at the deadline.
template <typename Attempt>
auto BlockUntil(Task& task, base::WaitQueue* queue, base::EventMask mask, Deadline deadline, Attempt attempt,
                Errno on_timeout = Errno::kEAGAIN) -> Interruptible<typename decltype(attempt())::value_type> {
  auto result = attempt();
  if (!result.Is(Errno::kEAGAIN) || queue == nullptr) return result;
  TaskWaiter waiter(task, mask);
  queue->Add(waiter);
  while (true) {
    task.PrepareToSleep();
    auto again = attempt();
    if (!again.Is(Errno::kEAGAIN)) {
      queue->Remove(waiter);
      return again;
    }
    const Task::WakeReason reason = task.Sleep(deadline);
    if (reason == Task::WakeReason::kEvent) continue;
    queue->Remove(waiter);
    if (reason == Task::WakeReason::kInterrupted) return Restart::kSys;
    return on_timeout;
  }
}

// For a file: waits unless it is non-blocking.
template <typename Attempt>
auto BlockOnFile(Task& task, FileDescription& file, base::EventMask mask, Deadline deadline, Attempt attempt) {
  return BlockUntil(task, file.nonblocking() ? nullptr : file.wait_queue(), mask, deadline, std::move(attempt));
}

// Sleeps until the deadline: Ok(0) then, Restart::kSys when interrupted.
Interruptible<int> SleepUntil(Task& task, Deadline deadline);

}  // namespace sentry

#endif  // SENTRY_KERNEL_BLOCK_H_
