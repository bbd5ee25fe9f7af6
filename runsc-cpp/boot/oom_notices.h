// Shows the host that a guest is out of memory. Engines learn of it from the host's kernel: whoever stands for the
// container there makes a process that takes what the container's cgroup has left, and is killed for it (link.h).
#ifndef RUNSC_CPP_BOOT_OOM_NOTICES_H_
#define RUNSC_CPP_BOOT_OOM_NOTICES_H_

#include <map>
#include <memory>

#include "base/mutex.h"
#include "runsc-cpp/boot/hosted_process.h"
#include "sentry/kernel/cgroup/cgroup.h"

namespace runsc {

class OomNotices {
 public:
  // A container, known by its control group, and its first process. Until Remove.
  void Add(const sentry::Cgroup& cgroup, std::weak_ptr<HostedProcess> first);
  void Remove(const sentry::Cgroup& cgroup);
  // How much that process may take; 0: the host's cgroup has no limit, nothing is shown.
  void SetBytes(const sentry::Cgroup& cgroup, uint64_t bytes);

  // Kernel::before_oom_kill: the limit of `domain` was met by somebody in `asker`. Waits until it was shown, a second
  // at most. Any thread, under locks up to kFileDescription.
  void Show(const sentry::Cgroup& domain, const sentry::Cgroup& asker);

 private:
  struct Entry {
    std::weak_ptr<HostedProcess> first;
    uint64_t bytes = 0;
    int64_t shown_ns = 0;  // when it was shown last
  };
  base::RankedMutex<base::LockRank::kLeaf> mu_;
  std::map<const sentry::Cgroup*, Entry> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_OOM_NOTICES_H_
