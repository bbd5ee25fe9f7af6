#include "runsc-cpp/container/limits.h"

#include <sched.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/cgroup/convert.h"
#include "runsc-cpp/container/unified.h"

namespace runsc {
namespace {

constexpr uint64_t kDefaultPeriod = 100'000;
constexpr int64_t kOwnMemory = 16 << 20;  // sentry, gofers, anchor
constexpr int64_t kOwnMemoryShare = 32;   // page tables, and what the sentry keeps of pages and files
// A guest thread has one in the sentry and one in its stub, a guest process a keeper.
constexpr int64_t kHostThreads = 3;
constexpr int64_t kOwnThreads = 64;
constexpr int kMaxGuestCpus = 64;

int64_t Headroom(int64_t memory) { return kOwnMemory + memory / kOwnMemoryShare; }

int64_t Plus(int64_t limit, int64_t room) { return limit > INT64_MAX - room ? INT64_MAX : limit + room; }

// A guest's processors are the host's that the caller may use, counted from 0.
absl::StatusOr<uint64_t> GuestCpus(const std::string& list) {
  const absl::StatusOr<std::string> wanted = cgroup::CpuListToMask(list);
  if (!wanted.ok()) return wanted.status();
  cpu_set_t usable;
  if (sched_getaffinity(0, sizeof usable, &usable) != 0) return ~uint64_t{0};
  uint64_t mask = 0;
  for (int cpu = 0, number = 0; cpu < CPU_SETSIZE && number < kMaxGuestCpus; ++cpu) {
    if (!CPU_ISSET(cpu, &usable)) continue;
    const size_t byte = static_cast<size_t>(cpu) / 8;
    if (byte < wanted->size() && ((*wanted)[byte] >> (cpu % 8) & 1) != 0) mask |= uint64_t{1} << number;
    ++number;
  }
  return mask;
}

int64_t HostThreads(int64_t limit) {
  return limit > INT32_MAX / kHostThreads ? limit : Plus(limit * kHostThreads, kOwnThreads);
}

int64_t QuotaOf(uint32_t cpus, uint64_t period) {
  return static_cast<int64_t>(std::min<uint64_t>(period, INT64_MAX / cpus) * cpus);
}

// Where a file of cgroup v2 says the same again, it has the last word with the host.
void NarrowUnified(oci::LinuxResources& resources, const oci::SandboxSettings& settings) {
  const absl::StatusOr<UnifiedLimits> given = ParseUnified(resources.unified);
  if (!given.ok()) return;  // ForGuest refuses it
  if (settings.memory_limit != 0 && given->memory_max) {
    const auto wanted = static_cast<int64_t>(std::min<uint64_t>(settings.memory_limit, INT64_MAX));
    const int64_t memory = *given->memory_max < 0 ? wanted : std::min(*given->memory_max, wanted);
    resources.unified["memory.max"] = absl::StrCat(memory);
  }
  if (settings.cpus != 0 && given->cpu_quota_us) {
    const uint64_t period = given->cpu_period_us.value_or(resources.cpu->period.value_or(kDefaultPeriod));
    const int64_t wanted = QuotaOf(settings.cpus, period);
    const int64_t quota = *given->cpu_quota_us < 0 ? wanted : std::min(*given->cpu_quota_us, wanted);
    resources.unified["cpu.max"] = CpuMaxText(quota, period);
  }
}

void RoomInUnified(std::map<std::string, std::string>& unified) {
  const absl::StatusOr<UnifiedLimits> limits = ParseUnified(unified);
  if (!limits.ok()) return;
  for (const auto& [file, limit] :
       {std::pair{"memory.max", limits->memory_max}, std::pair{"memory.high", limits->memory_high}}) {
    if (limit.value_or(-1) >= 0) unified[file] = absl::StrCat(Plus(*limit, Headroom(*limit)));
  }
  if (limits->pids_max.value_or(-1) >= 0) unified["pids.max"] = absl::StrCat(HostThreads(*limits->pids_max));
}

void LimitMemory(int64_t memory, sentry::control::Limits& limits) {
  limits.set_memory_bytes(std::max<int64_t>(memory, -1));
  // All that it may have to fill: what the guest's limit says, but the host has not been charged for, and the room.
  limits.set_oom_show_bytes(memory > 0 ? static_cast<uint64_t>(Plus(memory, 2 * Headroom(memory))) : 0);
}

absl::Status AddUnified(const std::map<std::string, std::string>& unified, sentry::control::Limits& limits) {
  const absl::StatusOr<UnifiedLimits> given = ParseUnified(unified);
  if (!given.ok()) return given.status();
  if (given->memory_max) LimitMemory(*given->memory_max, limits);
  if (given->memory_high) limits.set_memory_high_bytes(*given->memory_high);
  if (given->pids_max) limits.set_pids(*given->pids_max);
  if (given->cpu_quota_us) limits.set_cpu_quota_us(*given->cpu_quota_us);
  if (given->cpu_period_us) limits.set_cpu_period_us(*given->cpu_period_us);
  if (given->cpu_weight) limits.set_cpu_weight(*given->cpu_weight);
  if (!given->cpus) return absl::OkStatus();
  const absl::StatusOr<uint64_t> cpus = given->cpus->empty() ? absl::StatusOr<uint64_t>(0) : GuestCpus(*given->cpus);
  if (cpus.ok()) limits.set_cpus(*cpus);
  return cpus.status();
}

}  // namespace

oci::LinuxResources Narrowed(oci::LinuxResources resources, const oci::SandboxSettings& settings) {
  if (settings.memory_limit != 0) {
    if (!resources.memory) resources.memory.emplace();
    const auto wanted = static_cast<int64_t>(std::min<uint64_t>(settings.memory_limit, INT64_MAX));
    const int64_t given = resources.memory->limit.value_or(0);
    resources.memory->limit = given > 0 ? std::min(given, wanted) : wanted;
  }
  if (settings.cpus != 0) {
    if (!resources.cpu) resources.cpu.emplace();
    oci::LinuxCPU& cpu = *resources.cpu;
    const uint64_t period = cpu.period.value_or(0) != 0 ? *cpu.period : kDefaultPeriod;
    const int64_t wanted = QuotaOf(settings.cpus, period);
    const int64_t given = cpu.quota.value_or(0);
    cpu.period = period;
    cpu.quota = given > 0 ? std::min(given, wanted) : wanted;
  }
  NarrowUnified(resources, settings);
  return resources;
}

oci::LinuxResources ForHost(oci::LinuxResources resources) {
  if (resources.memory && resources.memory->limit.value_or(0) > 0) {
    oci::LinuxMemory& memory = *resources.memory;
    const int64_t room = Headroom(*memory.limit);
    memory.limit = Plus(*memory.limit, room);
    if (memory.swap.value_or(0) > 0) memory.swap = Plus(*memory.swap, room);
  }
  if (resources.pids && resources.pids->limit.value_or(0) > 0) {
    resources.pids->limit = HostThreads(*resources.pids->limit);
  }
  RoomInUnified(resources.unified);
  return resources;
}

absl::StatusOr<sentry::control::Limits> ForGuest(const oci::LinuxResources& resources) {
  sentry::control::Limits limits;
  if (resources.memory && resources.memory->limit.value_or(0) != 0) LimitMemory(*resources.memory->limit, limits);
  if (resources.pids && resources.pids->limit.value_or(0) != 0)
    limits.set_pids(std::max<int64_t>(*resources.pids->limit, -1));
  const oci::LinuxCPU cpu = resources.cpu.value_or(oci::LinuxCPU{});
  if (cpu.quota.value_or(0) != 0) limits.set_cpu_quota_us(std::max<int64_t>(*cpu.quota, -1));
  if (cpu.period.value_or(0) != 0) limits.set_cpu_period_us(*cpu.period);
  if (cpu.shares.value_or(0) != 0) limits.set_cpu_weight(cgroup::SharesToWeight(*cpu.shares));
  if (!cpu.cpus.empty()) {
    const absl::StatusOr<uint64_t> cpus = GuestCpus(cpu.cpus);
    if (!cpus.ok()) return cpus.status();
    limits.set_cpus(*cpus);
  }
  if (absl::Status s = AddUnified(resources.unified, limits); !s.ok()) return s;
  return limits;
}

}  // namespace runsc
