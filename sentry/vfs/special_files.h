// How fifos, sockets and device nodes of any file system are opened. The
// registry is filled once at start (runsc-cpp/boot), so that vfs knows neither
// fs/pipe nor fs/dev.
#ifndef SENTRY_VFS_SPECIAL_FILES_H_
#define SENTRY_VFS_SPECIAL_FILES_H_

#include <cstdint>
#include <functional>

#include "sentry/vfs/context.h"

namespace sentry {

class FileDescription;

using OpenSpecial =
    std::function<Result<RefPtr<FileDescription>>(const VfsContext& ctx, const Path& path, uint32_t flags)>;

class SpecialFiles {
 public:
  // Before the first task runs.
  static void SetFifo(OpenSpecial open);
  static void AddCharDevice(uint32_t major, uint32_t minor, OpenSpecial open);
  static void AddCharDeviceRange(uint32_t major, OpenSpecial open);  // all minors (pts)

  // By the inode's type and rdev. ENXIO: socket, or no such device.
  static Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& path, uint32_t type, uint64_t rdev,
                                              uint32_t flags);
};

}  // namespace sentry

#endif  // SENTRY_VFS_SPECIAL_FILES_H_
