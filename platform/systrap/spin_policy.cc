#include "platform/systrap/spin_policy.h"

#include <time.h>

#include <algorithm>

namespace platform::systrap {
namespace {

constexpr int64_t kCalibrationNs = 1'000'000;

int64_t MonotonicNs() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

TscClock::TscClock() : start_ticks_(Now()), start_ns_(MonotonicNs()) {}

uint64_t TscClock::TicksPerMicrosecond() {
  if (const uint64_t known = ticks_per_us_.load(std::memory_order_relaxed); known != 0) return known;
  const int64_t ns = MonotonicNs() - start_ns_;
  if (ns < kCalibrationNs) return 0;
  const uint64_t rate = std::max<uint64_t>((Now() - start_ticks_) * 1000 / static_cast<uint64_t>(ns), 1);
  ticks_per_us_.store(rate, std::memory_order_relaxed);
  return rate;
}

void SpinPolicy::OnDisturbance(uint64_t now) {
  close_ = 0;
  // One that comes long after the last begins anew.
  if (now > not_before_ + 4 * pause_us_ * ticks_per_us_) pause_us_ = kFirstPauseUs;
  not_before_ = now + pause_us_ * ticks_per_us_;
  pause_us_ = std::min(2 * pause_us_, kLastPauseUs);
}

}  // namespace platform::systrap
