#include <algorithm>
#include <cerrno>
#include <limits>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runsc-cpp/cgroup/convert.h"
#include "runsc-cpp/cgroup/resources.h"
#include "runsc-cpp/cgroup/writer.h"

namespace runsc::cgroup {
namespace {

bool HasController(const std::string& dir, absl::string_view controller) {
  const auto text = ReadFile(dir, "cgroup.controllers");
  if (!text.ok()) return false;
  const std::vector<absl::string_view> have = absl::StrSplit(absl::StripAsciiWhitespace(*text), ' ');
  return absl::c_linear_search(have, controller);
}

// A file that is not there has a better reason than ENOENT.
absl::Status Explain(const std::string& dir, absl::string_view controller, const absl::Status& status) {
  const int error = ErrnoOf(status);
  const bool gone = error == ENOENT || error == EACCES || error == EPERM;
  const std::string what = absl::StrCat("cannot set ", controller, " limit");
  if (!gone || HasController(dir, controller)) return AddContext(status, what);
  return AddContext(status, absl::StrCat(what, ": controller \"", controller, "\" is not available in ", dir));
}

absl::Status NotInV2(absl::string_view what) {
  return absl::FailedPreconditionError(absl::StrCat("cannot set ", what, ": cgroup v2 has no such limit"));
}

void PutMemory(Writer& writer, const oci::LinuxMemory& memory) {
  const int64_t limit = memory.limit.value_or(0);
  const auto swap = SwapOfBoth(memory.swap.value_or(0), limit);
  if (!swap.ok()) return writer.Fail(swap.status());
  if (memory.disable_oom_killer.value_or(false)) return writer.Fail(NotInV2("memory.disableOOMKiller"));
  if (memory.swappiness && *memory.swappiness != std::numeric_limits<uint64_t>::max()) {
    return writer.Fail(NotInV2("memory.swappiness"));
  }
  if (swap->set) writer.Put("memory.swap.max", LimitWord(swap->bytes));
  if (limit != 0) writer.Put("memory.max", LimitWord(limit));
  if (const int64_t low = memory.reservation.value_or(0); low != 0) writer.Put("memory.low", LimitWord(low));
}

void PutWeight(Writer& writer, absl::string_view device, uint16_t weight) {
  const absl::Status s = writer.Try("io.bfq.weight", absl::StrCat(device, weight));
  if (s.ok()) return;
  if (!IsMissing(s)) return writer.Fail(s);
  // BFQ is not loaded: the cost model's weight has another scale.
  writer.Put("io.weight", absl::StrCat(device, BlkioToIoWeight(weight)));
}

void PutThrottle(Writer& writer, absl::string_view key, const std::vector<oci::LinuxThrottleDevice>& devices) {
  for (const auto& device : devices) {
    // 0 takes the limit off in v1.
    const std::string rate = device.rate == 0 ? "max" : absl::StrCat(device.rate);
    writer.Put("io.max", absl::StrCat(device.major, ":", device.minor, " ", key, "=", rate));
  }
}

void PutIo(Writer& writer, const oci::LinuxBlockIO& io) {
  const auto leaf = [](const oci::LinuxWeightDevice& d) { return d.leaf_weight.value_or(0) != 0; };
  if (io.leaf_weight.value_or(0) != 0 || absl::c_any_of(io.weight_device, leaf)) {
    return writer.Fail(NotInV2("blockIO.leafWeight"));
  }
  if (io.weight.value_or(0) != 0) PutWeight(writer, "", *io.weight);
  for (const oci::LinuxWeightDevice& device : io.weight_device) {
    if (device.weight) PutWeight(writer, absl::StrCat(device.major, ":", device.minor, " "), *device.weight);
  }
  PutThrottle(writer, "rbps", io.throttle_read_bps_device);
  PutThrottle(writer, "wbps", io.throttle_write_bps_device);
  PutThrottle(writer, "riops", io.throttle_read_iops_device);
  PutThrottle(writer, "wiops", io.throttle_write_iops_device);
}

// cpu.max holds both; the one that is not given stays.
void PutBandwidth(Writer& writer, int64_t quota, uint64_t period) {
  std::vector<std::string> now = {"max", "100000"};
  if (const auto text = ReadFile(writer.dir(), "cpu.max"); text.ok()) {
    std::vector<std::string> words = absl::StrSplit(absl::StripAsciiWhitespace(*text), ' ');
    if (words.size() == 2) now = std::move(words);
  }
  if (quota != 0) now[0] = quota > 0 ? absl::StrCat(quota) : "max";
  if (period != 0) now[1] = absl::StrCat(period);
  writer.Put("cpu.max", absl::StrCat(now[0], " ", now[1]));
}

void PutCpu(Writer& writer, const oci::LinuxCPU& cpu) {
  if (cpu.realtime_runtime.value_or(0) != 0) return writer.Fail(NotInV2("cpu.realtimeRuntime"));
  if (cpu.realtime_period.value_or(0) != 0) return writer.Fail(NotInV2("cpu.realtimePeriod"));
  if (cpu.idle) writer.Put("cpu.idle", *cpu.idle);
  const uint64_t weight = SharesToWeight(cpu.shares.value_or(0));
  // An idle group has no weight, and the kernel refuses one.
  if (weight != 0 && cpu.idle.value_or(0) != 1) writer.Put("cpu.weight", weight);
  const int64_t quota = cpu.quota.value_or(0);
  const uint64_t period = cpu.period.value_or(0);
  bool burst_left = cpu.burst.has_value();
  if (burst_left) {
    // More than the quota of now is EINVAL: then after the new one.
    const absl::Status s = writer.Try("cpu.max.burst", absl::StrCat(*cpu.burst));
    burst_left = ErrnoOf(s) == EINVAL && quota > 0;
    if (!s.ok() && !burst_left) writer.Fail(s);
  }
  if (quota != 0 || period != 0) PutBandwidth(writer, quota, period);
  if (burst_left) writer.Put("cpu.max.burst", *cpu.burst);
}

void PutCpuset(Writer& writer, const oci::LinuxCPU& cpu) {
  if (!cpu.cpus.empty()) writer.Put("cpuset.cpus", cpu.cpus);
  if (!cpu.mems.empty()) writer.Put("cpuset.mems", cpu.mems);
}

void PutHugepages(Writer& writer, const std::vector<oci::LinuxHugepageLimit>& limits) {
  for (const oci::LinuxHugepageLimit& limit : limits) {
    const std::string prefix = absl::StrCat("hugetlb.", limit.page_size, ".");
    writer.Put(prefix + "max", limit.limit);
    if (writer.Has(prefix + "rsvd.max")) writer.Put(prefix + "rsvd.max", limit.limit);
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

absl::Status ApplyUnified(const std::string& dir, const std::map<std::string, std::string>& unified) {
  for (const auto& [name, value] : unified) {
    if (name.find('/') != name.npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("unified resource \"", name, "\" must be a file name (no slashes)"));
    }
    const size_t dot = name.find('.');
    if (dot == name.npos || dot == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("unified resource \"", name, "\" must be in the form CONTROLLER.PARAMETER"));
    }
    // Such as io.max: the kernel takes one line a write.
    for (const absl::string_view line : absl::StrSplit(absl::StripTrailingAsciiWhitespace(value), '\n')) {
      const absl::Status s = WriteFile(dir, name, line);
      if (s.ok()) continue;
      const std::string controller = name.substr(0, dot);
      const int error = ErrnoOf(s);
      if ((error == ENOENT || error == EACCES || error == EPERM) && controller != "cgroup" &&
          !HasController(dir, controller)) {
        return AddContext(s, absl::StrCat("unified resource \"", name, "\" can't be set: controller \"", controller,
                                          "\" not available"));
      }
      return AddContext(s, absl::StrCat("unable to set unified resource \"", name, "\""));
    }
  }
  return absl::OkStatus();
}

bool Asked(const std::optional<oci::LinuxNetwork>& network) {
  return network && (network->class_id.value_or(0) != 0 || !network->priorities.empty());
}

}  // namespace

absl::Status CheckMemoryUsageV2(const std::string& dir, const oci::LinuxResources& r) {
  if (!r.memory || !r.memory->check_before_update.value_or(false)) return absl::OkStatus();
  const auto usage = ReadUint(dir, "memory.current");
  // Not made yet, for instance: a check that can't be made is not an error.
  if (!usage.ok()) return absl::OkStatus();
  const auto below = [&](int64_t limit) { return limit > 0 && static_cast<uint64_t>(limit) <= *usage; };
  const int64_t swap = r.memory->swap.value_or(0), limit = r.memory->limit.value_or(0);
  if (below(swap)) {
    return absl::FailedPreconditionError(absl::StrCat("rejecting memory+swap limit ", swap, " <= usage ", *usage));
  }
  if (below(limit)) {
    return absl::FailedPreconditionError(absl::StrCat("rejecting memory limit ", limit, " <= usage ", *usage));
  }
  return absl::OkStatus();
}

absl::Status ApplyV2(const std::string& dir, const oci::LinuxResources& r) {
  if (Asked(r.network)) return NotInV2("network.classID and network.priorities");
  absl::Status s = CheckMemoryUsageV2(dir, r);
  const auto apply = [&](bool asked, absl::string_view controller, auto put) {
    if (!asked || !s.ok()) return;
    Writer writer(dir);
    put(writer);
    if (!writer.ok()) s = Explain(dir, controller, writer.status());
  };
  apply(r.pids && r.pids->limit.value_or(0) != 0, "pids",
        [&](Writer& w) { w.Put("pids.max", *r.pids->limit > 0 ? absl::StrCat(*r.pids->limit) : "max"); });
  apply(MemoryAsked(r), "memory", [&](Writer& w) { PutMemory(w, *r.memory); });
  apply(IoAsked(r), "io", [&](Writer& w) { PutIo(w, *r.block_io); });
  apply(CpuAsked(r), "cpu", [&](Writer& w) { PutCpu(w, *r.cpu); });
  apply(r.cpu.has_value(), "cpuset", [&](Writer& w) { PutCpuset(w, *r.cpu); });
  apply(!r.hugepage_limits.empty(), "hugetlb", [&](Writer& w) { PutHugepages(w, r.hugepage_limits); });
  apply(!r.rdma.empty(), "rdma", [&](Writer& w) { PutRdma(w, r.rdma); });
  return s.ok() ? ApplyUnified(dir, r.unified) : s;
}

}  // namespace runsc::cgroup
