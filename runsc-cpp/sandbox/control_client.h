// The other end of sentry/control: asks a sentry.
#ifndef RUNSC_CPP_SANDBOX_CONTROL_CLIENT_H_
#define RUNSC_CPP_SANDBOX_CONTROL_CLIENT_H_

#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "sentry/control/control.pb.h"

namespace runsc {

// The descriptors of a request; borrowed.
class RequestDescriptors {
 public:
  uint32_t Add(int fd) {
    fds_.push_back(fd);
    return static_cast<uint32_t>(fds_.size()) - 1;
  }
  const std::vector<int>& list() const { return fds_; }

 private:
  std::vector<int> fds_;
};

class ControlClient {
 public:
  explicit ControlClient(base::UniqueFd connection) : connection_(std::move(connection)) {}

  // A response that tells an error is not one here. Unavailable: the sentry is gone.
  absl::StatusOr<sentry::control::Response> Call(const sentry::control::Request& request,
                                                 const RequestDescriptors& fds = {});

 private:
  base::UniqueFd connection_;
};

}  // namespace runsc

#endif  // RUNSC_CPP_SANDBOX_CONTROL_CLIENT_H_
