// A container's cgroup: what it uses, and whether it has run out of memory.
#ifndef RUNSC_CPP_SHIM_MEASURES_H_
#define RUNSC_CPP_SHIM_MEASURES_H_

#include <sys/types.h>

#include <optional>

#include "absl/status/statusor.h"
#include "runsc-cpp/cgroup/cgroup.h"
#include "runsc-cpp/oci/stats.h"
#include "runsc-cpp/shim/wire.pb.h"

namespace runsc::shim {

// The cgroup that a process is in.
absl::StatusOr<cgroup::Cgroup> CgroupOf(pid_t pid);
// As io.containerd.cgroups.v1.Metrics or v2.Metrics.
absl::StatusOr<Any> Measure(const cgroup::Cgroup& cgroup);

Any MetricsV1(const oci::Stats& stats);
Any MetricsV2(const oci::Stats& stats);

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_MEASURES_H_
