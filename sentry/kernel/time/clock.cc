#include "sentry/kernel/time/clock.h"

#include <time.h>

namespace sentry {
namespace {

int64_t Now(clockid_t clock) {
  timespec ts;
  clock_gettime(clock, &ts);
  return ts.tv_sec * kNsPerSec + ts.tv_nsec;
}

int64_t AddSaturating(int64_t a, int64_t b) {
  int64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) return b > 0 ? INT64_MAX : INT64_MIN;
  return sum;
}

}  // namespace

int64_t MonotonicNow() { return Now(CLOCK_MONOTONIC); }
int64_t BoottimeNow() { return Now(CLOCK_BOOTTIME); }
int64_t RealtimeNowNs() { return Now(CLOCK_REALTIME); }

base::Result<int64_t> TimespecToNs(const abi::Timespec& ts) {
  if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= kNsPerSec) return base::Errno::kEINVAL;
  if (ts.sec >= INT64_MAX / kNsPerSec) return INT64_MAX;
  return ts.sec * kNsPerSec + ts.nsec;
}

abi::Timespec NsToTimespec(int64_t ns) {
  int64_t sec = ns / kNsPerSec;
  int64_t nsec = ns % kNsPerSec;
  if (nsec < 0) {
    --sec;
    nsec += kNsPerSec;
  }
  return {.sec = sec, .nsec = nsec};
}

Deadline DeadlineAfter(int64_t ns) { return AddSaturating(MonotonicNow(), ns < 0 ? 0 : ns); }

Deadline DeadlineAtRealtime(int64_t realtime_ns) {
  const int64_t offset = MonotonicNow() - RealtimeNowNs();
  return AddSaturating(realtime_ns, offset);
}

}  // namespace sentry
