#include <cerrno>
#include <limits>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/cgroup/convert.h"
#include "runsc-cpp/cgroup/resources.h"
#include "runsc-cpp/cgroup/writer.h"

namespace runsc::cgroup {
namespace {

constexpr char kLimit[] = "memory.limit_in_bytes";
constexpr char kSwapLimit[] = "memory.memsw.limit_in_bytes";

void PutMemoryLimit(Writer& writer, int64_t limit) {
  if (limit == 0) return;
  const absl::Status s = writer.Try(kLimit, absl::StrCat(limit));
  if (s.ok()) return;
  const auto usage = ReadUint(writer.dir(), "memory.usage_in_bytes");
  const auto peak = ReadUint(writer.dir(), "memory.max_usage_in_bytes");
  if (ErrnoOf(s) != EBUSY || !usage.ok() || !peak.ok()) return writer.Fail(s);
  writer.Fail(AddContext(s, absl::StrCat("unable to set memory limit to ", limit, " (current usage: ", *usage,
                                         ", peak usage: ", *peak, ")")));
}

// The kernel keeps memory <= memory and swap after each write, so the order
// depends on which way the limits move.
void PutMemoryAndSwap(Writer& writer, int64_t limit, int64_t swap) {
  if (limit == -1 && swap == 0 && writer.Has(kSwapLimit)) swap = -1;
  bool swap_first = false;
  if (limit != 0 && swap != 0) {
    const auto now = ReadUint(writer.dir(), kLimit);
    if (!now.ok()) return writer.Fail(now.status());
    swap_first = swap == -1 || *now < static_cast<uint64_t>(swap);
  }
  if (swap_first) writer.Put(kSwapLimit, swap);
  PutMemoryLimit(writer, limit);
  if (swap != 0 && !swap_first) writer.Put(kSwapLimit, swap);
}

void PutMemory(Writer& writer, const oci::LinuxMemory& memory) {
  if (memory.use_hierarchy.value_or(false)) {
    // Kernels from 5.11 on know nothing else, and may refuse the write.
    const auto now = ReadUint(writer.dir(), "memory.use_hierarchy");
    if (!now.ok() || *now != 1) writer.Put("memory.use_hierarchy", "1");
  }
  PutMemoryAndSwap(writer, memory.limit.value_or(0), memory.swap.value_or(0));
  if (const int64_t soft = memory.reservation.value_or(0); soft != 0) writer.Put("memory.soft_limit_in_bytes", soft);
  if (memory.disable_oom_killer.value_or(false)) writer.Put("memory.oom_control", "1");
  if (!memory.swappiness || *memory.swappiness == std::numeric_limits<uint64_t>::max()) return;
  if (*memory.swappiness > 100) {
    return writer.Fail(absl::InvalidArgumentError(
        absl::StrCat("invalid value: ", *memory.swappiness, ". valid memory swappiness range is 0-100")));
  }
  writer.Put("memory.swappiness", *memory.swappiness);
}

// The kernel takes what is out of range for its nearest bound, silently.
void PutShares(Writer& writer, uint64_t shares) {
  writer.Put("cpu.shares", shares);
  if (!writer.ok()) return;
  const auto taken = ReadUint(writer.dir(), "cpu.shares");
  if (!taken.ok()) return writer.Fail(taken.status());
  if (*taken == shares) return;
  writer.Fail(absl::InvalidArgumentError(
      absl::StrCat("the ", shares > *taken ? "maximum" : "minimum", " allowed cpu-shares is ", *taken)));
}

// Writes `name` now, or after the quota if the kernel finds that quota and
// `value` don't fit yet. Returns whether it is still to be written.
bool PutUnlessQuotaFirst(Writer& writer, absl::string_view name, uint64_t value) {
  const absl::Status s = writer.Try(name, absl::StrCat(value));
  if (s.ok()) return false;
  if (ErrnoOf(s) == EINVAL) return true;
  writer.Fail(s);
  return false;
}

void PutRealtime(Writer& writer, const oci::LinuxCPU& cpu) {
  if (const uint64_t period = cpu.realtime_period.value_or(0); period != 0) writer.Put("cpu.rt_period_us", period);
  if (const int64_t runtime = cpu.realtime_runtime.value_or(0); runtime != 0) {
    writer.Put("cpu.rt_runtime_us", runtime);
  }
}

void PutCpu(Writer& writer, const oci::LinuxCPU& cpu) {
  if (cpu.idle) writer.Put("cpu.idle", *cpu.idle);
  const uint64_t shares = cpu.shares.value_or(0);
  // An idle group has no shares, and the kernel refuses them.
  if (shares != 0 && cpu.idle.value_or(0) != 1) PutShares(writer, shares);
  const uint64_t period = cpu.period.value_or(0);
  const int64_t quota = cpu.quota.value_or(0);
  bool period_left = false, burst_left = false;
  if (period != 0) period_left = PutUnlessQuotaFirst(writer, "cpu.cfs_period_us", period);
  if (cpu.burst) burst_left = PutUnlessQuotaFirst(writer, "cpu.cfs_burst_us", *cpu.burst);
  if (quota != 0) writer.Put("cpu.cfs_quota_us", quota);
  if (period_left) writer.Put("cpu.cfs_period_us", period);
  if (burst_left) writer.Put("cpu.cfs_burst_us", *cpu.burst);
  PutRealtime(writer, cpu);
}

void PutCpuset(Writer& writer, const oci::LinuxCPU& cpu) {
  if (!cpu.cpus.empty()) writer.Put("cpuset.cpus", cpu.cpus);
  if (!cpu.mems.empty()) writer.Put("cpuset.mems", cpu.mems);
}

void PutThrottle(Writer& writer, absl::string_view name, const std::vector<oci::LinuxThrottleDevice>& devices) {
  for (const auto& device : devices) {
    writer.Put(name, absl::StrCat(device.major, ":", device.minor, " ", device.rate));
  }
}

void PutBlockIo(Writer& writer, const oci::LinuxBlockIO& io) {
  // Under the BFQ scheduler; before Linux 5.0, CFQ had it without the name.
  const bool bfq = !writer.Has("blkio.weight") && writer.Has("blkio.bfq.weight");
  const absl::string_view weight = bfq ? "blkio.bfq.weight" : "blkio.weight";
  const absl::string_view weight_device = bfq ? "blkio.bfq.weight_device" : "blkio.weight_device";
  if (io.weight.value_or(0) != 0) writer.Put(weight, uint64_t{*io.weight});
  if (io.leaf_weight.value_or(0) != 0) writer.Put("blkio.leaf_weight", uint64_t{*io.leaf_weight});
  for (const oci::LinuxWeightDevice& device : io.weight_device) {
    const std::string number = absl::StrCat(device.major, ":", device.minor, " ");
    if (device.weight) writer.Put(weight_device, absl::StrCat(number, *device.weight));
    if (device.leaf_weight) writer.Put("blkio.leaf_weight_device", absl::StrCat(number, *device.leaf_weight));
  }
  PutThrottle(writer, "blkio.throttle.read_bps_device", io.throttle_read_bps_device);
  PutThrottle(writer, "blkio.throttle.write_bps_device", io.throttle_write_bps_device);
  PutThrottle(writer, "blkio.throttle.read_iops_device", io.throttle_read_iops_device);
  PutThrottle(writer, "blkio.throttle.write_iops_device", io.throttle_write_iops_device);
}

void PutHugepages(Writer& writer, const std::vector<oci::LinuxHugepageLimit>& limits) {
  for (const oci::LinuxHugepageLimit& limit : limits) {
    const std::string prefix = absl::StrCat("hugetlb.", limit.page_size, ".");
    writer.Put(prefix + "limit_in_bytes", limit.limit);
    if (writer.Has(prefix + "rsvd.limit_in_bytes")) writer.Put(prefix + "rsvd.limit_in_bytes", limit.limit);
  }
}

void PutRdma(Writer& writer, const std::map<std::string, oci::LinuxRdma>& devices) {
  for (const auto& [device, limit] : devices) {
    std::string line = device;
    if (limit.hca_handles) absl::StrAppend(&line, " hca_handle=", *limit.hca_handles);
    if (limit.hca_objects) absl::StrAppend(&line, " hca_object=", *limit.hca_objects);
    writer.Put("rdma.max", line);
  }
}

// Calls `put` with a writer for the controller's directory.
template <typename Put>
absl::Status With(const Paths& paths, absl::string_view controller, Put put) {
  const auto dir = paths.find(controller);
  if (dir == paths.end()) {
    return absl::FailedPreconditionError(absl::StrCat("cannot set ", controller, " limit: container could not join or ",
                                                      "create cgroup: the host has no cgroup v1 hierarchy for it"));
  }
  Writer writer(dir->second);
  put(writer);
  return writer.ok() ? absl::OkStatus()
                     : AddContext(writer.status(), absl::StrCat("cannot set ", controller, " limit"));
}

absl::Status ApplyNetwork(const Paths& paths, const oci::LinuxNetwork& network) {
  absl::Status s;
  if (const uint32_t id = network.class_id.value_or(0); id != 0) {
    s = With(paths, "net_cls", [&](Writer& w) { w.Put("net_cls.classid", uint64_t{id}); });
  }
  if (!s.ok() || network.priorities.empty()) return s;
  return With(paths, "net_prio", [&](Writer& w) {
    for (const auto& interface : network.priorities) {
      w.Put("net_prio.ifpriomap", absl::StrCat(interface.name, " ", interface.priority));
    }
  });
}

}  // namespace

absl::Status ApplyRealtimeV1(const std::string& dir, const oci::LinuxResources& r) {
  Writer writer(dir);
  if (r.cpu) PutRealtime(writer, *r.cpu);
  return writer.status();
}

absl::Status ApplyCpusetV1(const std::string& dir, const oci::LinuxResources& r) {
  Writer writer(dir);
  if (r.cpu) PutCpuset(writer, *r.cpu);
  return writer.status();
}

absl::Status ApplyV1(const Paths& paths, const oci::LinuxResources& r) {
  if (!r.unified.empty()) {
    return absl::InvalidArgumentError("invalid configuration: cannot use unified on cgroup v1");
  }
  absl::Status s;
  const auto apply = [&](bool asked, absl::string_view controller, auto put) {
    if (asked && s.ok()) s = With(paths, controller, put);
  };
  apply(r.cpu && !(r.cpu->cpus.empty() && r.cpu->mems.empty()), "cpuset", [&](Writer& w) { PutCpuset(w, *r.cpu); });
  apply(MemoryAsked(r), "memory", [&](Writer& w) { PutMemory(w, *r.memory); });
  apply(CpuAsked(r), "cpu", [&](Writer& w) { PutCpu(w, *r.cpu); });
  apply(r.pids && r.pids->limit.value_or(0) != 0, "pids",
        [&](Writer& w) { w.Put("pids.max", *r.pids->limit > 0 ? absl::StrCat(*r.pids->limit) : "max"); });
  apply(IoAsked(r), "blkio", [&](Writer& w) { PutBlockIo(w, *r.block_io); });
  apply(!r.hugepage_limits.empty(), "hugetlb", [&](Writer& w) { PutHugepages(w, r.hugepage_limits); });
  apply(!r.rdma.empty(), "rdma", [&](Writer& w) { PutRdma(w, r.rdma); });
  if (s.ok() && r.network) s = ApplyNetwork(paths, *r.network);
  return s;
}

}  // namespace runsc::cgroup
