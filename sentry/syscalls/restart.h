// How restart_syscall(2) goes on with a wait that was interrupted.
#ifndef SENTRY_SYSCALLS_RESTART_H_
#define SENTRY_SYSCALLS_RESTART_H_

#include "sentry/kernel/task.h"

namespace sentry {

SyscallResult RestartFutex(Task& task, const FutexRestart& restart);
SyscallResult RestartNanosleep(Task& task, const NanosleepRestart& restart);

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_RESTART_H_
