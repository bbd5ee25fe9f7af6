// When the sentry's thread and its stub thread wait awake for each other, each on a
// CPU of its own, and when they take turns on one.
//
// A wake across CPUs costs tens of microseconds where a switch on one CPU costs a few,
// and only waiting awake is faster. It is worth a CPU while requests follow each other
// closely, nobody blocks between them, and nobody else wants that CPU.
#ifndef PLATFORM_SYSTRAP_SPIN_POLICY_H_
#define PLATFORM_SYSTRAP_SPIN_POLICY_H_

#include <x86intrin.h>

#include <atomic>
#include <cstdint>

namespace platform::systrap {

// The processor's time stamp counter against the clock. Two readings a millisecond
// apart tell its rate; until then there is none. Thread-safe.
class TscClock {
 public:
  TscClock();
  static uint64_t Now() { return __rdtsc(); }
  // 0: not known yet.
  uint64_t TicksPerMicrosecond();

 private:
  const uint64_t start_ticks_;
  const int64_t start_ns_;
  std::atomic<uint64_t> ticks_per_us_ = 0;
};

// Of one context; pure bookkeeping. Times are ticks.
class SpinPolicy {
 public:
  // How long a wait may be awake, and how far apart requests may be for it.
  static constexpr uint64_t kMaxSpinUs = 50, kCloseUs = 25;
  // So many close requests in a row begin it: they repay the change of CPU.
  static constexpr int kBegin = 16;
  // The waiting thread was off its CPU for so long: somebody else wants it. Not again
  // for a while then, each time a longer one.
  static constexpr uint64_t kGapUs = 20, kFirstPauseUs = 500, kLastPauseUs = 4'000;

  void set_ticks_per_us(uint64_t ticks) { ticks_per_us_ = ticks; }
  uint64_t ticks_per_us() const { return ticks_per_us_; }
  uint64_t max_spin() const { return kMaxSpinUs * ticks_per_us_; }
  uint64_t gap() const { return kGapUs * ticks_per_us_; }

  // A request came `guest` ticks after the guest went on.
  void OnRequest(uint64_t guest) { close_ = guest < kCloseUs * ticks_per_us_ ? close_ + 1 : 0; }
  // The sentry's thread slept in its work, or waited awake in vain.
  void OnBlock() { close_ = 0; }
  void OnDisturbance(uint64_t now);
  bool Wants(uint64_t now) const { return close_ >= kBegin && now >= not_before_; }

 private:
  uint64_t ticks_per_us_ = 0;
  int close_ = 0;
  uint64_t not_before_ = 0;
  uint64_t pause_us_ = kFirstPauseUs;
};

}  // namespace platform::systrap

#endif  // PLATFORM_SYSTRAP_SPIN_POLICY_H_
