// Lines of `--strace`, one a call, in the manner of strace(1).
#ifndef SENTRY_SYSCALLS_STRACE_H_
#define SENTRY_SYSCALLS_STRACE_H_

#include <string>
#include <string_view>

#include "sentry/kernel/task.h"

namespace sentry {

// Writes "[tid] comm: line" to the log, whatever its level.
void StraceLine(Task& task, std::string_view line);
// " = 3", " = -1 ENOENT (...)", " = ? ERESTARTSYS".
std::string StraceResult(const SyscallResult& result);

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_STRACE_H_
