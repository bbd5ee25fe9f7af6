// Netlink ABI (man 7 netlink, rtnetlink).
#ifndef SENTRY_ABI_NETLINK_H_
#define SENTRY_ABI_NETLINK_H_

#include <cstddef>
#include <cstdint>

namespace sentry::abi {

inline constexpr int kNetlinkRoute = 0;
inline constexpr int kNetlinkMax = 32;  // protocols

struct SockaddrNl {
  uint16_t family;
  uint16_t pad;
  uint32_t port;
  uint32_t groups;
};
static_assert(sizeof(SockaddrNl) == 12);

struct Nlmsghdr {
  uint32_t len;
  uint16_t type;
  uint16_t flags;
  uint32_t seq;
  uint32_t port;
};
static_assert(sizeof(Nlmsghdr) == 16);
constexpr size_t NlmsgAlign(size_t len) { return (len + 3) & ~size_t{3}; }

struct Nlmsgerr {
  int32_t error;
  Nlmsghdr request;
};
static_assert(sizeof(Nlmsgerr) == 20);

inline constexpr uint16_t kNlmsgError = 2, kNlmsgDone = 3, kNlmsgMinType = 16;
inline constexpr uint16_t kNlmFRequest = 0x1, kNlmFAck = 0x4, kNlmFCapped = 0x100;
inline constexpr uint16_t kRtmBase = 16, kRtmMax = 123;

// Options of SOL_NETLINK.
inline constexpr int kNetlinkGetStrictChk = 12;

}  // namespace sentry::abi

#endif  // SENTRY_ABI_NETLINK_H_
