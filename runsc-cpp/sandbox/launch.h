// Starts the processes of one sandbox: gofer, netgofer and sentry, each a
// re-execution of this binary with nothing but the descriptors it needs.
#ifndef RUNSC_CPP_SANDBOX_LAUNCH_H_
#define RUNSC_CPP_SANDBOX_LAUNCH_H_

#include <sys/types.h>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "runsc-cpp/sandbox/config.h"

namespace runsc {

struct Sandbox {
  pid_t sentry = -1;
  pid_t gofer = -1;
  pid_t netgofer = -1;
  base::UniqueFd control;  // control.h
};

// The caller has one thread. `log_fd` is where the processes log; `device_fd` what the
// platform opens, -1: nothing. Both are borrowed. On an error nothing is left running.
absl::StatusOr<Sandbox> LaunchSandbox(SandboxConfig config, int log_fd, int device_fd);

// argv[1] of the re-executions.
inline constexpr char kSentryVerb[] = "internal-sentry";
inline constexpr char kGoferVerb[] = "internal-gofer";
inline constexpr char kNetgoferVerb[] = "internal-netgofer";
// Where they find their configuration.
inline constexpr int kConfigFd = 3;

}  // namespace runsc

#endif  // RUNSC_CPP_SANDBOX_LAUNCH_H_
