// A question to a container's sentry.
#ifndef RUNSC_CPP_CONTAINER_ASK_H_
#define RUNSC_CPP_CONTAINER_ASK_H_

#include <string>

#include "absl/status/statusor.h"
#include "runsc-cpp/container/runtime_options.h"
#include "runsc-cpp/sandbox/control_client.h"

namespace runsc {

// FailedPrecondition, "container not running": nobody is there. A response that tells an error is not one here.
absl::StatusOr<sentry::control::Response> AskSandbox(const RuntimeOptions& runtime, const ContainerRecord& record,
                                                     const sentry::control::Request& request,
                                                     const RequestDescriptors& fds = {});

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_ASK_H_
