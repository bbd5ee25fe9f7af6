#include "runsc-cpp/oci/stats.h"

#include "runsc-cpp/oci/writer.h"

namespace runsc::oci {

// Not in an anonymous namespace: Fields are looked up by their arguments.

struct Usage {
  const CpuStats& cpu;
};
struct Throttling {
  const CpuStats& cpu;
};
struct Nothing {};

template <class V>
void Fields(V& v, const PressureLine& s) {
  v.Literal("avg10", s.avg10);
  v.Literal("avg60", s.avg60);
  v.Literal("avg300", s.avg300);
  v.Always("total", s.total);
}

template <class V>
void Fields(V& v, const Pressure& s) {
  v.Optional("some", s.some);
  v.Optional("full", s.full);
}

template <class V>
void Fields(V& v, const Usage& s) {
  v.Optional("total", s.cpu.total);
  v.Optional("percpu", s.cpu.per_cpu);
  v.Optional("percpu_kernel", s.cpu.per_cpu_kernel);
  v.Optional("percpu_user", s.cpu.per_cpu_user);
  v.Always("kernel", s.cpu.kernel);
  v.Always("user", s.cpu.user);
}

template <class V>
void Fields(V& v, const Throttling& s) {
  v.Optional("periods", s.cpu.periods);
  v.Optional("throttledPeriods", s.cpu.throttled_periods);
  v.Optional("throttledTime", s.cpu.throttled_time);
}

template <class V>
void Fields(V& v, const CpuStats& s) {
  v.Always("usage", Usage{s});
  v.Always("throttling", Throttling{s});
  v.Optional("psi", s.pressure);
}

template <class V>
void Fields(V& v, const CpusetStats& s) {
  v.Optional("cpus", s.cpus);
  v.Always("cpu_exclusive", s.cpu_exclusive);
  v.Optional("mems", s.mems);
  v.Always("mem_hardwall", s.mem_hardwall);
  v.Always("mem_exclusive", s.mem_exclusive);
  v.Always("memory_migrate", s.memory_migrate);
  v.Always("memory_spread_page", s.memory_spread_page);
  v.Always("memory_spread_slab", s.memory_spread_slab);
  v.Always("memory_pressure", s.memory_pressure);
  v.Always("sched_load_balance", s.sched_load_balance);
  v.Always("sched_relax_domain_level", s.sched_relax_domain_level);
}

template <class V>
void Fields(V& v, const MemoryUse& s) {
  v.Always("limit", s.limit);
  v.Optional("usage", s.usage);
  v.Optional("max", s.max);
  v.Always("failcnt", s.failcnt);
}

template <class V>
void Fields(V& v, const MemoryStats& s) {
  v.Optional("cache", s.cache);
  v.Always("usage", s.usage);
  v.Always("swap", s.swap);
  v.Always("kernel", s.kernel);
  v.Always("kernelTCP", s.kernel_tcp);
  v.Optional("raw", s.raw);
  v.Optional("psi", s.pressure);
}

template <class V>
void Fields(V& v, const PidsStats& s) {
  v.Optional("current", s.current);
  v.Optional("limit", s.limit);
}

template <class V>
void Fields(V& v, const BlkioEntry& s) {
  v.Optional("major", s.major);
  v.Optional("minor", s.minor);
  v.Optional("op", s.op);
  v.Optional("value", s.value);
}

template <class V>
void Fields(V& v, const BlkioStats& s) {
  v.Optional("ioServiceBytesRecursive", s.service_bytes);
  v.Optional("ioServicedRecursive", s.serviced);
  v.Optional("ioQueueRecursive", s.queued);
  v.Optional("ioServiceTimeRecursive", s.service_time);
  v.Optional("ioWaitTimeRecursive", s.wait_time);
  v.Optional("ioMergedRecursive", s.merged);
  v.Optional("ioTimeRecursive", s.time);
  v.Optional("sectorsRecursive", s.sectors);
  v.Optional("psi", s.pressure);
}

template <class V>
void Fields(V& v, const HugetlbStats& s) {
  v.Optional("usage", s.usage);
  v.Optional("max", s.max);
  v.Always("failcnt", s.failcnt);
}

template <class V>
void Fields(V& v, const NetworkStats& s) {
  v.Always("Name", s.name);
  v.Always("RxBytes", s.rx_bytes);
  v.Always("RxPackets", s.rx_packets);
  v.Always("RxErrors", s.rx_errors);
  v.Always("RxDropped", s.rx_dropped);
  v.Always("TxBytes", s.tx_bytes);
  v.Always("TxPackets", s.tx_packets);
  v.Always("TxErrors", s.tx_errors);
  v.Always("TxDropped", s.tx_dropped);
}

template <class V>
void Fields(V&, const Nothing&) {}

template <class V>
void Fields(V& v, const Stats& s) {
  v.Always("cpu", s.cpu);
  v.Always("cpuset", s.cpuset);
  v.Always("memory", s.memory);
  v.Always("pids", s.pids);
  v.Always("blkio", s.blkio);
  v.Always("hugetlb", s.hugetlb);
  v.Always("intel_rdt", Nothing());
  // Go's nil slice.
  if (s.network_interfaces.empty()) {
    v.Literal("network_interfaces", "null");
  } else {
    v.Always("network_interfaces", s.network_interfaces);
  }
}

struct StatsLine {
  const std::string& id;
  const Stats& stats;
};
template <class V>
void Fields(V& v, const StatsLine& s) {
  v.Literal("type", "\"stats\"");
  v.Always("id", s.id);
  v.Always("data", s.stats);
}

struct OomLine {
  const std::string& id;
};
template <class V>
void Fields(V& v, const OomLine& s) {
  v.Literal("type", "\"oom\"");
  v.Always("id", s.id);
}

std::string StatsEvent(const std::string& id, const Stats& stats) { return ToJson(StatsLine{id, stats}, "") + "\n"; }
std::string OomEvent(const std::string& id) { return ToJson(OomLine{id}, "") + "\n"; }

}  // namespace runsc::oci
