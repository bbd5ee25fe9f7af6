// ioctl(2) of any socket that is about its namespace's interfaces (man 7
// netdevice).
#ifndef SENTRY_SYSCALLS_NET_IOCTL_H_
#define SENTRY_SYSCALLS_NET_IOCTL_H_

#include "sentry/kernel/syscall_result.h"
#include "sentry/kernel/task.h"

namespace sentry {

// Of a socket of family `domain`: IPv4 addresses and routes are AF_INET's affair.
bool IsInterfaceRequest(int domain, uint32_t request);
// EFAULT, ENODEV, EPERM for changes.
SyscallResult InterfaceIoctl(Task& task, uint32_t request, UserAddr arg);

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_NET_IOCTL_H_
