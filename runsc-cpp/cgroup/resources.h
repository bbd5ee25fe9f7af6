// Writes linux.resources into cgroup files.
//
// Absent and 0 leave a limit as it is, -1 takes it off, as in runc. A limit
// whose controller the host lacks is an error that names it; a controller for
// which no limit was asked may be missing. devices are not written: no device
// of the host can be reached from a sandbox, whose own /dev decides.
#ifndef RUNSC_CPP_CGROUP_RESOURCES_H_
#define RUNSC_CPP_CGROUP_RESOURCES_H_

#include <string>

#include "absl/status/status.h"
#include "runsc-cpp/cgroup/location.h"
#include "runsc-cpp/oci/resources.h"

namespace runsc::cgroup {

absl::Status ApplyV1(const Paths& paths, const oci::LinuxResources& resources);
absl::Status ApplyV2(const std::string& dir, const oci::LinuxResources& resources);

// Before a process joins: one with a realtime policy can't without bandwidth.
absl::Status ApplyRealtimeV1(const std::string& dir, const oci::LinuxResources& resources);
absl::Status ApplyCpusetV1(const std::string& dir, const oci::LinuxResources& resources);

// An error if the limits are below what is used now, and the caller asked for
// that check (memory.checkBeforeUpdate).
absl::Status CheckMemoryUsageV2(const std::string& dir, const oci::LinuxResources& resources);

// Whether any limit of that controller is asked.
bool MemoryAsked(const oci::LinuxResources& resources);
bool CpuAsked(const oci::LinuxResources& resources);
bool IoAsked(const oci::LinuxResources& resources);
// Of v2: whether a limit is asked that a threaded cgroup can't have.
bool NeedsDomainController(const oci::LinuxResources& resources);
// Whether any limit is asked.
bool AnyLimit(const oci::LinuxResources& resources);

}  // namespace runsc::cgroup

#endif  // RUNSC_CPP_CGROUP_RESOURCES_H_
