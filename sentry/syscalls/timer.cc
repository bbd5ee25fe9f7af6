#include "sentry/kernel/time/posix_timers.h"

#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/time_args.h"

namespace sentry {
namespace {

abi::Itimerval ToItimerval(const PosixTimers::Interval& i) {
  return {.interval = NsToTimeval(i.interval), .value = NsToTimeval(i.value)};
}

}  // namespace

SyscallResult SysAlarm(Task& task, uint32_t seconds) {
  const PosixTimers::Interval old =
      TRY(task.group().timers().SetItimer(abi::kItimerReal, {.value = int64_t{seconds} * kNsPerSec, .interval = 0}));
  // Rounded to the nearest second, but never to 0 while it runs.
  const int64_t rounded = (old.value + kNsPerSec / 2) / kNsPerSec;
  return old.value > 0 && rounded == 0 ? int64_t{1} : rounded;
}

SyscallResult SysGetitimer(Task& task, int32_t which, UserOut<abi::Itimerval> value) {
  return value.Write(task.mm(), ToItimerval(TRY(task.group().timers().GetItimer(which))));
}

SyscallResult SysSetitimer(Task& task, int32_t which, UserIn<abi::Itimerval> value, UserOut<abi::Itimerval> old) {
  abi::Itimerval given;
  if (value) given = TRY(value.Read(task.mm()));
  if (given.value.sec < 0 || given.interval.sec < 0) return Errno::kEINVAL;
  const PosixTimers::Interval fresh{.value = TRY(TimevalToNs(given.value)),
                                    .interval = TRY(TimevalToNs(given.interval))};
  const PosixTimers::Interval before = TRY(task.group().timers().SetItimer(which, fresh));
  if (old) TRY(old.Write(task.mm(), ToItimerval(before)));
  return 0;
}

SyscallResult SysTimerCreate(Task& task, int32_t clock, UserAddr event, UserOut<int32_t> id) {
  abi::SigEvent given;
  if (!event.is_null()) given = TRY(UserIn<abi::SigEvent>(event).Read(task.mm()));
  PosixTimers& timers = task.group().timers();
  const int32_t fresh = TRY(timers.Create(clock, event.is_null() ? nullptr : &given));
  const Result<void> written = id.Write(task.mm(), fresh);
  if (!written.ok()) TRY(timers.Delete(fresh));
  return written;
}

SyscallResult SysTimerSettime(Task& task, int32_t id, uint32_t flags, UserIn<abi::Itimerspec> value,
                              UserOut<abi::Itimerspec> old) {
  if (!value) return Errno::kEINVAL;
  const abi::Itimerspec before = TRY(task.group().timers().Set(id, flags, TRY(value.Read(task.mm()))));
  if (old) TRY(old.Write(task.mm(), before));
  return 0;
}

SyscallResult SysTimerGettime(Task& task, int32_t id, UserOut<abi::Itimerspec> value) {
  return value.Write(task.mm(), TRY(task.group().timers().Get(id)));
}

SyscallResult SysTimerGetoverrun(Task& task, int32_t id) { return task.group().timers().Overrun(id); }

SyscallResult SysTimerDelete(Task& task, int32_t id) { return task.group().timers().Delete(id); }

}  // namespace sentry
