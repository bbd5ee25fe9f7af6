#include <algorithm>
#include <cerrno>
#include <functional>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runsc-cpp/cgroup/stats_read.h"

namespace runsc::cgroup {
namespace {

constexpr uint64_t kNsPerTick = 10'000'000;  // USER_HZ is 100 on every Linux of x86-64

absl::Status ReadThrottling(const std::string& dir, oci::CpuStats& out) {
  const absl::Status s = ForEachKey(dir, "cpu.stat", [&](absl::string_view key, uint64_t value) {
    if (key == "nr_periods") out.periods = value;
    if (key == "nr_throttled") out.throttled_periods = value;
    if (key == "throttled_time") out.throttled_time = value;
  });
  return IsMissing(s) ? absl::OkStatus() : s;
}

absl::Status ReadPercpu(const std::string& dir, oci::CpuStats& out) {
  const auto text = ReadFile(dir, "cpuacct.usage_percpu");
  if (!text.ok()) return text.status();
  for (const absl::string_view word : absl::StrSplit(*text, absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
    const auto value = ParseUint(word);
    if (!value.ok()) return Malformed(dir, "cpuacct.usage_percpu", *text);
    out.per_cpu.push_back(*value);
  }
  const auto all = ReadFile(dir, "cpuacct.usage_all");
  if (!all.ok()) return IsMissing(all.status()) ? absl::OkStatus() : all.status();
  const std::vector<absl::string_view> lines = absl::StrSplit(*all, '\n', absl::SkipEmpty());
  for (size_t i = 1; i < lines.size(); ++i) {  // the first is a heading: cpu user system
    const std::vector<absl::string_view> words = absl::StrSplit(lines[i], ' ');
    uint64_t user, kernel;
    if (words.size() != 3 || !absl::SimpleAtoi(words[1], &user) || !absl::SimpleAtoi(words[2], &kernel)) {
      return Malformed(dir, "cpuacct.usage_all", lines[i]);
    }
    out.per_cpu_user.push_back(user);
    out.per_cpu_kernel.push_back(kernel);
  }
  return absl::OkStatus();
}

absl::Status ReadCpuacct(const std::string& dir, oci::CpuStats& out) {
  const absl::Status s = ForEachKey(dir, "cpuacct.stat", [&](absl::string_view key, uint64_t ticks) {
    if (key == "user") out.user = ticks * kNsPerTick;
    if (key == "system") out.kernel = ticks * kNsPerTick;
  });
  if (!s.ok()) return IsMissing(s) ? absl::OkStatus() : s;
  const auto total = ReadUint(dir, "cpuacct.usage");
  if (!total.ok()) return total.status();
  out.total = *total;
  return ReadPercpu(dir, out);
}

absl::Status ReadList(const std::string& dir, absl::string_view name, std::vector<uint16_t>& out) {
  const auto text = ReadFile(dir, name);
  if (!text.ok()) return IsMissing(text.status()) ? absl::OkStatus() : text.status();
  for (const absl::string_view range : absl::StrSplit(*text, absl::ByAnyChar(",\n"), absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> ends = absl::StrSplit(range, absl::MaxSplits('-', 1));
    uint32_t from, to;
    const bool one = range.find('-') == range.npos;
    if (!absl::SimpleAtoi(ends.first, &from) || !absl::SimpleAtoi(one ? ends.first : ends.second, &to) || from > to ||
        to > std::numeric_limits<uint16_t>::max()) {
      return Malformed(dir, name, *text);
    }
    for (uint32_t i = from; i <= to; ++i) out.push_back(static_cast<uint16_t>(i));
  }
  return absl::OkStatus();
}

absl::Status ReadCpuset(const std::string& dir, oci::CpusetStats& out) {
  if (absl::Status s = ReadList(dir, "cpuset.cpus", out.cpus); !s.ok()) return s;
  if (absl::Status s = ReadList(dir, "cpuset.mems", out.mems); !s.ok()) return s;
  const std::pair<const char*, uint64_t*> flags[] = {
      {"cpuset.cpu_exclusive", &out.cpu_exclusive},           {"cpuset.mem_hardwall", &out.mem_hardwall},
      {"cpuset.mem_exclusive", &out.mem_exclusive},           {"cpuset.memory_migrate", &out.memory_migrate},
      {"cpuset.memory_spread_page", &out.memory_spread_page}, {"cpuset.memory_spread_slab", &out.memory_spread_slab},
      {"cpuset.memory_pressure", &out.memory_pressure},       {"cpuset.sched_load_balance", &out.sched_load_balance}};
  for (const auto& [name, value] : flags) {
    if (absl::Status s = ReadOptional(dir, name, *value); !s.ok()) return s;
  }
  const auto level = ReadFile(dir, "cpuset.sched_relax_domain_level");
  if (!level.ok()) return IsMissing(level.status()) ? absl::OkStatus() : level.status();
  return absl::SimpleAtoi(*level, &out.sched_relax_domain_level)
             ? absl::OkStatus()
             : Malformed(dir, "cpuset.sched_relax_domain_level", *level);
}

absl::Status ReadEntry(const std::string& dir, absl::string_view prefix, oci::MemoryUse& out) {
  const auto usage = ReadUint(dir, absl::StrCat(prefix, ".usage_in_bytes"));
  // Swap and kernel memory may not be accounted.
  if (!usage.ok()) return IsMissing(usage.status()) ? absl::OkStatus() : usage.status();
  out.usage = *usage;
  if (absl::Status s = ReadOptional(dir, absl::StrCat(prefix, ".max_usage_in_bytes"), out.max); !s.ok()) return s;
  if (absl::Status s = ReadOptional(dir, absl::StrCat(prefix, ".failcnt"), out.failcnt); !s.ok()) return s;
  return ReadOptional(dir, absl::StrCat(prefix, ".limit_in_bytes"), out.limit);
}

absl::Status ReadMemory(const std::string& dir, oci::MemoryStats& out) {
  const absl::Status s = ForEachKey(dir, "memory.stat", [&](absl::string_view key, uint64_t value) {
    out.raw.insert_or_assign(std::string(key), value);
  });
  if (!s.ok()) return IsMissing(s) ? absl::OkStatus() : s;
  if (const auto cache = out.raw.find("cache"); cache != out.raw.end()) out.cache = cache->second;
  const std::pair<const char*, oci::MemoryUse*> entries[] = {{"memory", &out.usage},
                                                             {"memory.memsw", &out.swap},
                                                             {"memory.kmem", &out.kernel},
                                                             {"memory.kmem.tcp", &out.kernel_tcp}};
  for (const auto& [prefix, entry] : entries) {
    if (absl::Status e = ReadEntry(dir, prefix, *entry); !e.ok()) return e;
  }
  return absl::OkStatus();
}

// Lines "MAJOR:MINOR [OP] VALUE", and a total.
absl::Status ReadBlkioFile(const std::string& dir, absl::string_view name, std::vector<oci::BlkioEntry>& out) {
  const auto text = ReadFile(dir, name);
  if (!text.ok()) return text.status();
  out.clear();
  for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, absl::ByAnyChar(" :"), absl::SkipEmpty());
    if (words.size() == 2 && words[0] == "Total") continue;
    oci::BlkioEntry entry;
    if (words.size() < 3 || words.size() > 4 || !absl::SimpleAtoi(words[0], &entry.major) ||
        !absl::SimpleAtoi(words[1], &entry.minor) || !absl::SimpleAtoi(words.back(), &entry.value)) {
      return Malformed(dir, name, line);
    }
    if (words.size() == 4) entry.op = std::string(words[2]);
    out.push_back(std::move(entry));
  }
  return absl::OkStatus();
}

struct BlkioFile {
  const char* name;
  std::vector<oci::BlkioEntry> oci::BlkioStats::*table;
};

// The scheduler decides which files there are, and which of those count
// anything. The first group that is complete and not empty is taken.
constexpr BlkioFile kBfqDebug[] = {{"blkio.bfq.sectors_recursive", &oci::BlkioStats::sectors},
                                   {"blkio.bfq.io_service_time_recursive", &oci::BlkioStats::service_time},
                                   {"blkio.bfq.io_wait_time_recursive", &oci::BlkioStats::wait_time},
                                   {"blkio.bfq.io_merged_recursive", &oci::BlkioStats::merged},
                                   {"blkio.bfq.io_queued_recursive", &oci::BlkioStats::queued},
                                   {"blkio.bfq.time_recursive", &oci::BlkioStats::time},
                                   {"blkio.bfq.io_serviced_recursive", &oci::BlkioStats::serviced},
                                   {"blkio.bfq.io_service_bytes_recursive", &oci::BlkioStats::service_bytes}};
constexpr BlkioFile kBfq[] = {{"blkio.bfq.io_serviced_recursive", &oci::BlkioStats::serviced},
                              {"blkio.bfq.io_service_bytes_recursive", &oci::BlkioStats::service_bytes}};
constexpr BlkioFile kCfq[] = {{"blkio.sectors_recursive", &oci::BlkioStats::sectors},
                              {"blkio.io_service_time_recursive", &oci::BlkioStats::service_time},
                              {"blkio.io_wait_time_recursive", &oci::BlkioStats::wait_time},
                              {"blkio.io_merged_recursive", &oci::BlkioStats::merged},
                              {"blkio.io_queued_recursive", &oci::BlkioStats::queued},
                              {"blkio.time_recursive", &oci::BlkioStats::time},
                              {"blkio.io_serviced_recursive", &oci::BlkioStats::serviced},
                              {"blkio.io_service_bytes_recursive", &oci::BlkioStats::service_bytes}};
constexpr BlkioFile kThrottleRecursive[] = {
    {"blkio.throttle.io_serviced_recursive", &oci::BlkioStats::serviced},
    {"blkio.throttle.io_service_bytes_recursive", &oci::BlkioStats::service_bytes}};
constexpr BlkioFile kThrottle[] = {{"blkio.throttle.io_serviced", &oci::BlkioStats::serviced},
                                   {"blkio.throttle.io_service_bytes", &oci::BlkioStats::service_bytes}};

template <size_t kFiles>
absl::StatusOr<bool> ReadBlkioGroup(const std::string& dir, const BlkioFile (&group)[kFiles], oci::BlkioStats& out) {
  for (const BlkioFile& file : group) {
    const absl::Status s = ReadBlkioFile(dir, file.name, out.*file.table);
    if (IsMissing(s) || (s.ok() && (out.*file.table).empty())) return false;
    if (!s.ok()) return s;
  }
  return true;
}

absl::Status ReadBlkio(const std::string& dir, oci::BlkioStats& out) {
  absl::StatusOr<bool> taken = ReadBlkioGroup(dir, kBfqDebug, out);
  if (taken.ok() && !*taken) taken = ReadBlkioGroup(dir, kBfq, out);
  if (taken.ok() && !*taken) taken = ReadBlkioGroup(dir, kCfq, out);
  if (taken.ok() && !*taken) taken = ReadBlkioGroup(dir, kThrottleRecursive, out);
  if (taken.ok() && !*taken) taken = ReadBlkioGroup(dir, kThrottle, out);
  return taken.status();
}

absl::Status ReadHugetlb(const std::string& dir, std::map<std::string, oci::HugetlbStats>& out) {
  for (const std::string& size : HugepageSizes()) {
    // Reservations are what a limit is checked against, where the kernel tells them.
    for (const char* rsvd : {".rsvd", ""}) {
      const std::string prefix = absl::StrCat("hugetlb.", size, rsvd);
      const auto usage = ReadUint(dir, prefix + ".usage_in_bytes");
      if (!usage.ok()) {
        if (IsMissing(usage.status())) continue;
        return usage.status();
      }
      oci::HugetlbStats& stats = out[size];
      stats.usage = *usage;
      if (absl::Status s = ReadOptional(dir, prefix + ".max_usage_in_bytes", stats.max); !s.ok()) return s;
      if (absl::Status s = ReadOptional(dir, prefix + ".failcnt", stats.failcnt); !s.ok()) return s;
      break;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<oci::Stats> StatsV1(const Paths& paths) {
  oci::Stats stats;
  absl::Status s;
  const auto from = [&](absl::string_view controller, auto read, auto& out) {
    const auto dir = paths.find(controller);
    if (dir != paths.end() && s.ok()) s = read(dir->second, out);
  };
  from("cpu", ReadThrottling, stats.cpu);
  from("cpuacct", ReadCpuacct, stats.cpu);
  from("cpuset", ReadCpuset, stats.cpuset);
  from("memory", ReadMemory, stats.memory);
  from("pids", ReadPids, stats.pids);
  from("blkio", ReadBlkio, stats.blkio);
  from("hugetlb", ReadHugetlb, stats.hugetlb);
  if (!s.ok()) return s;
  return stats;
}

}  // namespace runsc::cgroup
