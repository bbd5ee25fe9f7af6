// cpu.max: a quota of CPU time a period. Analogous to Linux's struct cfs_bandwidth. Pure arithmetic.
#ifndef SENTRY_KERNEL_CGROUP_BANDWIDTH_H_
#define SENTRY_KERNEL_CGROUP_BANDWIDTH_H_

#include <cstdint>

namespace sentry {

class CpuBandwidth {
 public:
  static constexpr int64_t kNoQuota = INT64_MAX;

  int64_t quota_ns() const { return quota_; }
  int64_t period_ns() const { return period_; }
  bool limited() const { return quota_ != kNoQuota; }
  bool throttled() const { return throttled_; }

  // `used`: all CPU time that the group has had so far.
  void Set(int64_t quota_ns, int64_t period_ns, int64_t now, int64_t used);
  // Looks at the time. What was used beyond a quota is taken off the next ones.
  void Update(int64_t now, int64_t used);
  // When to look again, while `runnable` threads may use CPU time.
  int64_t NextLook(int64_t now, int64_t used, uint32_t runnable) const;

  struct Statistics {
    uint64_t periods = 0, throttled_periods = 0;
    int64_t throttled_ns = 0;
  };
  Statistics statistics(int64_t now) const;

 private:
  int64_t quota_ = kNoQuota;
  int64_t period_ = 100'000'000;
  int64_t start_ = 0;  // of the period
  int64_t base_ = 0;   // `used` from which this period's quota counts
  int64_t seen_ = 0;   // `used` at the last look of the period before
  bool throttled_ = false;
  bool counted_ = false;  // this period was counted as throttled
  int64_t since_ = 0;     // throttled since
  Statistics statistics_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_CGROUP_BANDWIDTH_H_
