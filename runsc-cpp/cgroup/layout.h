// Which cgroup hierarchies the host has, and where.
#ifndef RUNSC_CPP_CGROUP_LAYOUT_H_
#define RUNSC_CPP_CGROUP_LAYOUT_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace runsc::cgroup {

enum class Mode {
  kNone,     // no cgroup file system is mounted
  kLegacy,   // v1 alone
  kHybrid,   // v1 has the controllers, and there is a v2 hierarchy beside them
  kUnified,  // v2 alone
};

struct Mount {
  std::string point;
  std::string root;  // the cgroup that is seen at `point`: "/", unless a container was given a part
};

// By controller; "name=systemd" is v1's hierarchy without one, "" the v2 hierarchy.
using Mounts = std::map<std::string, Mount, std::less<>>;
// /proc/PID/cgroup, in the same names.
using Membership = std::map<std::string, std::string, std::less<>>;

struct Layout {
  Mode mode = Mode::kNone;
  Mounts mounts;
};

inline constexpr char kCgroupRoot[] = "/sys/fs/cgroup";

// Of the text of /proc/self/mountinfo. Mounts outside `root` don't count.
Layout ParseLayout(absl::string_view mountinfo, absl::string_view root);
absl::StatusOr<Membership> ParseMembership(absl::string_view proc_cgroup);

absl::StatusOr<Layout> HostLayout();
absl::StatusOr<Membership> OwnMembership();

}  // namespace runsc::cgroup

#endif  // RUNSC_CPP_CGROUP_LAYOUT_H_
