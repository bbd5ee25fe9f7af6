// Frames on a control connection, a Unix stream socket: a length, then that many bytes of a protobuf message. A
// request's descriptors come with its first byte.
#ifndef SENTRY_CONTROL_CONNECTION_H_
#define SENTRY_CONTROL_CONNECTION_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace sentry::control {

struct Frame {
  std::string bytes;
  std::vector<base::UniqueFd> fds;
};

// execve(2) takes 2 MiB of arguments and environment at most.
inline constexpr uint32_t kMaxFrame = 8 << 20;
inline constexpr size_t kMaxFds = 128;

// Both wait `timeout_ms` at most for the peer to go on (-1: for ever): ETIMEDOUT. EPIPE: it is gone. EPROTO: no frame.
base::Result<void> SendFrame(int fd, std::string_view bytes, const std::vector<int>& fds, int timeout_ms);
base::Result<Frame> ReceiveFrame(int fd, int timeout_ms);

}  // namespace sentry::control

#endif  // SENTRY_CONTROL_CONNECTION_H_
