#include <time.h>

#include "sentry/kernel/block.h"
#include "sentry/kernel/kernel.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/restart.h"
#include "sentry/syscalls/time_args.h"

namespace sentry {
namespace {

constexpr int64_t kTickNs = kNsPerSec / 100;  // USER_HZ
constexpr int64_t kJiffyNs = 4'000'000;       // CONFIG_HZ=250: the coarse clocks' step

// A clock id that names a process or thread (man 3 clock_getcpuclockid):
// ~pid in the upper bits, then "thread", then the kind, of which only the
// scheduler's (2) counts time here.
Result<int64_t> CpuClockOf(Task& task, int32_t clock) {
  const int32_t pid = ~(clock >> 3);
  const bool thread = (clock & 4) != 0;
  if ((clock & 3) == 3) return Errno::kEINVAL;
  const RefPtr<Task> target = pid == 0 ? RefPtr<Task>(&task) : task.FindTask(pid);
  if (!target || (thread ? &target->group() != &task.group() : !target->is_leader() && pid != 0)) {
    return Errno::kEINVAL;
  }
  const ThreadGroup::CpuTimes times = thread ? target->cpu_times() : target->group().cpu_times();
  return (clock & 3) == 1 ? times.user_ns : times.user_ns + times.system_ns;
}

Result<int64_t> ReadClock(Task& task, int32_t clock) {
  if (clock < 0) return CpuClockOf(task, clock);
  switch (clock) {
    case abi::kClockRealtime:
    case abi::kClockRealtimeAlarm:
    case abi::kClockTai:
      return RealtimeNowNs();
    case abi::kClockRealtimeCoarse:
      return RealtimeNowNs() / kJiffyNs * kJiffyNs;
    case abi::kClockMonotonic:
    case abi::kClockMonotonicRaw:
      return MonotonicNow();
    case abi::kClockMonotonicCoarse:
      return MonotonicNow() / kJiffyNs * kJiffyNs;
    case abi::kClockBoottime:
    case abi::kClockBoottimeAlarm:
      return BoottimeNow();
    case abi::kClockProcessCputime: {
      const ThreadGroup::CpuTimes times = task.group().cpu_times();
      return times.user_ns + times.system_ns;
    }
    case abi::kClockThreadCputime: {
      const ThreadGroup::CpuTimes times = task.cpu_times();
      return times.user_ns + times.system_ns;
    }
    default:
      return Errno::kEINVAL;
  }
}

SyscallResult SleepTo(Task& task, int64_t deadline, UserAddr remaining) {
  Interruptible<int> slept = SleepUntil(task, deadline);
  if (!slept.interrupted()) return slept;
  if (!remaining.is_null()) {
    const int64_t left = std::max<int64_t>(deadline - MonotonicNow(), 0);
    TRY(UserOut<abi::Timespec>(remaining).Write(task.mm(), NsToTimespec(left)));
  }
  task.restart_block = NanosleepRestart{deadline, remaining};
  return Restart::kBlock;
}

}  // namespace

SyscallResult RestartNanosleep(Task& task, const NanosleepRestart& restart) {
  return SleepTo(task, restart.deadline, restart.remaining);
}

SyscallResult SysClockGettime(Task& task, int32_t clock, UserOut<abi::Timespec> time) {
  return time.Write(task.mm(), NsToTimespec(TRY(ReadClock(task, clock))));
}

SyscallResult SysClockGetres(Task& task, int32_t clock, UserOut<abi::Timespec> resolution) {
  TRY(ReadClock(task, clock));
  if (!resolution) return 0;
  const bool coarse = clock == abi::kClockRealtimeCoarse || clock == abi::kClockMonotonicCoarse;
  return resolution.Write(task.mm(), {.sec = 0, .nsec = coarse ? kJiffyNs : 1});
}

// Time belongs to the host: nobody in the sandbox may set it.
SyscallResult SysClockSettime(Task& task, int32_t clock, UserIn<abi::Timespec> time) {
  if (clock != abi::kClockRealtime) return Errno::kEINVAL;
  TRY(TimespecToNs(TRY(time.Read(task.mm()))));
  return Errno::kEPERM;
}

SyscallResult SysClockNanosleep(Task& task, int32_t clock, uint32_t flags, UserIn<abi::Timespec> request,
                                UserAddr remaining) {
  const bool realtime = clock == abi::kClockRealtime || clock == abi::kClockTai;
  if (!realtime && clock != abi::kClockMonotonic && clock != abi::kClockBoottime) {
    return clock == abi::kClockProcessCputime || clock == abi::kClockThreadCputime || clock < 0 ? Errno::kEOPNOTSUPP
                                                                                                : Errno::kEINVAL;
  }
  const int64_t ns = TRY(TimespecToNs(TRY(request.Read(task.mm()))));
  if ((flags & abi::kTimerAbstime) == 0) return SleepTo(task, *DeadlineAfter(ns), remaining);
  // An absolute sleep is restarted as it stands.
  Deadline deadline = ns;
  if (realtime) deadline = DeadlineAtRealtime(ns);
  if (clock == abi::kClockBoottime) deadline = DeadlineAfter(std::max<int64_t>(ns - BoottimeNow(), 0));
  Interruptible<int> slept = SleepUntil(task, deadline);
  if (slept.interrupted()) return Restart::kNoHand;
  return slept;
}

SyscallResult SysNanosleep(Task& task, UserIn<abi::Timespec> request, UserAddr remaining) {
  const int64_t ns = TRY(TimespecToNs(TRY(request.Read(task.mm()))));
  return SleepTo(task, *DeadlineAfter(ns), remaining);
}

SyscallResult SysGettimeofday(Task& task, UserOut<abi::Timeval> time, UserOut<abi::Timezone> zone) {
  if (time) TRY(time.Write(task.mm(), NsToTimeval(RealtimeNowNs())));
  if (zone) TRY(zone.Write(task.mm(), abi::Timezone{}));
  return 0;
}

SyscallResult SysSettimeofday(Task& task, UserIn<abi::Timeval> time, UserIn<abi::Timezone>) {
  if (time) {
    const abi::Timeval value = TRY(time.Read(task.mm()));
    if (value.usec < 0 || value.usec > 1'000'000) return Errno::kEINVAL;
  }
  return Errno::kEPERM;
}

SyscallResult SysTime(Task& task, UserOut<int64_t> time) {
  const int64_t now = RealtimeNowNs() / kNsPerSec;
  if (time) TRY(time.Write(task.mm(), now));
  return now;
}

SyscallResult SysTimes(Task& task, UserOut<abi::Tms> buf) {
  const ThreadGroup::CpuTimes own = task.group().cpu_times();
  const ThreadGroup::CpuTimes children = task.group().children_cpu_times();
  if (buf) {
    TRY(buf.Write(task.mm(), {.utime = own.user_ns / kTickNs,
                              .stime = own.system_ns / kTickNs,
                              .cutime = children.user_ns / kTickNs,
                              .cstime = children.system_ns / kTickNs}));
  }
  return MonotonicNow() / kTickNs;
}

}  // namespace sentry
