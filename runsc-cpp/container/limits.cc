#include "runsc-cpp/container/limits.h"

#include <sched.h>

#include <algorithm>

#include "runsc-cpp/cgroup/convert.h"

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
    const auto wanted = static_cast<int64_t>(std::min<uint64_t>(period, INT64_MAX / settings.cpus) * settings.cpus);
    const int64_t given = cpu.quota.value_or(0);
    cpu.period = period;
    cpu.quota = given > 0 ? std::min(given, wanted) : wanted;
  }
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
    int64_t& limit = *resources.pids->limit;
    limit = limit > INT32_MAX / kHostThreads ? limit : Plus(limit * kHostThreads, kOwnThreads);
  }
  return resources;
}

absl::StatusOr<sentry::control::Limits> ForGuest(const oci::LinuxResources& resources) {
  sentry::control::Limits limits;
  if (resources.memory && resources.memory->limit.value_or(0) != 0) {
    const int64_t memory = *resources.memory->limit;
    limits.set_memory_bytes(std::max<int64_t>(memory, -1));
    // All that it may have to fill: what the guest's limit says, but the host has not been charged for, and the room.
    limits.set_oom_show_bytes(memory > 0 ? static_cast<uint64_t>(Plus(memory, 2 * Headroom(memory))) : 0);
  }
  if (resources.pids && resources.pids->limit.value_or(0) != 0)
    limits.set_pids(std::max<int64_t>(*resources.pids->limit, -1));
  if (!resources.cpu) return limits;
  const oci::LinuxCPU& cpu = *resources.cpu;
  if (cpu.quota.value_or(0) != 0) limits.set_cpu_quota_us(std::max<int64_t>(*cpu.quota, -1));
  if (cpu.period.value_or(0) != 0) limits.set_cpu_period_us(*cpu.period);
  if (cpu.shares.value_or(0) != 0) limits.set_cpu_weight(cgroup::SharesToWeight(*cpu.shares));
  if (cpu.cpus.empty()) return limits;
  const absl::StatusOr<uint64_t> cpus = GuestCpus(cpu.cpus);
  if (!cpus.ok()) return cpus.status();
  limits.set_cpus(*cpus);
  return limits;
}

}  // namespace runsc
