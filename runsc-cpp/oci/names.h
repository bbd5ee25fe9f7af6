// Names that config.json uses for the kernel's numbers.
#ifndef RUNSC_CPP_OCI_NAMES_H_
#define RUNSC_CPP_OCI_NAMES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace runsc::oci {

// "CAP_CHOWN" -> 0.
std::optional<int> CapabilityNumber(std::string_view name);
// "RLIMIT_NOFILE" -> RLIMIT_NOFILE.
std::optional<int> RlimitNumber(std::string_view name);
// "SCHED_FIFO" -> SCHED_FIFO, "SCHED_FLAG_RECLAIM" -> its bit.
std::optional<uint32_t> SchedulerPolicy(std::string_view name);
std::optional<uint64_t> SchedulerFlag(std::string_view name);
// "IOPRIO_CLASS_BE" -> 2.
std::optional<int> IoPriorityClass(std::string_view name);

// In the order of their numbers.
std::vector<std::string> KnownCapabilities();

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_NAMES_H_
