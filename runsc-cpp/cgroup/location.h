// From linux.cgroupsPath to directories, by runc's rules.
#ifndef RUNSC_CPP_CGROUP_LOCATION_H_
#define RUNSC_CPP_CGROUP_LOCATION_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runsc-cpp/cgroup/layout.h"

namespace runsc::cgroup {

enum class Driver { kCgroupfs, kSystemd };

// What a cgroupsPath says.
struct Location {
  Driver driver = Driver::kCgroupfs;
  bool given = false;  // else named after the container
  // cgroupfs: clean. Absolute: below each hierarchy's mount; relative: below our own cgroup.
  std::string path;
  // systemd: `slice:prefix:name`. An empty slice is the default one.
  std::string slice, prefix, name;
};

absl::StatusOr<Location> ParseCgroupsPath(Driver driver, absl::string_view cgroups_path, absl::string_view id);

// Removes "." and ".." by name, so that the result can't climb out.
std::string CleanPath(absl::string_view path);
// systemd's rule: a-b.slice is /a.slice/a-b.slice; "-.slice" is "/".
absl::StatusOr<std::string> ExpandSlice(absl::string_view slice);
// prefix-name.scope, or the name itself if it is a slice's.
std::string UnitName(const Location& location);
// The slice that the unit is put into.
std::string ParentSlice(const Location& location, bool rootless);

// By controller, as in Mounts: the directory of the cgroup in each hierarchy.
using Paths = std::map<std::string, std::string, std::less<>>;

// `manager` is the cgroup of the user's systemd, for a rootless systemd
// location; else empty.
absl::StatusOr<Paths> FindPaths(const Layout& layout, const Membership& own, const Location& location,
                                absl::string_view manager);

}  // namespace runsc::cgroup

#endif  // RUNSC_CPP_CGROUP_LOCATION_H_
