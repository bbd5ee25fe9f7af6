// The kernel as /sys sees it.
#ifndef RUNSC_CPP_BOOT_SYS_VIEW_H_
#define RUNSC_CPP_BOOT_SYS_VIEW_H_

#include "sentry/fs/sys/sys_view.h"
#include "sentry/kernel/kernel.h"

namespace runsc {

class KernelSysView final : public sentry::SysView {
 public:
  explicit KernelSysView(sentry::Kernel& kernel) : kernel_(kernel) {}

  uint32_t CpuCount() override;
  Memory GetMemory() override;
  bool HugePages() override;

 private:
  sentry::Kernel& kernel_;
};

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_SYS_VIEW_H_
