// Host descriptors that the sandbox was given at start (stdin, stdout, stderr
// of `do`): regular files, pipes, sockets, terminals, character devices.
//
// The host file's own offset is used, so that it stands where the caller of
// runsc-cpp expects it afterwards. O_NONBLOCK is never set on one: the flag is
// the open file's and so also our caller's. No call made here blocks.
#ifndef SENTRY_FS_HOST_HOST_FILE_H_
#define SENTRY_FS_HOST_HOST_FILE_H_

#include <optional>

#include "base/unique_fd.h"
#include "sentry/vfs/file_description.h"

namespace sentry {

class HostPoller;

struct HostFileOptions {
  // What stat tells; nothing: what the host tells (in the sentry's user
  // namespace, which may map few ids).
  std::optional<uint32_t> uid, gid;
};

// Takes `fd`. `flags`: status flags for the guest; the access mode is the host
// descriptor's. The poller outlives the file. Before the host filter: asks the
// host for the kind of the file.
Result<RefPtr<FileDescription>> NewHostFile(HostPoller& poller, base::UniqueFd fd, uint32_t flags,
                                            const HostFileOptions& options = {});

// Whether `fd` is a terminal: boot then bridges it (tty_bridge.h).
bool IsHostTerminal(int fd);

}  // namespace sentry

#endif  // SENTRY_FS_HOST_HOST_FILE_H_
