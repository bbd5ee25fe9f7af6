// tmpcopyup: a tmpfs begins with what the image has in its place.
#ifndef RUNSC_CPP_BOOT_COPY_TREE_H_
#define RUNSC_CPP_BOOT_COPY_TREE_H_

#include "absl/status/status.h"
#include "sentry/vfs/context.h"

namespace runsc {

// What is in the directory `from`, with owners, modes and times, into the empty directory `to`. Hard links become
// files of their own; extended attributes, which a tmpfs of runc's loses too, are not copied.
absl::Status CopyTree(const sentry::VfsContext& ctx, const sentry::Path& from, const sentry::Path& to);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_COPY_TREE_H_
