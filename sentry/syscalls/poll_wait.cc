#include <deque>

#include "sentry/kernel/block.h"
#include "sentry/syscalls/poll.h"
#include "sentry/usermem/user_ptr.h"

namespace sentry {
namespace {

size_t Scan(std::vector<PollEntry>& entries) {
  size_t count = 0;
  for (PollEntry& e : entries) {
    e.ready = e.file->Readiness(e.wanted) & e.wanted;
    if (e.ready != 0) ++count;
  }
  return count;
}

// The task's waiters on every file's queue, as long as it lives. The entries
// hold the files, and they their queues.
class Registration {
 public:
  Registration(Task& task, std::vector<PollEntry>& entries) {
    for (PollEntry& e : entries) {
      base::WaitQueue* const queue = e.file->wait_queue();
      if (queue == nullptr) continue;  // never changes
      waiters_.emplace_back(task, e.wanted);
      queues_.push_back(queue);
      queue->Add(waiters_.back());
    }
  }
  ~Registration() {
    for (size_t i = 0; i < queues_.size(); ++i) queues_[i]->Remove(waiters_[i]);
  }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

 private:
  std::deque<TaskWaiter> waiters_;  // stays in place
  std::vector<base::WaitQueue*> queues_;
};

}  // namespace

Interruptible<size_t> WaitForAny(Task& task, std::vector<PollEntry>& entries, Deadline deadline) {
  size_t count = Scan(entries);
  if (count > 0 || deadline == kNoWait) return count;
  const Registration registration(task, entries);
  while (true) {
    task.PrepareToSleep();
    count = Scan(entries);
    if (count > 0) return count;
    switch (task.Sleep(deadline)) {
      case Task::WakeReason::kEvent:
        break;
      case Task::WakeReason::kTimeout:
        return Scan(entries);
      case Task::WakeReason::kInterrupted:
        return Restart::kSys;
    }
  }
}

Deadline PollDeadline(int64_t timeout_ns) { return timeout_ns == 0 ? Deadline(kNoWait) : DeadlineAfter(timeout_ns); }

int64_t TimeLeft(int64_t deadline) {
  const int64_t now = deadline == kNoWait ? 0 : MonotonicNow();
  return deadline > now ? deadline - now : 0;
}

Result<void> ApplySignalMask(Task& task, UserAddr mask, uint64_t size) {
  if (mask.is_null()) return Ok();
  if (size != sizeof(abi::SignalSet)) return Errno::kEINVAL;
  task.SetTemporaryMask(TRY(UserIn<abi::SignalSet>(mask).Read(task.mm())));
  return Ok();
}

}  // namespace sentry
