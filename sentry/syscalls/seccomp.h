// seccomp(2) for those who come another way: prctl(2), ioctl(2).
#ifndef SENTRY_SYSCALLS_SECCOMP_H_
#define SENTRY_SYSCALLS_SECCOMP_H_

#include "sentry/kernel/seccomp/notifier.h"
#include "sentry/kernel/task.h"

namespace sentry {

SyscallResult PrctlSetSeccomp(Task& task, uint64_t mode, UserAddr program);
SyscallResult SeccompIoctl(Task& task, SeccompListener& listener, uint32_t request, UserAddr arg);

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_SECCOMP_H_
