// Fields (fields.h) of linux.resources.
#ifndef RUNSC_CPP_OCI_RESOURCE_FIELDS_H_
#define RUNSC_CPP_OCI_RESOURCE_FIELDS_H_

#include "runsc-cpp/oci/fields.h"
#include "runsc-cpp/oci/resources.h"

namespace runsc::oci {

template <class V>
void Fields(V& v, Is<LinuxDeviceCgroup> auto& s) {
  v.Always("allow", s.allow);
  v.Optional("type", s.type, OneOf(kDeviceRuleTypes));
  v.Optional("major", s.major, Within(-1, UINT32_MAX));
  v.Optional("minor", s.minor, Within(-1, UINT32_MAX));
  v.Optional("access", s.access);
}

template <class V>
void Fields(V& v, Is<LinuxMemory> auto& s) {
  v.Optional("limit", s.limit, Within(-1, INT64_MAX));
  v.Optional("reservation", s.reservation, Within(-1, INT64_MAX));
  v.Optional("swap", s.swap, Within(-1, INT64_MAX));
  v.Noted("kernel", s.kernel, "Linux has no such limit any more; runc ignores it, too");
  v.Noted("kernelTCP", s.kernel_tcp, "Linux has no such limit any more; runc ignores it, too");
  v.Optional("swappiness", s.swappiness);  // Docker writes -1 as 2^64 - 1
  v.Optional("disableOOMKiller", s.disable_oom_killer);
  v.Noted("useHierarchy", s.use_hierarchy, "cgroups are always hierarchical");
  v.Optional("checkBeforeUpdate", s.check_before_update);
}

template <class V>
void Fields(V& v, Is<LinuxCPU> auto& s) {
  v.Optional("shares", s.shares);
  v.Optional("quota", s.quota, Within(-1, INT64_MAX));
  v.Optional("burst", s.burst);
  v.Optional("period", s.period);
  v.Optional("realtimeRuntime", s.realtime_runtime);
  v.Optional("realtimePeriod", s.realtime_period);
  v.Optional("cpus", s.cpus);
  v.Optional("mems", s.mems);
  v.Optional("idle", s.idle, Within(0, 1));
}

template <class V>
void Fields(V& v, Is<LinuxPids> auto& s) {
  v.Optional("limit", s.limit);
}

template <class V>
void Fields(V& v, Is<LinuxWeightDevice> auto& s) {
  v.Required("major", s.major);
  v.Required("minor", s.minor);
  v.Optional("weight", s.weight);
  v.Optional("leafWeight", s.leaf_weight);
}

template <class V>
void Fields(V& v, Is<LinuxThrottleDevice> auto& s) {
  v.Required("major", s.major);
  v.Required("minor", s.minor);
  v.Required("rate", s.rate);
}

template <class V>
void Fields(V& v, Is<LinuxBlockIO> auto& s) {
  v.Optional("weight", s.weight);
  v.Optional("leafWeight", s.leaf_weight);
  v.Optional("weightDevice", s.weight_device);
  v.Optional("throttleReadBpsDevice", s.throttle_read_bps_device);
  v.Optional("throttleWriteBpsDevice", s.throttle_write_bps_device);
  v.Optional("throttleReadIOPSDevice", s.throttle_read_iops_device);
  v.Optional("throttleWriteIOPSDevice", s.throttle_write_iops_device);
}

template <class V>
void Fields(V& v, Is<LinuxHugepageLimit> auto& s) {
  v.Required("pageSize", s.page_size);
  v.Required("limit", s.limit);
}

template <class V>
void Fields(V& v, Is<LinuxInterfacePriority> auto& s) {
  v.Required("name", s.name);
  v.Required("priority", s.priority);
}

template <class V>
void Fields(V& v, Is<LinuxNetwork> auto& s) {
  v.Optional("classID", s.class_id);
  v.Optional("priorities", s.priorities);
}

template <class V>
void Fields(V& v, Is<LinuxRdma> auto& s) {
  v.Optional("hcaHandles", s.hca_handles);
  v.Optional("hcaObjects", s.hca_objects);
}

template <class V>
void Fields(V& v, Is<LinuxResources> auto& s) {
  v.Optional("unified", s.unified);
  v.Optional("devices", s.devices);
  v.Optional("memory", s.memory);
  v.Optional("cpu", s.cpu);
  v.Optional("pids", s.pids);
  v.Optional("blockIO", s.block_io);
  v.Optional("hugepageLimits", s.hugepage_limits);
  v.Optional("network", s.network);
  v.Optional("rdma", s.rdma);
}

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_RESOURCE_FIELDS_H_
