// semget, semop, semctl: Linux's ipc/sem.c.
#include "sentry/kernel/ipc/semaphores.h"

#include <algorithm>
#include <span>

#include "sentry/abi/time.h"
#include "sentry/kernel/block.h"
#include "sentry/kernel/ipc/sem_undo.h"
#include "sentry/kernel/time/clock.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/rooms.h"
#include "sentry/syscalls/sysv_ipc.h"

namespace sentry {

Interruptible<int> AwaitIpc(Task& task, IpcObject& object, IpcWaiter& waiter, Deadline deadline,
                            SyscallError interrupted) {
  Interruptible<IpcWaiter::Outcome> end =
      BlockUntil(task, &waiter.woken, base::kEventIn, deadline, [&] { return object.OutcomeOf(waiter); });
  if (!end.ok()) {
    if (object.Cancel(waiter)) return end.interrupted() ? interrupted : end.error();
    end = object.OutcomeOf(waiter);
  }
  if (const std::optional<Errno> error = end.value().error) return *error;
  return 0;
}

namespace {

SemaphoreNamespace& SemaphoresOf(Task& task) { return SemaphoresOf(*task.nsproxy().ipc); }

constexpr uint32_t kMostAtOnce = 32768;

SyscallResult Semop(Task& task, int32_t id, UserAddr user_ops, uint32_t count, std::optional<abi::Timespec> timeout) {
  SemaphoreNamespace& semaphores = SemaphoresOf(task);
  if (count > static_cast<uint32_t>(semaphores.limits.per_call)) return Errno::kE2BIG;
  if (count == 0) return Errno::kEINVAL;
  // The limit is a guest's root's to raise; who waits is looked at under the set's lock.
  if (count > kMostAtOnce) return Errno::kENOMEM;
  const IpcCharge charge = TRY(IpcCharge::Take(count * sizeof(abi::Sembuf)));
  const auto ops = TRY(UserIn<abi::Sembuf>(user_ops).ReadArray(task.mm(), count));
  if (id < 0) return Errno::kEINVAL;
  const Deadline deadline = timeout ? DeadlineAfter(TRY(TimespecToNs(*timeout))) : Deadline();
  const RefPtr<SemaphoreSet> set = TRY(semaphores.Find(id));
  const bool undoes =
      std::any_of(ops.begin(), ops.end(), [](const abi::Sembuf& op) { return op.flags & abi::kSemUndo; });
  SemaphoreSet::Operation operation(IpcCallerOf(task), ops, undoes ? RefPtr<SemUndoList>(&task.sem_undo()) : nullptr);
  TRY(set->Start(operation));
  return AwaitIpc(task, *set, operation, deadline, Errno::kEINTR);
}

SyscallResult SemctlInfo(Task& task, int32_t command, UserAddr out) {
  const SemaphoreNamespace::Info info = SemaphoresOf(task).GetInfo(command);
  TRY(UserOut<abi::Seminfo>(out).Write(task.mm(), info.info));
  return info.max_index;
}

SyscallResult SemctlAll(Task& task, int32_t id, int32_t command, UserAddr values) {
  const RefPtr<SemaphoreSet> set = TRY(SemaphoresOf(task).Find(id));
  const IpcCaller caller = IpcCallerOf(task);
  const IpcCharge charge = TRY(IpcCharge::Take(set->count() * sizeof(uint16_t)));
  if (command == abi::kSemGetAll) {
    const std::vector<uint16_t> all = TRY(set->GetAll(caller));
    return UserOut<uint16_t>(values).WriteArray(task.mm(), all);
  }
  constexpr uint32_t kWrite = 0222;
  TRY(set->CheckAccess(caller, kWrite));
  return set->SetAll(caller, TRY(UserIn<uint16_t>(values).ReadArray(task.mm(), set->count())));
}

SyscallResult SemctlGet(Task& task, int32_t id, int32_t number, SemaphoreSet::Ask ask) {
  return TRY(SemaphoresOf(task).Find(id))->Get(IpcCallerOf(task), number, ask);
}

SyscallResult SemctlSetValue(Task& task, int32_t id, int32_t number, int32_t value) {
  if (value < 0 || value > abi::kSemVmx) return Errno::kERANGE;
  return TRY(SemaphoresOf(task).Find(id))->SetValue(IpcCallerOf(task), number, value);
}

}  // namespace

SyscallResult SysSemget(Task& task, int32_t key, int32_t count, HexFlags flags) {
  return SemaphoresOf(task).Get(IpcCallerOf(task), key, count, static_cast<uint32_t>(flags.value));
}

SyscallResult SysSemop(Task& task, int32_t id, UserAddr ops, uint32_t count) {
  return Semop(task, id, ops, count, std::nullopt);
}

SyscallResult SysSemtimedop(Task& task, int32_t id, UserAddr ops, uint32_t count, UserAddr timeout) {
  if (timeout.is_null()) return Semop(task, id, ops, count, std::nullopt);
  return Semop(task, id, ops, count, TRY(UserIn<abi::Timespec>(timeout).Read(task.mm())));
}

SyscallResult SysSemctl(Task& task, int32_t id, int32_t number, int32_t command, UserAddr arg) {
  if (id < 0) return Errno::kEINVAL;
  switch (command) {
    case abi::kIpcInfo:
    case abi::kSemInfo:
      return SemctlInfo(task, command, arg);
    case abi::kIpcStat:
      return IpcctlStat(task, SemaphoresOf(task), id, IpcStatKind::kId, arg);
    case abi::kSemStat:
      return IpcctlStat(task, SemaphoresOf(task), id, IpcStatKind::kIndex, arg);
    case abi::kSemStatAny:
      return IpcctlStat(task, SemaphoresOf(task), id, IpcStatKind::kIndexAny, arg);
    case abi::kSemGetAll:
    case abi::kSemSetAll:
      return SemctlAll(task, id, command, arg);
    case abi::kSemGetVal:
      return SemctlGet(task, id, number, SemaphoreSet::Ask::kValue);
    case abi::kSemGetPid:
      return SemctlGet(task, id, number, SemaphoreSet::Ask::kPid);
    case abi::kSemGetNcnt:
      return SemctlGet(task, id, number, SemaphoreSet::Ask::kWaitForMore);
    case abi::kSemGetZcnt:
      return SemctlGet(task, id, number, SemaphoreSet::Ask::kWaitForZero);
    case abi::kSemSetVal:
      return SemctlSetValue(task, id, number, static_cast<int32_t>(arg.value));
    case abi::kIpcSet: {
      const auto fresh = TRY(UserIn<abi::SemidDs>(arg).Read(task.mm()));
      return TRY(SemaphoresOf(task).Find(id))->SetPerm(IpcCallerOf(task), fresh.perm);
    }
    case abi::kIpcRmid:
      return SemaphoresOf(task).Remove(IpcCallerOf(task), id);
    default:
      return Errno::kEINVAL;
  }
}

}  // namespace sentry
