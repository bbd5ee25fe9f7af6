// ABI of internet sockets and of questions about interfaces (man 7 ip, ipv6,
// tcp, udp, netdevice).
#ifndef SENTRY_ABI_INET_H_
#define SENTRY_ABI_INET_H_

#include <cstddef>
#include <cstdint>

namespace sentry::abi {

inline constexpr int kIpprotoIcmp = 1, kIpprotoTcp = 6, kIpprotoUdp = 17, kIpprotoIcmpv6 = 58;
inline constexpr int kIpprotoMax = 263;

// In network byte order, as in the guest's memory.
struct SockaddrIn {
  uint16_t family;
  uint16_t port;
  uint32_t addr;
  uint8_t zero[8];
};
static_assert(sizeof(SockaddrIn) == 16);
static_assert(offsetof(SockaddrIn, port) == 2);  // as in sockaddr_in6

// Options of SOL_SOCKET that only these have.
inline constexpr int kSoTimestampNs = 35, kSoRxqOvfl = 40;

// Ancillary data, by level.
inline constexpr int kIpTos = 1, kIpTtl = 2, kIpRecvOpts = 6, kIpRetOpts = 7, kIpPktInfo = 8, kIpRecvErr = 11;
inline constexpr int kIpOrigDstAddr = 20;
inline constexpr int kIpv6FlowInfo = 11, kIpv6RecvErr = 25, kIpv6PktInfo = 50, kIpv6HopLimit = 52;
inline constexpr int kIpv6PathMtu = 61, kIpv6DontFrag = 62, kIpv6Tclass = 67, kIpv6OrigDstAddr = 74;
inline constexpr int kUdpSegment = 103, kUdpGro = 104;
inline constexpr int kTcpCmInq = 36;
inline constexpr int kSolIcmpv6 = 58, kSolRaw = 255;

// ioctl(2) of any socket about an interface: struct ifreq.
inline constexpr size_t kIfreqSize = 40, kIfNameSize = 16;
inline constexpr uint32_t kSiocGIfName = 0x8910, kSiocGIfConf = 0x8912, kSiocGIfFlags = 0x8913;
inline constexpr uint32_t kSiocGIfAddr = 0x8915, kSiocGIfDstAddr = 0x8917, kSiocGIfBrdAddr = 0x8919;
inline constexpr uint32_t kSiocGIfNetmask = 0x891b, kSiocGIfMetric = 0x891d, kSiocGIfMtu = 0x8921;
inline constexpr uint32_t kSiocGIfHwAddr = 0x8927, kSiocGIfIndex = 0x8933, kSiocGIfTxqLen = 0x8942;
inline constexpr uint32_t kSiocGIfMap = 0x8970;
// Changes: for CAP_NET_ADMIN.
inline constexpr uint32_t kSiocSIfFlags = 0x8914, kSiocSIfAddr = 0x8916, kSiocSIfDstAddr = 0x8918;
inline constexpr uint32_t kSiocSIfBrdAddr = 0x891a, kSiocSIfNetmask = 0x891c, kSiocSIfMetric = 0x891e;
inline constexpr uint32_t kSiocSIfMtu = 0x8922, kSiocSIfName = 0x8923, kSiocSIfHwAddr = 0x8924;
inline constexpr uint32_t kSiocAddRt = 0x890b, kSiocDelRt = 0x890c;

struct Ifconf {
  int32_t len;
  uint32_t pad;
  uint64_t buf;
};
static_assert(sizeof(Ifconf) == 16);

}  // namespace sentry::abi

#endif  // SENTRY_ABI_INET_H_
