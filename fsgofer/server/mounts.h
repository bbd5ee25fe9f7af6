// The mount calls that build the jail.
#ifndef FSGOFER_SERVER_MOUNTS_H_
#define FSGOFER_SERVER_MOUNTS_H_

#include <string>

#include "base/result.h"

namespace fsgofer {

// No mount or unmount reaches the host's namespace or comes from it.
base::Result<void> MakePrivate();
base::Result<void> MountTmpfs(const std::string& dir);

// Makes every mount at and below `target` nosuid, nodev and, if asked,
// read-only, and takes pseudo file systems below it away where they may be
// unmounted (else the server shows them as empty).
base::Result<void> RestrictTree(const std::string& target, bool readonly);

// Makes `dir` the root, read-only, and lets go of the old one.
base::Result<void> PivotInto(const std::string& dir);

}  // namespace fsgofer

#endif  // FSGOFER_SERVER_MOUNTS_H_
