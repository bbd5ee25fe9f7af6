// Ancillary data between guest and host: what an allow list knows passes.
#ifndef SENTRY_NET_HOSTINET_CONTROL_H_
#define SENTRY_NET_HOSTINET_CONTROL_H_

#include <span>
#include <vector>

#include "sentry/net/socket/socket.h"

namespace sentry::hostinet {

inline constexpr size_t kMaxHostControl = 1024;

// For sendmsg(2) of a host socket. EINVAL: none that a guest may send.
Result<std::vector<std::byte>> ToHostControl(const ControlData& control);
// What recvmsg(2) of a host socket gave.
std::vector<ControlRecord> FromHostControl(std::span<const std::byte> bytes);

}  // namespace sentry::hostinet

#endif  // SENTRY_NET_HOSTINET_CONTROL_H_
