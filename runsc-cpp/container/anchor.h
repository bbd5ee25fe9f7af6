// The anchor: the host process that stands for a container's first process, or for an exec's. Engines know it as *the*
// pid: what they send it goes to the guest, its end is the guest's end, and its exit code the guest's.
#ifndef RUNSC_CPP_CONTAINER_ANCHOR_H_
#define RUNSC_CPP_CONTAINER_ANCHOR_H_

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace runsc {

struct AnchorOptions {
  std::vector<std::string> title;  // its command line, for ps(1): the guest's
  bool new_network = false;        // a network namespace of its own
  int network = -1;                // else this one is joined; -1: the caller's
  // Of that namespace: path below /proc/sys, value.
  std::vector<std::pair<std::string, std::string>> network_sysctls = {};
  // Becomes its controlling terminal, so that it hears of new sizes; -1: none.
  int controlling_terminal = -1;
  int directory = -1;  // it leaves its container's end there (postmortem/); -1: none
};

struct AnchorProcess {
  pid_t pid = -1;
  base::UniqueFd link;  // the sentry's end (sandbox/link.h)
};

// The caller has one thread. When it returns, the anchor is in its namespaces and waits at its end of the link.
absl::StatusOr<AnchorProcess> LaunchAnchor(const AnchorOptions& options);

// The re-executed process: exits with the guest's code. Known by kAnchorVariable in its environment, since its command
// line is the guest's.
int AnchorMain();
inline constexpr char kAnchorVariable[] = "RUNSC_CPP_INTERNAL_ANCHOR";

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_ANCHOR_H_
