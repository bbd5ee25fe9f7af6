// Waiting for several files at once, and how an interrupted poll(2) goes on.
#ifndef SENTRY_SYSCALLS_POLL_H_
#define SENTRY_SYSCALLS_POLL_H_

#include <vector>

#include "sentry/abi/personality.h"
#include "sentry/kernel/syscall_result.h"
#include "sentry/kernel/task.h"
#include "sentry/usermem/user_ptr.h"

namespace sentry {

struct PollEntry {
  RefPtr<FileDescription> file;
  base::EventMask wanted = 0;
  base::EventMask ready = 0;
};

// A deadline that has passed already: one look and no sleep.
inline constexpr int64_t kNoWait = 0;

// Fills in `ready` and tells how many entries have any: 0 at the deadline,
// Restart::kSys when interrupted.
Interruptible<size_t> WaitForAny(Task& task, std::vector<PollEntry>& entries, Deadline deadline);

// The deadline of a relative time; 0 is kNoWait.
Deadline PollDeadline(int64_t timeout_ns);
// What is left until it, at least 0.
int64_t TimeLeft(int64_t deadline);
// Puts that back where the guest gave the time, so that a restarted call waits on. False: it is not there, and the call
// must not be restarted. (STICKY_TIMEOUTS: as other systems have it, where the guest's time stays what it was.)
template <typename T>
bool TellTimeLeft(Task& task, Deadline deadline, UserInOut<T> timeout, T (*convert)(int64_t ns)) {
  if (!deadline) return true;
  return (task.personality & abi::kStickyTimeouts) == 0 && timeout.Write(task.mm(), convert(TimeLeft(*deadline))).ok();
}

SyscallResult RestartPoll(Task& task, const PollRestart& restart);

// ppoll, pselect6, epoll_pwait: the mask for the time of the call, if one is
// given. EINVAL, EFAULT.
Result<void> ApplySignalMask(Task& task, UserAddr mask, uint64_t size);

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_POLL_H_
