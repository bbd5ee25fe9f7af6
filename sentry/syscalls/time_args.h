// Times as the guest hands them in.
#ifndef SENTRY_SYSCALLS_TIME_ARGS_H_
#define SENTRY_SYSCALLS_TIME_ARGS_H_

#include "sentry/abi/time.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/time/clock.h"
#include "sentry/usermem/user_ptr.h"

namespace sentry {

// A null pointer means "for ever". EFAULT, EINVAL (man 2 ppoll).
inline Result<Deadline> ReadRelativeTimeout(Task& task, UserAddr timeout) {
  if (timeout.is_null()) return Deadline();
  const abi::Timespec ts = TRY(UserIn<abi::Timespec>(timeout).Read(task.mm()));
  return DeadlineAfter(TRY(TimespecToNs(ts)));
}

inline abi::Timeval NsToTimeval(int64_t ns) { return {.sec = ns / kNsPerSec, .usec = ns % kNsPerSec / 1000}; }
inline Result<int64_t> TimevalToNs(const abi::Timeval& tv) {
  if (tv.usec < 0 || tv.usec >= 1'000'000) return Errno::kEINVAL;
  return TimespecToNs({.sec = tv.sec, .nsec = tv.usec * 1000});
}

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_TIME_ARGS_H_
