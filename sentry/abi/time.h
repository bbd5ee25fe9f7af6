// Times of x86-64 Linux (man 2 clock_gettime, getitimer, timer_settime, times).
#ifndef SENTRY_ABI_TIME_H_
#define SENTRY_ABI_TIME_H_

#include <cstdint>

#include "sentry/abi/fs.h"

namespace sentry::abi {

struct Timeval {
  int64_t sec = 0;
  int64_t usec = 0;
};
static_assert(sizeof(Timeval) == 16);
struct Timezone {
  int32_t minutes_west = 0;
  int32_t dst_time = 0;
};
struct Itimerval {
  Timeval interval;
  Timeval value;
};
struct Itimerspec {
  Timespec interval;
  Timespec value;
};
struct Tms {
  int64_t utime, stime, cutime, cstime;  // clock ticks of 10 ms
};

inline constexpr int32_t kClockRealtime = 0, kClockMonotonic = 1, kClockProcessCputime = 2, kClockThreadCputime = 3;
inline constexpr int32_t kClockMonotonicRaw = 4, kClockRealtimeCoarse = 5, kClockMonotonicCoarse = 6;
inline constexpr int32_t kClockBoottime = 7, kClockRealtimeAlarm = 8, kClockBoottimeAlarm = 9, kClockTai = 11;
inline constexpr uint32_t kTimerAbstime = 1;
inline constexpr int64_t kUserHz = 100;  // of times(2), SIGCHLD's utime, /proc
// Clocks of another process or thread: (~pid << 3) | kind (man 3 clock_getcpuclockid).
inline constexpr int32_t kCpuClockProf = 0, kCpuClockVirt = 1, kCpuClockSched = 2, kCpuClockMask = 3;
inline constexpr int32_t kCpuClockPerThread = 4;

inline constexpr int32_t kItimerReal = 0, kItimerVirtual = 1, kItimerProf = 2;

// struct sigevent, the part the kernel reads.
struct SigEvent {
  uint64_t value = 0;
  int32_t signo = 0;
  int32_t notify = 0;
  int32_t tid = 0;
  int32_t pad[11] = {};
};
static_assert(sizeof(SigEvent) == 64);
inline constexpr int32_t kSigEvSignal = 0, kSigEvNone = 1, kSigEvThread = 2, kSigEvThreadId = 4;

}  // namespace sentry::abi

#endif  // SENTRY_ABI_TIME_H_
