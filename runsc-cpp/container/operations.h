// What the commands do to containers that are there. Errors are in runc's words where engines look for them
// (test/oci/CONTRACT.md).
#ifndef RUNSC_CPP_CONTAINER_OPERATIONS_H_
#define RUNSC_CPP_CONTAINER_OPERATIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cpp/container/runtime_options.h"
#include "runsc-cpp/oci/resources.h"
#include "runsc-cpp/oci/spec.h"
#include "sentry/control/control.pb.h"

namespace runsc {

absl::Status StartContainer(const RuntimeOptions& runtime, const std::string& id);

enum class KillReach : uint8_t { kFirst, kAll };
absl::Status KillContainer(const RuntimeOptions& runtime, const std::string& id, int signo, KillReach reach);

enum class DeleteMode : uint8_t { kStopped, kForce };
// kForce: kills it, and an unknown id is no error.
absl::Status DeleteContainer(const RuntimeOptions& runtime, const std::string& id, DeleteMode mode);

absl::Status PauseContainer(const RuntimeOptions& runtime, const std::string& id);
absl::Status ResumeContainer(const RuntimeOptions& runtime, const std::string& id);

absl::StatusOr<std::vector<sentry::control::ProcessInfo>> ListProcesses(const RuntimeOptions& runtime,
                                                                        const std::string& id);

absl::Status UpdateContainer(const RuntimeOptions& runtime, const std::string& id,
                             const oci::LinuxResources& resources);

struct ExecOptions {
  std::string id;
  oci::Process process;
  std::string pid_file;
  std::string console_socket;
  uint32_t preserve_fds = 0;
  bool foreground = false;
  bool ignore_paused = false;
};
// The anchor's pid: a child of the caller.
absl::StatusOr<pid_t> ExecInContainer(const RuntimeOptions& runtime, const ExecOptions& options);

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_OPERATIONS_H_
