// Clocks, in nanoseconds. The host's, so far unshifted.
#ifndef SENTRY_KERNEL_TIME_CLOCK_H_
#define SENTRY_KERNEL_TIME_CLOCK_H_

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "sentry/abi/fs.h"

namespace sentry {

inline constexpr int64_t kNsPerSec = 1'000'000'000;

int64_t MonotonicNow();
int64_t BoottimeNow();
int64_t RealtimeNowNs();

// When a wait ends, in CLOCK_MONOTONIC; nullopt: never.
using Deadline = std::optional<int64_t>;

// Checked conversions: EINVAL for nsec outside [0, 1e9) or negative sec. Large
// values saturate at INT64_MAX.
base::Result<int64_t> TimespecToNs(const abi::Timespec& ts);
abi::Timespec NsToTimespec(int64_t ns);
// An absolute time of `clock_realtime` or monotonic as a Deadline.
Deadline DeadlineAfter(int64_t ns);  // relative, saturating
Deadline DeadlineAtRealtime(int64_t realtime_ns);

}  // namespace sentry

#endif  // SENTRY_KERNEL_TIME_CLOCK_H_
