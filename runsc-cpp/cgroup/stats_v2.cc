#include <cerrno>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runsc-cpp/cgroup/stats_read.h"

namespace runsc::cgroup {
namespace {

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

// Of a controller that is not enabled.
absl::Status UnlessMissing(const absl::Status& s) { return IsMissing(s) ? absl::OkStatus() : s; }

absl::Status ReadCpu(const std::string& dir, oci::CpuStats& out) {
  const absl::Status s = ForEachKey(dir, "cpu.stat", [&](absl::string_view key, uint64_t value) {
    if (key == "usage_usec") out.total = value * 1000;
    if (key == "user_usec") out.user = value * 1000;
    if (key == "system_usec") out.kernel = value * 1000;
    if (key == "nr_periods") out.periods = value;
    if (key == "nr_throttled") out.throttled_periods = value;
    if (key == "throttled_usec") out.throttled_time = value * 1000;
  });
  if (absl::Status u = UnlessMissing(s); !u.ok()) return u;
  return ReadPressure(dir, "cpu.pressure", out.pressure);
}

absl::Status ReadMemory(const std::string& dir, oci::MemoryStats& out) {
  const absl::Status s = ForEachKey(dir, "memory.stat", [&](absl::string_view key, uint64_t value) {
    out.raw.insert_or_assign(std::string(key), value);
  });
  if (!s.ok()) return UnlessMissing(s);
  if (const auto file = out.raw.find("file"); file != out.raw.end()) out.cache = file->second;
  if (absl::Status r = ReadOptional(dir, "memory.current", out.usage.usage); !r.ok()) return r;
  if (absl::Status r = ReadOptional(dir, "memory.max", out.usage.limit); !r.ok()) return r;
  if (absl::Status r = ReadOptional(dir, "memory.peak", out.usage.max); !r.ok()) return r;
  // How often the limit was hit, as v1's failcnt.
  if (const auto hits = ReadKey(dir, "memory.events", "max"); hits.ok()) out.usage.failcnt = *hits;
  if (Exists(dir + "/memory.swap.current")) {
    if (absl::Status r = ReadOptional(dir, "memory.swap.current", out.swap.usage); !r.ok()) return r;
    if (absl::Status r = ReadOptional(dir, "memory.swap.max", out.swap.limit); !r.ok()) return r;
    // v2 counts swap alone; readers expect v1's sum.
    out.swap.usage += out.usage.usage;
    if (out.swap.limit != kNoLimit)
      out.swap.limit = out.usage.limit == kNoLimit ? kNoLimit : out.swap.limit + out.usage.limit;
  }
  return ReadPressure(dir, "memory.pressure", out.pressure);
}

absl::Status ReadProcesses(const std::string& dir, oci::PidsStats& out) {
  if (Exists(dir + "/pids.current")) return ReadPids(dir, out);
  const auto pids = ProcessesOf(dir);
  if (pids.ok()) out.current = pids->size();
  return pids.status();
}

// "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0"
absl::Status ReadIo(const std::string& dir, oci::BlkioStats& out) {
  const auto text = ReadFile(dir, "io.stat");
  if (!text.ok()) return UnlessMissing(text.status());
  for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.empty()) continue;
    const std::pair<absl::string_view, absl::string_view> number = absl::StrSplit(words[0], absl::MaxSplits(':', 1));
    oci::BlkioEntry entry;
    // A device without a number (zram, when it goes away) has lines too.
    if (!absl::SimpleAtoi(number.first, &entry.major) || !absl::SimpleAtoi(number.second, &entry.minor)) continue;
    for (size_t i = 1; i < words.size(); ++i) {
      const std::pair<absl::string_view, absl::string_view> item = absl::StrSplit(words[i], absl::MaxSplits('=', 1));
      const bool bytes = item.first == "rbytes" || item.first == "wbytes";
      if (!bytes && item.first != "rios" && item.first != "wios") continue;
      if (!absl::SimpleAtoi(item.second, &entry.value)) return Malformed(dir, "io.stat", line);
      entry.op = item.first[0] == 'r' ? "Read" : "Write";
      (bytes ? out.service_bytes : out.serviced).push_back(entry);
    }
  }
  return ReadPressure(dir, "io.pressure", out.pressure);
}

absl::Status ReadHugetlb(const std::string& dir, std::map<std::string, oci::HugetlbStats>& out) {
  for (const std::string& size : HugepageSizes()) {
    for (const char* rsvd : {".rsvd", ""}) {
      const auto usage = ReadUint(dir, absl::StrCat("hugetlb.", size, rsvd, ".current"));
      if (!usage.ok()) {
        if (IsMissing(usage.status())) continue;
        return usage.status();
      }
      out[size].usage = *usage;
      if (const auto hits = ReadKey(dir, absl::StrCat("hugetlb.", size, ".events"), "max"); hits.ok()) {
        out[size].failcnt = *hits;
      }
      break;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<oci::Stats> StatsV2(const std::string& dir) {
  oci::Stats stats;
  absl::Status s = ReadCpu(dir, stats.cpu);
  if (s.ok()) s = ReadMemory(dir, stats.memory);
  if (s.ok()) s = ReadProcesses(dir, stats.pids);
  if (s.ok()) s = ReadIo(dir, stats.blkio);
  if (s.ok()) s = ReadHugetlb(dir, stats.hugetlb);
  if (!s.ok()) return s;
  return stats;
}

}  // namespace runsc::cgroup
