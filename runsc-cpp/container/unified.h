// linux.resources.unified, as far as it concerns the guest: what files of a control group, version 2, take.
#ifndef RUNSC_CPP_CONTAINER_UNIFIED_H_
#define RUNSC_CPP_CONTAINER_UNIFIED_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace runsc {

// Absent: not in it. -1: "max".
struct UnifiedLimits {
  std::optional<int64_t> memory_max, memory_high, pids_max;
  std::optional<int64_t> cpu_quota_us;
  std::optional<uint64_t> cpu_period_us;
  std::optional<uint64_t> cpu_weight;
  std::optional<std::string> cpus;  // a list; empty: all
};

// Of the files that it knows nothing of, the host is asked alone.
absl::StatusOr<UnifiedLimits> ParseUnified(const std::map<std::string, std::string>& unified);

// What cpu.max takes.
std::string CpuMaxText(int64_t quota_us, uint64_t period_us);

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_UNIFIED_H_
