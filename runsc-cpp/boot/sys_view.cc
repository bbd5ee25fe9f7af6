#include "runsc-cpp/boot/sys_view.h"

#include <algorithm>
#include <bit>

namespace runsc {

uint32_t ContainerSysView::CpuCount() {
  return static_cast<uint32_t>(std::max(std::popcount(cgroup_->effective_cpus()), 1));
}

sentry::SysView::Memory ContainerSysView::GetMemory() {
  const sentry::MemoryFile::View memory = memory_.ViewOf(cgroup_->memory());
  return {.total = memory.limit, .free = memory.free()};
}

bool ContainerSysView::HugePages() { return memory_.host_files().size() > 1; }

}  // namespace runsc
