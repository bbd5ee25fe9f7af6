// What the calls of System V IPC share.
#ifndef SENTRY_SYSCALLS_SYSV_IPC_H_
#define SENTRY_SYSCALLS_SYSV_IPC_H_

#include <type_traits>

#include "sentry/kernel/ipc/ipc_object.h"
#include "sentry/kernel/task.h"
#include "sentry/usermem/user_ptr.h"

namespace sentry {

inline IpcCaller IpcCallerOf(Task& task) { return {.creds = task.creds(), .process = task.group().pid()}; }

// Until `waiter`, which `object` has taken, is done; its error. `interrupted`: a signal
// came before that. EAGAIN: the deadline did. What was done at that moment counts.
Interruptible<int> AwaitIpc(Task& task, IpcObject& object, IpcWaiter& waiter, Deadline deadline,
                            SyscallError interrupted);

// IPC_STAT, *_STAT and *_STAT_ANY of an object in `objects` (SemaphoreNamespace and its like).
template <typename Namespace>
SyscallResult IpcctlStat(Task& task, const Namespace& objects, int32_t id, IpcStatKind kind, UserAddr out) {
  const bool by_id = kind == IpcStatKind::kId;
  const auto object = TRY(by_id ? objects.Find(id) : objects.FindIndex(id));
  const auto stat = TRY(object->Stat(IpcCallerOf(task), kind));
  TRY(UserOut<std::remove_const_t<decltype(stat)>>(out).Write(task.mm(), stat));
  return by_id ? 0 : object->id();
}

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_SYSV_IPC_H_
