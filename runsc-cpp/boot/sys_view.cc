#include "runsc-cpp/boot/sys_view.h"

#include <algorithm>

namespace runsc {

uint32_t KernelSysView::CpuCount() { return static_cast<uint32_t>(std::max(kernel_.cpu_count(), 1)); }

sentry::SysView::Memory KernelSysView::GetMemory() {
  const uint64_t total = kernel_.memory_file().limit();
  return {.total = total, .free = total - std::min(total, kernel_.memory_file().usage().total())};
}

bool KernelSysView::HugePages() { return kernel_.memory_file().host_files().size() > 1; }

}  // namespace runsc
