// ProcessMemory on an address space of ours, for the kernel's ProcessView.
#ifndef SENTRY_FS_PROC_MM_MEMORY_H_
#define SENTRY_FS_PROC_MM_MEMORY_H_

#include <utility>
#include <vector>

#include "sentry/fs/proc/process_view.h"

namespace sentry {

class MmProcessMemory final : public ProcessMemory {
 public:
  explicit MmProcessMemory(RefPtr<MemoryManager> mm) : mm_(std::move(mm)) {}
  MmUsage usage() const override { return mm_->usage(); }
  std::vector<VmaInfo> Vmas() const override { return mm_->Vmas(); }
  MemoryManager::Layout layout() const override { return mm_->layout(); }
  UserRange heap() const override { return {mm_->brk_start(), mm_->brk_end()}; }
  Result<size_t> Read(UserAddr src, std::span<std::byte> dst) override { return mm_->CopyInForced(src, dst); }
  Result<size_t> Write(UserAddr dst, std::span<const std::byte> src) override { return mm_->CopyOutForced(dst, src); }

 private:
  const RefPtr<MemoryManager> mm_;
};

}  // namespace sentry

#endif  // SENTRY_FS_PROC_MM_MEMORY_H_
