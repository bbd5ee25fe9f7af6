// linux.resources of config.json, which `update --resources` has as a file of
// its own. Absent means "leave as it is"; -1 means "no limit".
#ifndef RUNSC_CPP_OCI_RESOURCES_H_
#define RUNSC_CPP_OCI_RESOURCES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace runsc::oci {

struct LinuxDeviceCgroup {
  bool allow = false;
  std::string type;              // "a", "c", "b"; empty: all
  std::optional<int64_t> major;  // absent or -1: all
  std::optional<int64_t> minor;
  std::string access;  // of "rwm"
};

struct LinuxMemory {
  std::optional<int64_t> limit;  // bytes, as the next four
  std::optional<int64_t> reservation;
  std::optional<int64_t> swap;  // memory and swap together
  std::optional<int64_t> kernel;
  std::optional<int64_t> kernel_tcp;
  std::optional<uint64_t> swappiness;
  std::optional<bool> disable_oom_killer;
  std::optional<bool> use_hierarchy;
  std::optional<bool> check_before_update;
};

struct LinuxCPU {
  std::optional<uint64_t> shares;
  std::optional<int64_t> quota;  // us in a period
  std::optional<uint64_t> burst;
  std::optional<uint64_t> period;
  std::optional<int64_t> realtime_runtime;
  std::optional<uint64_t> realtime_period;
  std::string cpus;
  std::string mems;
  std::optional<int64_t> idle;
};

struct LinuxPids {
  std::optional<int64_t> limit;
};

struct LinuxWeightDevice {
  int64_t major = 0;
  int64_t minor = 0;
  std::optional<uint16_t> weight;
  std::optional<uint16_t> leaf_weight;
};

struct LinuxThrottleDevice {
  int64_t major = 0;
  int64_t minor = 0;
  uint64_t rate = 0;
};

struct LinuxBlockIO {
  std::optional<uint16_t> weight;
  std::optional<uint16_t> leaf_weight;
  std::vector<LinuxWeightDevice> weight_device;
  std::vector<LinuxThrottleDevice> throttle_read_bps_device;
  std::vector<LinuxThrottleDevice> throttle_write_bps_device;
  std::vector<LinuxThrottleDevice> throttle_read_iops_device;
  std::vector<LinuxThrottleDevice> throttle_write_iops_device;
};

struct LinuxHugepageLimit {
  std::string page_size;  // "2MB"
  uint64_t limit = 0;
};

struct LinuxInterfacePriority {
  std::string name;
  uint32_t priority = 0;
};

struct LinuxNetwork {
  std::optional<uint32_t> class_id;
  std::vector<LinuxInterfacePriority> priorities;
};

struct LinuxRdma {
  std::optional<uint32_t> hca_handles;
  std::optional<uint32_t> hca_objects;
};

struct LinuxResources {
  std::map<std::string, std::string> unified;  // cgroup v2 file -> content
  std::vector<LinuxDeviceCgroup> devices;      // applied in this order
  std::optional<LinuxMemory> memory;
  std::optional<LinuxCPU> cpu;
  std::optional<LinuxPids> pids;
  std::optional<LinuxBlockIO> block_io;
  std::vector<LinuxHugepageLimit> hugepage_limits;
  std::optional<LinuxNetwork> network;
  std::map<std::string, LinuxRdma> rdma;
};

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_RESOURCES_H_
