// Signals read from a file (man 2 signalfd).
#ifndef SENTRY_FS_SIGNALFD_SIGNALFD_H_
#define SENTRY_FS_SIGNALFD_SIGNALFD_H_

#include <string>

#include "base/mutex.h"
#include "sentry/fs/signalfd/signal_source.h"
#include "sentry/vfs/file_description.h"

namespace sentry {

class SignalFd final : public FileDescription {
 public:
  SignalFd(Path path, uint32_t flags, RefPtr<SignalSource> source, abi::SignalSet mask);

  // signalfd(2) with a descriptor that is one. SIGKILL and SIGSTOP are dropped.
  void SetMask(abi::SignalSet mask);

  Result<size_t> Read(const VfsContext& ctx, IoSink& dst) override;
  base::EventMask Readiness(base::EventMask mask) override;
  base::WaitQueue* wait_queue() override { return &source_->wait_queue(); }
  std::string FdInfo() override;
  const void* kind() const override { return Kind(); }
  static const void* Kind();

 private:
  ~SignalFd() override = default;
  abi::SignalSet mask() const;

  const RefPtr<SignalSource> source_;
  // Rank kEventFd. Held over no other call.
  mutable base::RankedMutex<base::LockRank::kEventFd> mu_;
  abi::SignalSet mask_ ABSL_GUARDED_BY(mu_);
};

// signalfd4(2) with descriptor -1. EINVAL: unknown flags. Linux reads the
// signals of whoever reads; here they are those of the maker's thread group,
// also after fork.
Result<RefPtr<FileDescription>> NewSignalFd(const VfsContext& ctx, RefPtr<SignalSource> source, abi::SignalSet mask,
                                            uint32_t flags);

}  // namespace sentry

#endif  // SENTRY_FS_SIGNALFD_SIGNALFD_H_
