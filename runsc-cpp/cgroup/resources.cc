#include "runsc-cpp/cgroup/resources.h"

#include <limits>

namespace runsc::cgroup {
namespace {

template <typename T>
bool Set(const std::optional<T>& value) {
  return value.value_or(0) != 0;
}

}  // namespace

bool MemoryAsked(const oci::LinuxResources& r) {
  if (!r.memory) return false;
  const oci::LinuxMemory& m = *r.memory;
  return Set(m.limit) || Set(m.swap) || Set(m.reservation) || Set(m.disable_oom_killer) || Set(m.use_hierarchy) ||
         (m.swappiness && *m.swappiness != std::numeric_limits<uint64_t>::max());
}

bool IoAsked(const oci::LinuxResources& r) {
  if (!r.block_io) return false;
  const oci::LinuxBlockIO& io = *r.block_io;
  return Set(io.weight) || Set(io.leaf_weight) || !io.weight_device.empty() || !io.throttle_read_bps_device.empty() ||
         !io.throttle_write_bps_device.empty() || !io.throttle_read_iops_device.empty() ||
         !io.throttle_write_iops_device.empty();
}

bool CpuAsked(const oci::LinuxResources& r) {
  return r.cpu && (Set(r.cpu->shares) || Set(r.cpu->quota) || Set(r.cpu->period) || r.cpu->idle || r.cpu->burst ||
                   Set(r.cpu->realtime_runtime) || Set(r.cpu->realtime_period));
}

bool NeedsDomainController(const oci::LinuxResources& r) {
  return MemoryAsked(r) || IoAsked(r) || CpuAsked(r) || !r.hugepage_limits.empty();
}

bool AnyLimit(const oci::LinuxResources& r) {
  return NeedsDomainController(r) || (r.pids && Set(r.pids->limit)) || !r.unified.empty() || !r.rdma.empty() ||
         (r.cpu && !(r.cpu->cpus.empty() && r.cpu->mems.empty())) ||
         (r.network && (Set(r.network->class_id) || !r.network->priorities.empty()));
}

}  // namespace runsc::cgroup
