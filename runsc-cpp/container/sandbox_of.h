// Which sandbox a new container goes into: one of its own, or, in a pod, that of another container.
#ifndef RUNSC_CPP_CONTAINER_SANDBOX_OF_H_
#define RUNSC_CPP_CONTAINER_SANDBOX_OF_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cpp/container/bundle.h"
#include "runsc-cpp/container/state_root.h"
#include "sentry/control/control.pb.h"

namespace runsc {

struct SandboxChoice {
  std::string id;
  bool is_new = true;
  ProcessRef sentry;     // of one that is there
  uint64_t network = 0;  // inode of its network namespace; 0: not known
  std::vector<std::string> warnings;
};

// By the annotations of containerd's CRI plugin and CRI-O, or by a namespace's path that is a running container's. An
// error if that sandbox is not there.
absl::StatusOr<SandboxChoice> ChooseSandbox(const StateRoot& root, const std::string& id, const Bundle& bundle);

// Whose pid namespace: its own, that of the container whose anchor the path names, or the sandbox's.
void ChooseNamespaces(const StateRoot& root, const oci::ContainerPlan& plan, sentry::control::Container& container);

// Containers of `sandbox` that have a state directory.
std::vector<ContainerRecord> MembersOf(const StateRoot& root, const std::string& sandbox);

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_SANDBOX_OF_H_
