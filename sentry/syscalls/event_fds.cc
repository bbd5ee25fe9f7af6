// eventfd, timerfd, signalfd: Linux's fs/{eventfd,timerfd,signalfd}.c.
#include "sentry/fs/eventfd/eventfd.h"
#include "sentry/fs/signalfd/signalfd.h"
#include "sentry/fs/timerfd/timerfd.h"
#include "sentry/kernel/kernel.h"
#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/rooms.h"

namespace sentry {
namespace {

Result<TimerSetting> ToSetting(const abi::Itimerspec& spec) {
  return TimerSetting{.value = TRY(TimespecToNs(spec.value)), .interval = TRY(TimespecToNs(spec.interval))};
}

abi::Itimerspec ToItimerspec(const TimerSetting& setting) {
  return {.interval = NsToTimespec(setting.interval), .value = NsToTimespec(setting.value)};
}

Result<RefPtr<TimerFd>> GetTimerFd(Task& task, Fd fd) {
  RefPtr<TimerFd> timer = FileCast<TimerFd>(TRY(task.fds().GetNoPath(fd.value)));
  if (!timer) return Errno::kEINVAL;
  return timer;
}

}  // namespace

SyscallResult SysEventfd(Task& task, uint32_t initial) { return SysEventfd2(task, initial, 0); }

SyscallResult SysEventfd2(Task& task, uint32_t initial, uint32_t flags) {
  return InstallFd(task, TRY(NewEventFd(task.vfs_context(), initial, flags)), ToCloseOnExec(flags));
}

SyscallResult SysTimerfdCreate(Task& task, int32_t clock, uint32_t flags) {
  TimerService& timers = SyscallRooms::Of(task.kernel()).timers();
  return InstallFd(task, TRY(NewTimerFd(task.vfs_context(), timers, clock, flags)), ToCloseOnExec(flags));
}

SyscallResult SysTimerfdSettime(Task& task, Fd fd, uint32_t flags, UserIn<abi::Itimerspec> value,
                                UserOut<abi::Itimerspec> old) {
  const abi::Itimerspec spec = TRY(value.Read(task.mm()));
  if ((flags & ~(abi::kTfdTimerAbsTime | abi::kTfdTimerCancelOnSet)) != 0) return Errno::kEINVAL;
  const TimerSetting setting = TRY(ToSetting(spec));
  const RefPtr<TimerFd> timer = TRY(GetTimerFd(task, fd));
  const TimerSetting before = TRY(timer->SetTime(flags, setting));
  if (old) TRY(old.Write(task.mm(), ToItimerspec(before)));
  return 0;
}

SyscallResult SysTimerfdGettime(Task& task, Fd fd, UserOut<abi::Itimerspec> value) {
  const RefPtr<TimerFd> timer = TRY(GetTimerFd(task, fd));
  return value.Write(task.mm(), ToItimerspec(timer->GetTime()));
}

SyscallResult SysSignalfd(Task& task, Fd fd, UserIn<abi::SignalSet> mask, Size mask_size) {
  return SysSignalfd4(task, fd, mask, mask_size, 0);
}

SyscallResult SysSignalfd4(Task& task, Fd fd, UserIn<abi::SignalSet> mask, Size mask_size, uint32_t flags) {
  if (mask_size.value != sizeof(abi::SignalSet)) return Errno::kEINVAL;
  const abi::SignalSet set = TRY(mask.Read(task.mm()));
  if ((flags & ~(abi::kSfdNonBlock | abi::kSfdCloExec)) != 0) return Errno::kEINVAL;
  if (fd.value != -1) {
    const RefPtr<SignalFd> file = FileCast<SignalFd>(TRY(task.fds().GetNoPath(fd.value)));
    if (!file) return Errno::kEINVAL;
    file->SetMask(set);
    return fd.value;
  }
  auto source = MakeRef<TaskSignals>(task);
  return InstallFd(task, TRY(NewSignalFd(task.vfs_context(), std::move(source), set, flags)), ToCloseOnExec(flags));
}

}  // namespace sentry
