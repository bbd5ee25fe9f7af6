// What a container uses, for `events`.
#ifndef RUNSC_CPP_CONTAINER_MEASURE_H_
#define RUNSC_CPP_CONTAINER_MEASURE_H_

#include "absl/status/statusor.h"
#include "runsc-cpp/container/runtime_options.h"
#include "runsc-cpp/oci/stats.h"

namespace runsc {

// The host's figures of its cgroup, since limits act on them and bills are written by them; but the number of processes
// is the guest's (the host sees threads of the sandbox), and in a sandbox of several so are CPU and memory: the host
// charges what the sentry does for them to whom the sandbox was made for.
absl::StatusOr<oci::Stats> MeasureContainer(const RuntimeOptions& runtime, const ContainerRecord& record);

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_MEASURE_H_
