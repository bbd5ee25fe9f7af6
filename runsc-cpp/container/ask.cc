#include "runsc-cpp/container/ask.h"

namespace runsc {

absl::StatusOr<sentry::control::Response> AskSandbox(const RuntimeOptions& runtime, const ContainerRecord& record,
                                                     const sentry::control::Request& request,
                                                     const RequestDescriptors& fds) {
  absl::StatusOr<base::UniqueFd> connection = runtime.root.ConnectTo(record.sandbox());
  if (!connection.ok()) return absl::FailedPreconditionError("container not running");
  ControlClient client(*std::move(connection));
  absl::StatusOr<sentry::control::Response> response = client.Call(request, fds);
  if (absl::IsUnavailable(response.status())) return absl::FailedPreconditionError("container not running");
  return response;
}

}  // namespace runsc
