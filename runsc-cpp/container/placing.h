// Puts the process that a container's guests descend from where the container is charged. Platforms say when that
// process is there, by a socket (platform::Platform::NewAddressSpaces).
#ifndef RUNSC_CPP_CONTAINER_PLACING_H_
#define RUNSC_CPP_CONTAINER_PLACING_H_

#include <sys/types.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "runsc-cpp/cgroup/cgroup.h"

namespace runsc {

class Placing {
 public:
  static absl::StatusOr<Placing> Make();
  // To be given to the sentry, before Finish.
  int theirs() const { return theirs_.get(); }
  // Waits for the process, puts it into `cgroup` and lets it go on. Of a platform without such processes nothing comes.
  // `sentry` has the pid namespace that it must be in.
  absl::Status Finish(cgroup::Cgroup& cgroup, pid_t sentry);

 private:
  Placing(int ours, int theirs) : ours_(ours), theirs_(theirs) {}
  base::UniqueFd ours_, theirs_;
};

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_PLACING_H_
