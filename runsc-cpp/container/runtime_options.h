// Global flags of the OCI commands, and what the operator configured.
#ifndef RUNSC_CPP_CONTAINER_RUNTIME_OPTIONS_H_
#define RUNSC_CPP_CONTAINER_RUNTIME_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "runsc-cpp/container/state_root.h"
#include "runsc-cpp/oci/annotations.h"

namespace runsc {

// A platform that works here, and the device it opens; set by cmd, which knows the platforms.
struct PlatformChosen {
  std::string name;
  base::UniqueFd device;
};

struct RuntimeOptions {
  StateRoot root{kDefaultRoot};
  bool root_given = false;
  bool systemd_cgroup = false;
  bool rootless = false;
  uint32_t log_level = 2;  // of sentry and gofer
  oci::SandboxSettings settings;
  std::string post_mortems;  // a folder; empty: in the root
  std::function<absl::StatusOr<PlatformChosen>(const std::string& wanted)> choose_platform;
  std::function<void(const std::string& line)> warn;  // for the log
  std::function<void(const std::string& line)> debug;
};

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_RUNTIME_OPTIONS_H_
