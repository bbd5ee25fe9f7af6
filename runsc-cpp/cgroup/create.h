// Makes the directories of a cgroup.
#ifndef RUNSC_CPP_CGROUP_CREATE_H_
#define RUNSC_CPP_CGROUP_CREATE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "runsc-cpp/cgroup/layout.h"
#include "runsc-cpp/oci/resources.h"

namespace runsc::cgroup {

// One v1 hierarchy. `controller` "cpuset" inherits CPUs and nodes from its
// parents, without which no process can join; "cpu" gets realtime bandwidth.
absl::Status CreateV1(const Mount& mount, const std::string& dir, absl::string_view controller,
                      const oci::LinuxResources& resources, std::vector<std::string>& made);

// Enables all controllers of the host in each parent. One that can't be
// enabled is noticed when a limit of it is set.
absl::Status CreateV2(const Mount& mount, const std::string& dir, const oci::LinuxResources& resources,
                      std::vector<std::string>& made);

// The files that whoever shall make cgroups below must own
// (/sys/kernel/cgroup/delegate), and the directory.
absl::Status DelegateTo(const std::string& dir, uid_t owner);

}  // namespace runsc::cgroup

#endif  // RUNSC_CPP_CGROUP_CREATE_H_
