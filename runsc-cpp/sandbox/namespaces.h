// Mount and user namespace steps of the processes that runsc-cpp starts. Each
// returns the failed step's name and errno as a Status.
#ifndef RUNSC_CPP_SANDBOX_NAMESPACES_H_
#define RUNSC_CPP_SANDBOX_NAMESPACES_H_

#include <sys/types.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace runsc {

// In a fresh mount namespace: makes "/" a mount point whose changes stay here.
// Inside a chroot, whose root is none and where no user namespace can be made,
// it first moves the chroot's tree to the namespace's true root.
absl::Status MakeRootPrivate();

// Makes an empty, read-only tmpfs the root and lets go of everything else.
absl::Status EnterEmptyRoot();

// A file on a tmpfs with huge pages that nothing else can reach; an invalid
// descriptor where the host has none to give. Before EnterEmptyRoot.
base::UniqueFd HugePageFile();

// Written by the parent, for a child in a new user namespace: the child's 0 is
// `uid`/`gid` of ours.
absl::Status WriteIdMaps(pid_t child, uid_t uid, gid_t gid);

}  // namespace runsc

#endif  // RUNSC_CPP_SANDBOX_NAMESPACES_H_
