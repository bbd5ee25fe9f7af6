// What the statistics of both versions are read with.
#ifndef RUNSC_CPP_CGROUP_STATS_READ_H_
#define RUNSC_CPP_CGROUP_STATS_READ_H_

#include <string>
#include <vector>

#include "runsc-cpp/cgroup/files.h"
#include "runsc-cpp/cgroup/stats.h"

namespace runsc::cgroup {

// Leaves `value` alone if the file is not there.
absl::Status ReadOptional(const std::string& dir, absl::string_view name, uint64_t& value);
absl::Status ReadPressure(const std::string& dir, absl::string_view name, std::optional<oci::Pressure>& out);
absl::Status ReadPids(const std::string& dir, oci::PidsStats& out);
inline absl::Status Malformed(const std::string& dir, absl::string_view name, absl::string_view line) {
  return absl::InvalidArgumentError("malformed line \"" + std::string(line) + "\" in " + dir + "/" + std::string(name));
}

}  // namespace runsc::cgroup

#endif  // RUNSC_CPP_CGROUP_STATS_READ_H_
