#include "sentry/kernel/cgroup/bandwidth.h"

#include <algorithm>

namespace sentry {
namespace {
// Shorter looks cost more than they make precise.
constexpr int64_t kShortestLook = 500'000;
}  // namespace

void CpuBandwidth::Set(int64_t quota_ns, int64_t period_ns, int64_t now, int64_t used) {
  if (throttled_) statistics_.throttled_ns += now - since_;
  throttled_ = counted_ = false;
  quota_ = quota_ns;
  period_ = period_ns;
  start_ = now;
  base_ = seen_ = used;
}

void CpuBandwidth::Update(int64_t now, int64_t used) {
  if (!limited()) return;
  if (const int64_t passed = (now - start_) / period_; passed > 0) {
    if (used != seen_ || throttled_) statistics_.periods += static_cast<uint64_t>(passed);
    start_ += passed * period_;
    // A debt is paid by the quotas of the periods that passed; nothing is saved up.
    const int64_t debt = used - base_;
    base_ = passed > debt / quota_ ? used : base_ + passed * quota_;
    seen_ = used;
    counted_ = false;
  }
  const bool over = used - base_ >= quota_;
  if (over && !counted_) {
    counted_ = true;
    ++statistics_.throttled_periods;
  }
  if (over == throttled_) return;
  throttled_ = over;
  if (over) {
    since_ = now;
  } else {
    statistics_.throttled_ns += now - since_;
  }
}

int64_t CpuBandwidth::NextLook(int64_t now, int64_t used, uint32_t runnable) const {
  const int64_t end = start_ + period_;
  if (throttled_) return std::max(end, now + kShortestLook);
  const int64_t left = std::max<int64_t>(quota_ - (used - base_), 0);
  const int64_t soonest = now + std::max(left / std::max<int64_t>(runnable, 1), kShortestLook);
  return std::max(std::min(end, soonest), now + kShortestLook);
}

CpuBandwidth::Statistics CpuBandwidth::statistics(int64_t now) const {
  Statistics s = statistics_;
  if (throttled_) s.throttled_ns += now - since_;
  if (counted_) ++s.periods;  // the one that is still going on
  return s;
}

}  // namespace sentry
