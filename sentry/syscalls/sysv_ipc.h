// What the calls of System V IPC share.
#ifndef SENTRY_SYSCALLS_SYSV_IPC_H_
#define SENTRY_SYSCALLS_SYSV_IPC_H_

#include "sentry/kernel/ipc/ipc_object.h"
#include "sentry/kernel/task.h"

namespace sentry {

inline IpcCaller IpcCallerOf(Task& task) { return {.creds = task.creds(), .process = task.group().pid()}; }

// Until `waiter`, which `object` has taken, is done; its error. `interrupted`: a signal
// came before that. EAGAIN: the deadline did. What was done at that moment counts.
Interruptible<int> AwaitIpc(Task& task, IpcObject& object, IpcWaiter& waiter, Deadline deadline,
                            SyscallError interrupted);

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_SYSV_IPC_H_
