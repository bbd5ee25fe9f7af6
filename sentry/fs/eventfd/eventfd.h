// A counter as a file (man 2 eventfd). Analogous to Linux's struct eventfd_ctx.
#ifndef SENTRY_FS_EVENTFD_EVENTFD_H_
#define SENTRY_FS_EVENTFD_EVENTFD_H_

#include <cstdint>
#include <string>

#include "base/mutex.h"
#include "base/wait_queue.h"
#include "sentry/vfs/file_description.h"

namespace sentry {

class EventFd final : public FileDescription {
 public:
  enum class Mode : uint8_t { kCounter, kSemaphore };
  EventFd(Path path, uint32_t flags, uint64_t initial, Mode mode);

  // For the kernel's own notifications (aio, cgroups): adds as much as fits.
  void Signal(uint64_t n);

  Result<size_t> Read(const VfsContext& ctx, IoSink& dst) override;
  Result<size_t> Write(const VfsContext& ctx, IoSource& src) override;
  base::EventMask Readiness(base::EventMask mask) override;
  base::WaitQueue* wait_queue() override { return &wait_queue_; }
  std::string FdInfo() override;
  const void* kind() const override { return Kind(); }
  static const void* Kind();

 private:
  ~EventFd() override = default;

  const Mode mode_;
  const uint64_t id_;
  base::WaitQueue wait_queue_;
  // Rank kEventFd. Held over no user copy.
  base::RankedMutex<base::LockRank::kEventFd> mu_;
  uint64_t count_ ABSL_GUARDED_BY(mu_);
};

// eventfd2(2). EINVAL: unknown flags.
Result<RefPtr<FileDescription>> NewEventFd(const VfsContext& ctx, uint32_t initial, uint32_t flags);

}  // namespace sentry

#endif  // SENTRY_FS_EVENTFD_EVENTFD_H_
