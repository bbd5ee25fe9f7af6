// A cgroup's whereabouts, as the record keeps them.
#ifndef RUNSC_CPP_CONTAINER_CGROUP_RECORD_H_
#define RUNSC_CPP_CONTAINER_CGROUP_RECORD_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "runsc-cpp/cgroup/cgroup.h"
#include "runsc-cpp/container/record.pb.h"
#include "runsc-cpp/container/runtime_options.h"

namespace runsc {

CgroupRecord ToRecord(const cgroup::CgroupState& state);
// Where a container's is to be, by linux.cgroupsPath.
absl::StatusOr<cgroup::Cgroup> PlannedCgroup(const RuntimeOptions& runtime, const std::string& cgroups_path,
                                             const std::string& id);
// The container's; an error if the host's cgroups can't be found. Nothing: it never had one.
absl::StatusOr<std::optional<cgroup::Cgroup>> CgroupOf(const RuntimeOptions& runtime, const ContainerRecord& record);

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_CGROUP_RECORD_H_
