// What a cgroup uses: all fields that `runc events --stats` prints. Fields of
// a controller that is not there stay zero or empty.
#ifndef RUNSC_CPP_CGROUP_STATS_H_
#define RUNSC_CPP_CGROUP_STATS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cpp/cgroup/location.h"

namespace runsc::cgroup {

struct Pressure {
  double avg10 = 0, avg60 = 0, avg300 = 0;
  uint64_t total = 0;  // us
};
struct PressureStats {
  Pressure some, full;
};

struct CpuStats {
  uint64_t total = 0, kernel = 0, user = 0;  // ns
  std::vector<uint64_t> percpu, percpu_kernel, percpu_user;
  uint64_t periods = 0, throttled_periods = 0, throttled_time = 0;  // time in ns
  uint64_t burst_periods = 0, burst_time = 0;
  std::optional<PressureStats> pressure;
};

struct CpusetStats {
  std::vector<uint16_t> cpus, mems;
  uint64_t cpu_exclusive = 0, mem_hardwall = 0, mem_exclusive = 0, memory_migrate = 0, memory_spread_page = 0;
  uint64_t memory_spread_slab = 0, memory_pressure = 0, sched_load_balance = 0;
  int64_t sched_relax_domain_level = 0;
};

struct MemoryEntry {
  uint64_t limit = 0, usage = 0, max = 0, failcnt = 0;
};
struct MemoryStats {
  uint64_t cache = 0;
  MemoryEntry usage, swap, kernel, kernel_tcp;  // swap: with memory, as in v1
  bool use_hierarchy = false;
  std::map<std::string, uint64_t> raw;  // memory.stat
  std::optional<PressureStats> pressure;
};

struct PidsStats {
  uint64_t current = 0, limit = 0;  // limit 0: none
};

struct BlkioEntry {
  uint64_t major = 0, minor = 0;
  std::string op;
  uint64_t value = 0;
};
struct BlkioStats {
  std::vector<BlkioEntry> io_service_bytes, io_serviced, io_queued, io_service_time, io_wait_time, io_merged, io_time,
      sectors;  // each "recursive"
  std::optional<PressureStats> pressure;
};

struct HugetlbStats {
  uint64_t usage = 0, max = 0, failcnt = 0;
};

struct RdmaEntry {
  std::string device;
  uint32_t hca_handles = 0, hca_objects = 0;  // UINT32_MAX: no limit
};
struct RdmaStats {
  std::vector<RdmaEntry> limit, current;
};

struct Stats {
  CpuStats cpu;
  CpusetStats cpuset;
  MemoryStats memory;
  PidsStats pids;
  BlkioStats blkio;
  std::map<std::string, HugetlbStats> hugetlb;  // by page size: "2MB"
  RdmaStats rdma;
};

absl::StatusOr<Stats> StatsV1(const Paths& paths);
absl::StatusOr<Stats> StatsV2(const std::string& dir);

// "2MB", "1GB": as cgroup files spell the host's huge page sizes.
std::vector<std::string> HugepageSizes(const std::string& sysfs_dir = "/sys/kernel/mm/hugepages");

}  // namespace runsc::cgroup

#endif  // RUNSC_CPP_CGROUP_STATS_H_
