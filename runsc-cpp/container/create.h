// `create`: from a bundle to a container that waits for its start.
#ifndef RUNSC_CPP_CONTAINER_CREATE_H_
#define RUNSC_CPP_CONTAINER_CREATE_H_

#include <string>

#include "absl/status/statusor.h"
#include "runsc-cpp/container/record.pb.h"
#include "runsc-cpp/container/runtime_options.h"

namespace runsc {

struct CreateOptions {
  std::string id;
  std::string bundle;  // absolute
  std::string pid_file;
  std::string console_socket;
  uint32_t preserve_fds = 0;  // descriptors 3, 4, ... go to the guest
  // process.terminal without a console socket: this process's own terminal.
  bool foreground = false;
};

// Descriptors 0 to 2 are the container's streams. On an error nothing is left behind; it says what to tell the user.
absl::StatusOr<ContainerRecord> CreateContainer(const RuntimeOptions& runtime, const CreateOptions& options);

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_CREATE_H_
