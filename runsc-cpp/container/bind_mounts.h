// What a bind mount shows: the host's mount at its source, and with rbind those below.
#ifndef RUNSC_CPP_CONTAINER_BIND_MOUNTS_H_
#define RUNSC_CPP_CONTAINER_BIND_MOUNTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cpp/oci/mount_options.h"

namespace runsc {

struct HostMount {
  int64_t id = 0;
  std::string path;
  std::string type;
  uint64_t flags = 0;  // MS_*, those of a mount
};

// /proc/self/mountinfo.
std::vector<HostMount> ParseMountInfo(const std::string& text);

struct BindSource {
  uint64_t flags = 0;            // of the mount that the source lies on
  std::vector<HostMount> below;  // what can be seen there, parents first; no pseudo file systems (proc and kin)
};
// `path` has no links in it.
absl::StatusOr<BindSource> InspectSource(const std::string& path);

// Whether mounts below a source can be taken apart: a user namespace of the gofer's own may not.
bool MaySplitMounts();

// Of a new mount, as mount(2) takes them.
uint64_t MountFlagsOf(const oci::MountOptions& options);
// Of a bind mount of a mount with `source` flags, as runc has it: without words they stay.
uint64_t BindFlagsOf(const oci::MountOptions& options, uint64_t source);
// Of what is mounted below: the recursive words alone.
uint64_t BelowFlagsOf(const oci::MountOptions& options, uint64_t source);

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_BIND_MOUNTS_H_
