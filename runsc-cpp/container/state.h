// What is true of a container now: its record, and what has become of its processes.
#ifndef RUNSC_CPP_CONTAINER_STATE_H_
#define RUNSC_CPP_CONTAINER_STATE_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "runsc-cpp/container/record.pb.h"
#include "runsc-cpp/oci/lower.h"
#include "runsc-cpp/oci/state.h"
#include "sentry/control/control.pb.h"

namespace runsc {

enum class ContainerStatus : uint8_t { kCreating, kCreated, kRunning, kPaused, kStopped };

ContainerStatus StatusOf(const ContainerRecord& record);
const char* StatusWord(ContainerStatus status);

// As `state` and `list` print it.
oci::ContainerState StateOf(const ContainerRecord& record);
// What hooks find on their standard input. `pid`: the process's number where the hook runs; else the host's.
std::string HookState(const ContainerRecord& record, const std::string& status, std::optional<int> pid = std::nullopt);

// A sentry's refusal, in runc's words where engines look for them.
absl::Status ToStatus(const sentry::control::Response& response, const oci::ProcessPlan& process);

absl::Status WritePidFile(const std::string& path, int pid);

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_STATE_H_
