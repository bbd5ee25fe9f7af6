// A container as /sys shows it.
#ifndef RUNSC_CPP_BOOT_SYS_VIEW_H_
#define RUNSC_CPP_BOOT_SYS_VIEW_H_

#include <utility>

#include "sentry/fs/sys/sys_view.h"
#include "sentry/kernel/cgroup/cgroup.h"
#include "sentry/memfile/memory_file.h"

namespace runsc {

class ContainerSysView final : public sentry::SysView {
 public:
  // `cgroup`: the container's, whose limits are what it has. `memory` outlives it.
  ContainerSysView(const sentry::MemoryFile& memory, sentry::RefPtr<sentry::Cgroup> cgroup)
      : memory_(memory), cgroup_(std::move(cgroup)) {}

  uint32_t CpuCount() override;
  Memory GetMemory() override;
  bool HugePages() override;

 private:
  const sentry::MemoryFile& memory_;
  const sentry::RefPtr<sentry::Cgroup> cgroup_;
};

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_SYS_VIEW_H_
