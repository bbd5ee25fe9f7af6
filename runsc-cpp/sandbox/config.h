// A process's configuration on its way through an execve: a protobuf message in a sealed memfd.
#ifndef RUNSC_CPP_SANDBOX_CONFIG_H_
#define RUNSC_CPP_SANDBOX_CONFIG_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "google/protobuf/message_lite.h"
#include "runsc-cpp/sandbox/config.pb.h"

namespace runsc {

absl::StatusOr<base::UniqueFd> WriteConfig(const google::protobuf::MessageLite& config);
absl::Status ReadConfig(int fd, google::protobuf::MessageLite& config);

}  // namespace runsc

#endif  // RUNSC_CPP_SANDBOX_CONFIG_H_
