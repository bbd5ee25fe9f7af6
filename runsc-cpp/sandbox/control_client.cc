#include "runsc-cpp/sandbox/control_client.h"

#include "sentry/control/connection.h"

namespace runsc {

namespace control = sentry::control;

absl::StatusOr<control::Response> ControlClient::Call(const control::Request& request, const RequestDescriptors& fds) {
  const base::Result<void> sent =
      control::SendFrame(connection_.get(), request.SerializeAsString(), fds.list(), /*timeout_ms=*/-1);
  if (sent.Is(base::Errno::kEMSGSIZE)) return absl::InvalidArgumentError("the request is larger than 8 MiB");
  if (!sent.ok()) return absl::UnavailableError("the sandbox is gone");
  const base::Result<control::Frame> frame = control::ReceiveFrame(connection_.get(), /*timeout_ms=*/-1);
  control::Response response;
  if (!frame.ok() || !response.ParseFromString(frame->bytes)) return absl::UnavailableError("the sandbox is gone");
  return response;
}

}  // namespace runsc
