// The descriptors that a process of the runtime's starts with: files of its caller's as they are, or a terminal of our
// own that is bridged to the caller's.
#ifndef RUNSC_CPP_BOOT_STANDARD_STREAMS_H_
#define RUNSC_CPP_BOOT_STANDARD_STREAMS_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "sentry/control/control.pb.h"
#include "sentry/fs/devpts/devpts.h"
#include "sentry/fs/host/host_poller.h"
#include "sentry/fs/host/tty_bridge.h"
#include "sentry/kernel/fd_table.h"

namespace runsc {

// A request's descriptors; each is taken once.
class RequestFds {
 public:
  explicit RequestFds(std::vector<base::UniqueFd> fds) : fds_(std::move(fds)) {}
  // Invalid: there is none of this number (any more).
  base::UniqueFd Take(uint32_t index) {
    return index < fds_.size() ? std::exchange(fds_[index], base::UniqueFd()) : base::UniqueFd();
  }

 private:
  std::vector<base::UniqueFd> fds_;
};

struct StandardStreams {
  sentry::RefPtr<sentry::FdTable> fds;
  // With a terminal:
  sentry::PtyPair pty;
  std::unique_ptr<sentry::TtyBridge> bridge;
};

absl::StatusOr<StandardStreams> OpenStandardStreams(const sentry::control::Process& process, RequestFds& fds,
                                                    sentry::HostPoller& poller, const sentry::VfsContext& ctx,
                                                    const sentry::RefPtr<sentry::Mount>& devpts);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_STANDARD_STREAMS_H_
