// Devices for directories whose file system takes no device nodes, as the gofer's: nodes of a tmpfs that no path leads
// to, each mounted on a file.
#ifndef RUNSC_CPP_BOOT_DEVICE_STORE_H_
#define RUNSC_CPP_BOOT_DEVICE_STORE_H_

#include <string>

#include "absl/status/status.h"
#include "sentry/memfile/memory_file.h"
#include "sentry/vfs/mount.h"

namespace runsc {

class DeviceStore {
 public:
  explicit DeviceStore(sentry::MemoryFile& memory) : memory_(memory) {}

  struct Node {
    uint32_t mode = 0;  // with the type
    uint64_t device = 0;
    uint32_t uid = 0, gid = 0;
  };
  // A file at `path` is made where there is none.
  absl::Status Place(const sentry::VfsContext& ctx, const std::string& path, const Node& node);

 private:
  sentry::Path Root();
  absl::Status MountOn(const sentry::VfsContext& ctx, const std::string& path, const std::string& name);

  sentry::MemoryFile& memory_;
  sentry::RefPtr<sentry::Mount> mount_;
  int nodes_ = 0;
};

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_DEVICE_STORE_H_
