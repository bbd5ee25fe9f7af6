// The guest's descriptors 0, 1 and 2: the caller's files as they are, or a
// terminal of our own that is bridged to the caller's.
#ifndef RUNSC_CPP_BOOT_STANDARD_STREAMS_H_
#define RUNSC_CPP_BOOT_STANDARD_STREAMS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "runsc-cpp/sandbox/config.h"
#include "sentry/fs/devpts/devpts.h"
#include "sentry/fs/host/host_poller.h"
#include "sentry/fs/host/tty_bridge.h"
#include "sentry/kernel/fd_table.h"

namespace runsc {

struct StandardStreams {
  sentry::RefPtr<sentry::FdTable> fds;
  // With a terminal on stdin:
  sentry::PtyPair pty;
  std::unique_ptr<sentry::TtyBridge> bridge;
};

// Before the host filter.
absl::StatusOr<StandardStreams> OpenStandardStreams(const SandboxConfig& config, sentry::HostPoller& poller,
                                                    const sentry::VfsContext& ctx,
                                                    const sentry::RefPtr<sentry::Mount>& devpts);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_STANDARD_STREAMS_H_
