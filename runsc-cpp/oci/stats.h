// The lines of `events`, in runc's layout. The numbers come from the cgroups
// and the sandbox; times are in nanoseconds, sizes in bytes.
#ifndef RUNSC_CPP_OCI_STATS_H_
#define RUNSC_CPP_OCI_STATS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace runsc::oci {

struct PressureLine {
  std::string avg10 = "0.00", avg60 = "0.00", avg300 = "0.00";  // percents, as the kernel prints them
  uint64_t total = 0;
};

struct Pressure {
  PressureLine some, full;
};

struct CpuStats {
  uint64_t total = 0, kernel = 0, user = 0;
  std::vector<uint64_t> per_cpu, per_cpu_kernel, per_cpu_user;
  uint64_t periods = 0, throttled_periods = 0, throttled_time = 0;
  std::optional<Pressure> pressure;
};

struct CpusetStats {
  std::vector<uint16_t> cpus, mems;
  uint64_t cpu_exclusive = 0, mem_hardwall = 0, mem_exclusive = 0, memory_migrate = 0, memory_spread_page = 0;
  uint64_t memory_spread_slab = 0, memory_pressure = 0, sched_load_balance = 0;
  int64_t sched_relax_domain_level = 0;
};

struct MemoryUse {
  uint64_t limit = 0, usage = 0, max = 0, failcnt = 0;
};

struct MemoryStats {
  uint64_t cache = 0;
  MemoryUse usage, swap, kernel, kernel_tcp;
  std::map<std::string, uint64_t> raw;  // memory.stat
  std::optional<Pressure> pressure;
};

struct PidsStats {
  uint64_t current = 0, limit = 0;
};

struct BlkioEntry {
  uint64_t major = 0, minor = 0;
  std::string op;
  uint64_t value = 0;
};

struct BlkioStats {
  std::vector<BlkioEntry> service_bytes, serviced, queued, service_time, wait_time, merged, time, sectors;
  std::optional<Pressure> pressure;
};

struct HugetlbStats {
  uint64_t usage = 0, max = 0, failcnt = 0;
};

struct NetworkStats {
  std::string name;
  uint64_t rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_dropped = 0;
  uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0;
};

struct Stats {
  CpuStats cpu;
  CpusetStats cpuset;
  MemoryStats memory;
  PidsStats pids;
  BlkioStats blkio;
  std::map<std::string, HugetlbStats> hugetlb;
  std::vector<NetworkStats> network_interfaces;
};

// One line each, with its line feed.
std::string StatsEvent(const std::string& id, const Stats& stats);
std::string OomEvent(const std::string& id);

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_STATS_H_
