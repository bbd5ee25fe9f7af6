// From values of cgroup v1, in which the specification is written, to v2's.
#ifndef RUNSC_CPP_CGROUP_CONVERT_H_
#define RUNSC_CPP_CGROUP_CONVERT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace runsc::cgroup {

// cpu.shares [2, 262144] to cpu.weight [1, 10000], so that the default 1024 is
// the default 100. 0, "not set", stays 0.
uint64_t SharesToWeight(uint64_t shares);
// blkio.weight [10, 1000] to io.weight [1, 10000]. 0 stays 0.
uint64_t BlkioToIoWeight(uint16_t weight);

// v1 limits memory and swap together, v2 swap alone. 0 is "not set", -1 "no limit".
struct SwapLimit {
  bool set = false;
  int64_t bytes = 0;  // -1: no limit
};
absl::StatusOr<SwapLimit> SwapOfBoth(int64_t memory_and_swap, int64_t memory);

// "max" for -1.
std::string LimitWord(int64_t limit);

// "0-3,7" to a bit mask, lowest byte first, as systemd's AllowedCPUs wants it.
absl::StatusOr<std::string> CpuListToMask(absl::string_view list);

}  // namespace runsc::cgroup

#endif  // RUNSC_CPP_CGROUP_CONVERT_H_
