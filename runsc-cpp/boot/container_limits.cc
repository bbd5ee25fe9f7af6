// What a container may use, set at its creation and changed by `update`.
#include <algorithm>

#include "runsc-cpp/boot/container.h"

namespace runsc {
namespace {

using namespace sentry;  // NOLINT: all names of this file are the kernel's

uint64_t CountOf(int64_t limit) { return limit < 0 ? kCgroupNoLimit : static_cast<uint64_t>(limit); }

// The first `count` of `set`.
uint64_t First(uint64_t set, uint64_t count) {
  uint64_t first = 0;
  for (; set != 0 && count != 0; --count, set &= set - 1) first |= set & (~set + 1);
  return first;
}

}  // namespace

void Container::SetLimits(const control::Limits& limits) {
  CgroupLimits to;
  if (limits.has_memory_bytes()) to.memory_max = CountOf(limits.memory_bytes());
  if (limits.has_memory_high_bytes()) to.memory_high = CountOf(limits.memory_high_bytes());
  if (limits.has_pids()) to.pids_max = CountOf(limits.pids());
  if (limits.has_cpu_weight()) to.cpu_weight = limits.cpu_weight();
  if (limits.has_cpu_quota_us()) to.cpu_quota_us = limits.cpu_quota_us() < 0 ? INT64_MAX : limits.cpu_quota_us();
  if (limits.has_cpu_period_us()) to.cpu_period_us = static_cast<int64_t>(limits.cpu_period_us());
  {
    base::MutexLock lock(mu_);
    if (limits.has_cpus()) processors_.set = limits.cpus();
    if (limits.has_cpu_quota_us()) processors_.quota_us = limits.cpu_quota_us();
    if (limits.has_cpu_period_us()) processors_.period_us = std::max<uint64_t>(limits.cpu_period_us(), 1);
    // Programs size their thread pools by what they see: more than the quota lets run would only be throttled.
    uint64_t shown = processors_.set;
    if (processors_.quota_us > 0) {
      const auto quota = static_cast<uint64_t>(processors_.quota_us);
      const uint64_t all = parts_.kernel->cgroups().root()->effective_cpus();
      shown = First(shown != 0 ? shown & all : all, (quota - 1) / processors_.period_us + 1);
    }
    to.cpus = shown;
  }
  cgroup_->SetLimits(to);
  if (limits.has_oom_show_bytes()) parts_.oom->SetBytes(*cgroup_, limits.oom_show_bytes());
}

}  // namespace runsc
