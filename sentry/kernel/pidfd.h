// Descriptors that name a process (man 2 pidfd_open). Readable once it ended.
#ifndef SENTRY_KERNEL_PIDFD_H_
#define SENTRY_KERNEL_PIDFD_H_

#include <string>

#include "sentry/kernel/thread_group.h"
#include "sentry/vfs/file_description.h"

namespace sentry {

class PidFd final : public FileDescription {
 public:
  // `flags`: O_NONBLOCK or 0.
  static RefPtr<PidFd> Create(RefPtr<ThreadGroup> group, uint32_t flags);

  ThreadGroup& group() const { return *group_; }
  base::EventMask Readiness(base::EventMask mask) override;
  base::WaitQueue* wait_queue() override { return &group_->child_events(); }
  std::string FdInfoFor(const PidNamespace& viewer) override;
  static const void* Kind();
  const void* kind() const override { return Kind(); }

  PidFd(Path path, uint32_t flags, RefPtr<ThreadGroup> group);

 private:
  ~PidFd() override;
  const RefPtr<ThreadGroup> group_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_PIDFD_H_
