// Where the gofer lives: own namespaces, a root that holds the exported
// directories and nothing else, and no right that it does not need.
#ifndef FSGOFER_SERVER_JAIL_H_
#define FSGOFER_SERVER_JAIL_H_

#include <string>
#include <vector>

#include "fsgofer/server/session.h"

namespace fsgofer {

struct MountPoint {
  std::string host_path;
  bool readonly = true;
  bool recursive = true;  // with what is mounted below it
};

// Which step failed, for the one line that tells the user.
struct JailError {
  std::string step;
  base::Errno error = base::Errno::kEPERM;
};

// Moves the calling process, which must have one thread only, into the jail:
// mount, IPC, network and UTS namespaces (and a user namespace that maps the
// caller to itself, when the caller is not root), clones of the mount points,
// nosuid, nodev and read-only where asked, at /0, /1, ... of a read-only
// tmpfs; everything else is unmounted. A pid namespace is the parent's to
// give (clone), since it is for children.
// After it the process can reach no host path but the exports.
base::Result<std::vector<Export>> EnterJail(const std::vector<MountPoint>& mounts, JailError* error);

enum class JailAccess { kReadOnly, kReadWrite };

// no_new_privs, not dumpable, and every capability dropped but: reading
// any file (DAC_READ_SEARCH), and where a mount is writable also writing,
// owning and chmod-ing as root would (DAC_OVERRIDE, CHOWN, FOWNER, FSETID),
// and nodes of harmless devices (MKNOD; the filter knows which).
base::Result<void> DropRights(JailAccess access);

}  // namespace fsgofer

#endif  // FSGOFER_SERVER_JAIL_H_
