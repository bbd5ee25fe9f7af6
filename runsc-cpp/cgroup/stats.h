// What a cgroup uses, as far as `runc events --stats` prints it. Fields of a
// controller that is not there stay zero or empty; network_interfaces are not
// a cgroup's.
#ifndef RUNSC_CPP_CGROUP_STATS_H_
#define RUNSC_CPP_CGROUP_STATS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cpp/cgroup/location.h"
#include "runsc-cpp/oci/stats.h"

namespace runsc::cgroup {

absl::StatusOr<oci::Stats> StatsV1(const Paths& paths);
absl::StatusOr<oci::Stats> StatsV2(const std::string& dir);

// "2MB", "1GB": as cgroup files spell the host's huge page sizes.
std::vector<std::string> HugepageSizes(const std::string& sysfs_dir = "/sys/kernel/mm/hugepages");

}  // namespace runsc::cgroup

#endif  // RUNSC_CPP_CGROUP_STATS_H_
