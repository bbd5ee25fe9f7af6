// The container's root file system, which containerd describes as mounts.
#ifndef RUNSC_CPP_SHIM_ROOTFS_H_
#define RUNSC_CPP_SHIM_ROOTFS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "runsc-cpp/shim/task.pb.h"

namespace runsc::shim {

using MountList = google::protobuf::RepeatedPtrField<containerd::task::v2::Mount>;

// One over the other at `target`, which is made. On an error none is left.
absl::Status MountRootfs(const MountList& mounts, const std::string& target);
// All that is mounted at `target` itself.
absl::Status UnmountRootfs(const std::string& target);

// overlay's options, which must fit into a page: with the longest folder that all lower ones share taken off.
// Empty `directory`: they stay as they are.
struct CompactOptions {
  std::string directory;
  std::string data;
};
CompactOptions CompactLowerDirs(const std::string& data, size_t limit);

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_ROOTFS_H_
