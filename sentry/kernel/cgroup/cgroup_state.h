// The part of a control group that the tree's lock guards. Shared by this room's files only.
#ifndef SENTRY_KERNEL_CGROUP_CGROUP_STATE_H_
#define SENTRY_KERNEL_CGROUP_CGROUP_STATE_H_

#include <map>
#include <set>
#include <string>

#include "sentry/kernel/cgroup/cgroup.h"

namespace sentry {

struct Cgroup::State {
  bool removed = false;
  std::map<std::string, RefPtr<Cgroup>, std::less<>> children;
  std::set<CgroupMember*> members;
  uint32_t subtree_control = 0;
  uint64_t max_depth = kCgroupNoLimit, max_descendants = kCgroupNoLimit;
  uint64_t descendants = 0;

  bool freeze = false;            // asked for here
  bool freeze_effective = false;  // here or above
  bool told_populated = false, told_frozen = false;

  CpuBandwidth bandwidth;
  bool throttled_above = false;  // here or above
  uint64_t cpu_weight = 100;
  uint64_t cpus = 0, effective_cpus = 0;
  // CPU time of those who left, and of removed children.
  CgroupMember::Times gone;

  std::map<std::string, CgroupFileOwner, std::less<>> owners;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_CGROUP_CGROUP_STATE_H_
