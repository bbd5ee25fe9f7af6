// The kernel's processes as fs/cgroup asks for them.
#ifndef RUNSC_CPP_BOOT_CGROUP_PROCESSES_H_
#define RUNSC_CPP_BOOT_CGROUP_PROCESSES_H_

#include <vector>

#include "sentry/fs/cgroup/cgroup_fs.h"
#include "sentry/kernel/kernel.h"

namespace runsc {

class KernelCgroupProcesses final : public sentry::CgroupProcesses {
 public:
  explicit KernelCgroupProcesses(sentry::Kernel& kernel) : kernel_(kernel) {}

  sentry::Result<std::vector<sentry::CgroupMember*>> Find(const sentry::VfsContext& ctx, int32_t pid, Which which,
                                                          std::vector<sentry::RefPtr<base::RefCounted>>& keep) override;
  int32_t NumberOf(const sentry::VfsContext& ctx, int32_t id) override;
  sentry::RefPtr<sentry::Cgroup> NamespaceRoot(const sentry::VfsContext& ctx) override;

 private:
  sentry::Kernel& kernel_;
};

// Removes `cgroup` and what guests made below it, once nobody is left there.
void RemoveCgroup(sentry::Cgroup& cgroup);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_CGROUP_PROCESSES_H_
