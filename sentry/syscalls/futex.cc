#include "sentry/kernel/futex/futex.h"

#include "sentry/kernel/kernel.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/restart.h"
#include "sentry/syscalls/time_args.h"

namespace sentry {
namespace {

constexpr int32_t kWait = 0, kWake = 1, kRequeue = 3, kCmpRequeue = 4, kWakeOp = 5, kLockPi = 6, kUnlockPi = 7;
constexpr int32_t kTryLockPi = 8, kWaitBitset = 9, kWakeBitset = 10, kLockPi2 = 13;
constexpr int32_t kPrivateFlag = 128, kClockRealtimeFlag = 256;
constexpr uint32_t kAnyBit = UINT32_MAX;

// FUTEX_WAIT's timeout is relative; the others' absolute.
Result<Deadline> ReadTimeout(Task& task, UserAddr timeout, int32_t command, bool realtime) {
  if (command == kWait) return ReadRelativeTimeout(task, timeout);
  if (timeout.is_null()) return Deadline();
  const int64_t ns = TRY(TimespecToNs(TRY(UserIn<abi::Timespec>(timeout).Read(task.mm()))));
  return realtime ? DeadlineAtRealtime(ns) : Deadline(ns);
}

SyscallResult Wait(Task& task, UserAddr addr, FutexScope scope, uint32_t expected, uint32_t bitset, Deadline deadline) {
  Interruptible<int> result = task.kernel().futexes().Wait(task, addr, scope, expected, bitset, deadline);
  if (!result.interrupted() || !deadline) return result;
  task.restart_block = FutexRestart{addr, expected, bitset, scope == FutexScope::kShared, deadline};
  return Restart::kBlock;
}

}  // namespace

SyscallResult RestartFutex(Task& task, const FutexRestart& r) {
  return Wait(task, r.addr, r.shared ? FutexScope::kShared : FutexScope::kPrivate, r.expected, r.bitset, r.deadline);
}

SyscallResult SysFutex(Task& task, UserAddr addr, int32_t operation, uint32_t value, UserAddr timeout, UserAddr addr2,
                       uint32_t value3) {
  const int32_t command = operation & ~(kPrivateFlag | kClockRealtimeFlag);
  const bool realtime = (operation & kClockRealtimeFlag) != 0;
  if (realtime && command != kWaitBitset && command != kLockPi2) return Errno::kENOSYS;
  const FutexScope scope = (operation & kPrivateFlag) != 0 ? FutexScope::kPrivate : FutexScope::kShared;
  FutexTable& futexes = task.kernel().futexes();
  MemoryManager& mm = task.mm();
  // The timeout's register holds a count for the calls that move waiters.
  const int value2 = static_cast<int>(timeout.value);
  const int count = static_cast<int>(value);
  switch (command) {
    case kWait:
    case kWaitBitset: {
      const Deadline deadline = TRY(ReadTimeout(task, timeout, command, realtime));
      const uint32_t bitset = command == kWait ? kAnyBit : value3;
      if (bitset == 0) return Errno::kEINVAL;
      return Wait(task, addr, scope, value, bitset, deadline);
    }
    case kWake:
      return futexes.Wake(mm, addr, scope, count, kAnyBit);
    case kWakeBitset:
      if (value3 == 0) return Errno::kEINVAL;
      return futexes.Wake(mm, addr, scope, count, value3);
    case kRequeue:
      return futexes.Requeue(mm, addr, addr2, scope, count, value2, nullptr);
    case kCmpRequeue:
      return futexes.Requeue(mm, addr, addr2, scope, count, value2, &value3);
    case kWakeOp:
      return futexes.WakeOp(mm, addr, addr2, scope, count, value2, value3);
    case kLockPi:
    case kLockPi2:
      // FUTEX_LOCK_PI's clock is CLOCK_REALTIME without the flag.
      return futexes.LockPi(task, addr, scope, TRY(ReadTimeout(task, timeout, command, realtime || command == kLockPi)),
                            0);
    case kTryLockPi:
      return futexes.LockPi(task, addr, scope, std::nullopt, 1);
    case kUnlockPi:
      return futexes.UnlockPi(task, addr, scope);
    default:
      return Errno::kENOSYS;
  }
}

}  // namespace sentry
