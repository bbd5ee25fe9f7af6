// Whom the kernel killed for want of memory, by container: for their post-mortems.
#ifndef RUNSC_CPP_BOOT_OOM_VICTIMS_H_
#define RUNSC_CPP_BOOT_OOM_VICTIMS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "sentry/control/control.pb.h"
#include "sentry/kernel/kernel.h"

namespace runsc {

class OomVictims {
 public:
  // Kernel::on_oom_kill. `limit`: of all guests together.
  void Add(const sentry::Cgroup& cgroup, int32_t pid, const std::string& command, uint64_t resident_bytes,
           uint64_t limit);
  // Adds those of the container whose control group it is to `end`; they are forgotten here.
  void Take(const sentry::Cgroup& container, sentry::control::ProcessEnd& end);

 private:
  struct Entry {
    const sentry::Cgroup* container;  // as a name only: it takes what is here before it is gone
    sentry::control::ProcessEnd victims;
  };

  // Rank kLeaf: called under kOom.
  base::RankedMutex<base::LockRank::kLeaf> mu_;
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_OOM_VICTIMS_H_
