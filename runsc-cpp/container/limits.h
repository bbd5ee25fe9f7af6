// linux.resources, for the two who hold a container to them: the sentry, to what was asked, and the host, to what the
// sandbox's own processes need besides.
#ifndef RUNSC_CPP_CONTAINER_LIMITS_H_
#define RUNSC_CPP_CONTAINER_LIMITS_H_

#include "absl/status/statusor.h"
#include "runsc-cpp/oci/annotations.h"
#include "runsc-cpp/oci/resources.h"
#include "sentry/control/control.pb.h"

namespace runsc {

// `resources` narrowed by the tenant's annotations.
oci::LinuxResources Narrowed(oci::LinuxResources resources, const oci::SandboxSettings& settings);
// With room for the sandbox's own processes, threads and memory.
oci::LinuxResources ForHost(oci::LinuxResources resources);
absl::StatusOr<sentry::control::Limits> ForGuest(const oci::LinuxResources& resources);

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_LIMITS_H_
