// The files of the controllers cpu, cpuset, memory and pids.
#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "sentry/fs/cgroup/cgroup_files.h"
#include "sentry/memfile/mem_account.h"
#include "sentry/memfile/memory_file.h"

namespace sentry {
namespace {

using Text = Result<std::string>;

std::string MaxOr(uint64_t value) { return value == kCgroupNoLimit ? std::string("max\n") : absl::StrCat(value, "\n"); }

// --- cpu ---

Text CpuMax(const CgroupRequest& r) {
  const int64_t quota = r.cgroup.quota_us();
  return absl::StrCat(quota == INT64_MAX ? std::string("max") : absl::StrCat(quota), " ", r.cgroup.period_us(), "\n");
}

Result<void> SetCpuMax(const CgroupRequest& r, std::string_view text) {
  r.cgroup.SetLimits(TRY(ParseCpuMax(text, r.cgroup.period_us())));
  return Ok();
}

Result<void> SetCpuWeight(const CgroupRequest& r, std::string_view text) {
  uint64_t weight;
  if (!absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &weight)) return Errno::kEINVAL;
  if (weight < 1 || weight > 10000) return Errno::kERANGE;
  CgroupLimits limits;
  limits.cpu_weight = weight;
  r.cgroup.SetLimits(limits);
  return Ok();
}

// --- cpuset ---

Result<void> SetCpus(const CgroupRequest& r, std::string_view text) {
  CgroupLimits limits;
  limits.cpus = TRY(ParseCpuList(text));
  if ((*limits.cpus & ~r.cgroup.tree().root()->effective_cpus()) != 0) return Errno::kEINVAL;
  r.cgroup.SetLimits(limits);
  return Ok();
}

// There is node 0, which everybody has.
Result<void> SetMems(const CgroupRequest&, std::string_view text) {
  const uint64_t nodes = TRY(ParseCpuList(text));
  return nodes <= 1 ? Ok() : Errno::kEINVAL;
}

// --- pids ---

Result<void> SetPidsMax(const CgroupRequest& r, std::string_view text) {
  CgroupLimits limits;
  limits.pids_max = TRY(ParseCgroupCount(text));
  constexpr uint64_t kMost = 4194304;  // PID_MAX_LIMIT
  if (*limits.pids_max != kCgroupNoLimit && *limits.pids_max > kMost) return Errno::kEINVAL;
  r.cgroup.SetLimits(limits);
  return Ok();
}

// --- memory ---

using Event = MemAccount::Event;

Text MemoryValue(const CgroupRequest& r, uint64_t (*value)(const MemAccount&)) {
  return r.cgroup.memory() == nullptr ? Text(Errno::kEOPNOTSUPP) : Text(MaxOr(value(*r.cgroup.memory())));
}

std::string EventLines(const MemAccount& account, uint64_t (MemAccount::*count)(Event) const) {
  const auto of = [&](Event e) { return (account.*count)(e); };
  // Nothing is taken from a group that is below its `low`.
  return absl::StrCat("low 0\nhigh ", of(Event::kHigh), "\nmax ", of(Event::kMax), "\noom ", of(Event::kOom),
                      "\noom_kill ", of(Event::kOomKill), "\noom_group_kill ", of(Event::kOomGroupKill), "\n");
}

Text MemoryStat(const CgroupRequest& r) {
  const MemAccount& m = *r.cgroup.memory();
  const uint64_t shmem = m.bytes(MemKind::kShared), cache = m.bytes(MemKind::kPageCache);
  return absl::StrCat("anon ", m.bytes(MemKind::kAnonymous), "\nfile ", shmem + cache, "\nkernel ",
                      m.bytes(MemKind::kKernel), "\nshmem ", shmem, "\n");
}

Result<void> SetMemoryMax(const CgroupRequest& r, std::string_view text) {
  CgroupLimits limits;
  limits.memory_max = TRY(ParseCgroupSize(text));
  r.cgroup.SetLimits(limits);
  return Ok();
}

Result<void> SetMemoryHigh(const CgroupRequest& r, std::string_view text) {
  CgroupLimits limits;
  limits.memory_high = TRY(ParseCgroupSize(text));
  r.cgroup.SetLimits(limits);
  return Ok();
}

Result<void> SetOomGroup(const CgroupRequest& r, std::string_view text) {
  if (text != "0" && text != "1") return Errno::kEINVAL;
  r.cgroup.SetOomGroup(text == "1");
  return Ok();
}

Result<void> SetSwapMax(const CgroupRequest& r, std::string_view text) {
  r.cgroup.memory_swap_max = TRY(ParseCgroupSize(text));
  return Ok();
}

base::WaitQueue* MemoryQueue(Cgroup& cgroup) { return cgroup.memory() ? &cgroup.memory()->event_queue() : nullptr; }
uint64_t MemoryChanges(Cgroup& cgroup) {
  uint64_t sum = 0;
  for (size_t i = 0; i < static_cast<size_t>(Event::kCount); ++i) {
    sum += cgroup.memory() ? cgroup.memory()->events(static_cast<Event>(i)) : 0;
  }
  return sum;
}
base::WaitQueue* PidsQueue(Cgroup& cgroup) { return &cgroup.pids_queue(); }
uint64_t PidsChanges(Cgroup& cgroup) { return cgroup.Stats().pids_events; }

constexpr auto kAll = CgroupFile::Where::kAll;
constexpr auto kNotRoot = CgroupFile::Where::kNotRoot;
constexpr uint32_t kCpu = kCpuController, kCpuset = kCpusetController, kMemory = kMemoryController,
                   kPids = kPidsController;

constexpr CgroupFile kFiles[] = {
    {"cpu.max", kCpu, kNotRoot, CpuMax, SetCpuMax},
    {"cpu.weight", kCpu, kNotRoot,
     [](const CgroupRequest& r) -> Text { return absl::StrCat(r.cgroup.cpu_weight(), "\n"); }, SetCpuWeight},
    {"cpuset.cpus", kCpuset, kNotRoot, [](const CgroupRequest& r) -> Text { return CpuListOf(r.cgroup.cpus()) + "\n"; },
     SetCpus},
    {"cpuset.cpus.effective", kCpuset, kAll,
     [](const CgroupRequest& r) -> Text { return CpuListOf(r.cgroup.effective_cpus()) + "\n"; }},
    {"cpuset.mems", kCpuset, kNotRoot, [](const CgroupRequest&) -> Text { return std::string("\n"); }, SetMems},
    {"cpuset.mems.effective", kCpuset, kAll, [](const CgroupRequest&) -> Text { return std::string("0\n"); }},
    {"memory.current", kMemory, kNotRoot,
     [](const CgroupRequest& r) { return MemoryValue(r, [](const MemAccount& m) { return m.usage(); }); }},
    {"memory.events", kMemory, kNotRoot,
     [](const CgroupRequest& r) -> Text { return EventLines(*r.cgroup.memory(), &MemAccount::events); }, nullptr,
     MemoryQueue, MemoryChanges},
    {"memory.events.local", kMemory, kNotRoot,
     [](const CgroupRequest& r) -> Text { return EventLines(*r.cgroup.memory(), &MemAccount::local_events); }, nullptr,
     MemoryQueue, MemoryChanges},
    {"memory.high", kMemory, kNotRoot,
     [](const CgroupRequest& r) { return MemoryValue(r, [](const MemAccount& m) { return m.high(); }); },
     SetMemoryHigh},
    {"memory.low", kMemory, kNotRoot, [](const CgroupRequest& r) -> Text { return MaxOr(r.cgroup.memory_low); },
     [](const CgroupRequest& r, std::string_view text) -> Result<void> {
       r.cgroup.memory_low = TRY(ParseCgroupSize(text));
       return Ok();
     }},
    {"memory.max", kMemory, kNotRoot,
     [](const CgroupRequest& r) { return MemoryValue(r, [](const MemAccount& m) { return m.max(); }); }, SetMemoryMax},
    {"memory.min", kMemory, kNotRoot, [](const CgroupRequest& r) -> Text { return MaxOr(r.cgroup.memory_min); },
     [](const CgroupRequest& r, std::string_view text) -> Result<void> {
       r.cgroup.memory_min = TRY(ParseCgroupSize(text));
       return Ok();
     }},
    {"memory.oom.group", kMemory, kNotRoot,
     [](const CgroupRequest& r) -> Text { return std::string(r.cgroup.oom_group() ? "1\n" : "0\n"); }, SetOomGroup},
    {"memory.peak", kMemory, kNotRoot,
     [](const CgroupRequest& r) { return MemoryValue(r, [](const MemAccount& m) { return m.peak(); }); }},
    {"memory.stat", kMemory, kAll, MemoryStat},
    {"memory.swap.current", kMemory, kNotRoot, [](const CgroupRequest&) -> Text { return std::string("0\n"); }},
    {"memory.swap.max", kMemory, kNotRoot,
     [](const CgroupRequest& r) -> Text { return MaxOr(r.cgroup.memory_swap_max); }, SetSwapMax},
    {"pids.current", kPids, kNotRoot,
     [](const CgroupRequest& r) -> Text { return absl::StrCat(r.cgroup.Stats().pids, "\n"); }},
    {"pids.events", kPids, kNotRoot,
     [](const CgroupRequest& r) -> Text { return absl::StrCat("max ", r.cgroup.Stats().pids_events, "\n"); }, nullptr,
     PidsQueue, PidsChanges},
    {"pids.max", kPids, kNotRoot, [](const CgroupRequest& r) -> Text { return MaxOr(r.cgroup.Stats().pids_max); },
     SetPidsMax},
    {"pids.peak", kPids, kNotRoot,
     [](const CgroupRequest& r) -> Text { return absl::StrCat(r.cgroup.Stats().pids_peak, "\n"); }},
};

}  // namespace

std::span<const CgroupFile> CgroupControllerFiles() { return kFiles; }

}  // namespace sentry
