// Where in a container's tree something is to be mounted, and what has to be made for it.
#ifndef RUNSC_CPP_BOOT_MOUNT_POINTS_H_
#define RUNSC_CPP_BOOT_MOUNT_POINTS_H_

#include <string>

#include "absl/status/statusor.h"
#include "sentry/vfs/context.h"

namespace runsc {

// `path` without links, which lead no further than the root; what is not there yet is taken by its name. As runc finds
// what it makes: a link may name what is missing.
absl::StatusOr<std::string> ResolveInRoot(const sentry::VfsContext& ctx, const std::string& path);

// A directory at `path`, and those above it, where they are missing.
absl::Status MakeDirectories(const sentry::VfsContext& ctx, const std::string& path);
// A file to mount another one on.
absl::Status MakeMountFile(const sentry::VfsContext& ctx, const std::string& path);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_MOUNT_POINTS_H_
