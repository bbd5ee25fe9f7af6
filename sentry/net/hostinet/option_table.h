// The socket options that a guest's socket may pass on to its host socket, and
// so the only ones that the host filter lets the sentry use.
//
// Not here, and why: those that reach beyond the socket or its destination
// (SO_MARK, SO_BINDTODEVICE to set, IP_OPTIONS to set, TCP_FASTOPEN_CONNECT: a
// connection made by sendto), those that give the host code or memory
// (SO_ATTACH_*, TCP_ULP, SO_ZEROCOPY, UDP_ENCAP), those that turn a socket into
// another (IPV6_ADDRFORM), those that yield descriptors (SO_PEERPIDFD). What the
// host allows only with a capability is here: the sentry has none.
//
// Plain data, as the filter's generator reads it too.
#ifndef SENTRY_NET_HOSTINET_OPTION_TABLE_H_
#define SENTRY_NET_HOSTINET_OPTION_TABLE_H_

#include <cstdint>

namespace sentry::hostinet {

enum class OptionUse : uint8_t { kGet = 1, kSet = 2, kBoth = 3 };

struct HostOption {
  int level;
  int name;
  OptionUse use;
  uint16_t max_size;  // what the host would look at or tell, at most
};

inline constexpr int kLevelIp = 0, kLevelSocket = 1, kLevelTcp = 6, kLevelUdp = 17, kLevelIpv6 = 41;
inline constexpr int kLevelIcmpv6 = 58, kLevelRaw = 255;
inline constexpr uint16_t kMaxOptionSize = 512;

inline constexpr HostOption kHostOptions[] = {
    {kLevelSocket, 1 /* SO_DEBUG */, OptionUse::kBoth, 4},
    {kLevelSocket, 2 /* SO_REUSEADDR */, OptionUse::kBoth, 4},
    {kLevelSocket, 4 /* SO_ERROR */, OptionUse::kGet, 4},
    {kLevelSocket, 5 /* SO_DONTROUTE */, OptionUse::kBoth, 4},
    {kLevelSocket, 6 /* SO_BROADCAST */, OptionUse::kBoth, 4},
    {kLevelSocket, 7 /* SO_SNDBUF */, OptionUse::kBoth, 4},
    {kLevelSocket, 8 /* SO_RCVBUF */, OptionUse::kBoth, 4},
    {kLevelSocket, 9 /* SO_KEEPALIVE */, OptionUse::kBoth, 4},
    {kLevelSocket, 10 /* SO_OOBINLINE */, OptionUse::kBoth, 4},
    {kLevelSocket, 11 /* SO_NO_CHECK */, OptionUse::kBoth, 4},
    {kLevelSocket, 12 /* SO_PRIORITY */, OptionUse::kBoth, 4},
    {kLevelSocket, 13 /* SO_LINGER: off, or at once */, OptionUse::kSet, 8},
    {kLevelSocket, 15 /* SO_REUSEPORT */, OptionUse::kBoth, 4},
    {kLevelSocket, 18 /* SO_RCVLOWAT */, OptionUse::kBoth, 4},
    {kLevelSocket, 19 /* SO_SNDLOWAT */, OptionUse::kGet, 4},
    {kLevelSocket, 25 /* SO_BINDTODEVICE */, OptionUse::kGet, 16},
    {kLevelSocket, 29 /* SO_TIMESTAMP */, OptionUse::kBoth, 4},
    {kLevelSocket, 30 /* SO_ACCEPTCONN */, OptionUse::kGet, 4},
    {kLevelSocket, 35 /* SO_TIMESTAMPNS */, OptionUse::kBoth, 4},
    {kLevelSocket, 36 /* SO_MARK */, OptionUse::kGet, 4},
    {kLevelSocket, 40 /* SO_RXQ_OVFL */, OptionUse::kBoth, 4},
    {kLevelSocket, 42 /* SO_PEEK_OFF */, OptionUse::kBoth, 4},
    {kLevelSocket, 47 /* SO_MAX_PACING_RATE */, OptionUse::kBoth, 8},
    {kLevelSocket, 49 /* SO_INCOMING_CPU */, OptionUse::kGet, 4},
    {kLevelSocket, 55 /* SO_MEMINFO */, OptionUse::kGet, 36},
    {kLevelSocket, 57 /* SO_COOKIE */, OptionUse::kGet, 8},
    {kLevelSocket, 63 /* SO_TIMESTAMP_NEW */, OptionUse::kBoth, 4},
    {kLevelSocket, 64 /* SO_TIMESTAMPNS_NEW */, OptionUse::kBoth, 4},

    {kLevelIp, 1 /* IP_TOS */, OptionUse::kBoth, 4},
    {kLevelIp, 2 /* IP_TTL */, OptionUse::kBoth, 4},
    {kLevelIp, 3 /* IP_HDRINCL */, OptionUse::kBoth, 4},
    {kLevelIp, 4 /* IP_OPTIONS */, OptionUse::kGet, 40},
    {kLevelIp, 6 /* IP_RECVOPTS */, OptionUse::kBoth, 4},
    {kLevelIp, 7 /* IP_RETOPTS */, OptionUse::kBoth, 4},
    {kLevelIp, 8 /* IP_PKTINFO */, OptionUse::kBoth, 4},
    {kLevelIp, 10 /* IP_MTU_DISCOVER */, OptionUse::kBoth, 4},
    {kLevelIp, 11 /* IP_RECVERR */, OptionUse::kBoth, 4},
    {kLevelIp, 12 /* IP_RECVTTL */, OptionUse::kBoth, 4},
    {kLevelIp, 13 /* IP_RECVTOS */, OptionUse::kBoth, 4},
    {kLevelIp, 14 /* IP_MTU */, OptionUse::kGet, 4},
    {kLevelIp, 15 /* IP_FREEBIND */, OptionUse::kBoth, 4},
    {kLevelIp, 19 /* IP_TRANSPARENT */, OptionUse::kBoth, 4},
    {kLevelIp, 20 /* IP_RECVORIGDSTADDR */, OptionUse::kBoth, 4},
    {kLevelIp, 21 /* IP_MINTTL */, OptionUse::kBoth, 4},
    {kLevelIp, 24 /* IP_BIND_ADDRESS_NO_PORT */, OptionUse::kBoth, 4},
    {kLevelIp, 32 /* IP_MULTICAST_IF */, OptionUse::kBoth, 12},
    {kLevelIp, 33 /* IP_MULTICAST_TTL */, OptionUse::kBoth, 4},
    {kLevelIp, 34 /* IP_MULTICAST_LOOP */, OptionUse::kBoth, 4},
    {kLevelIp, 35 /* IP_ADD_MEMBERSHIP */, OptionUse::kSet, 12},
    {kLevelIp, 36 /* IP_DROP_MEMBERSHIP */, OptionUse::kSet, 12},
    {kLevelIp, 37 /* IP_UNBLOCK_SOURCE */, OptionUse::kSet, 12},
    {kLevelIp, 38 /* IP_BLOCK_SOURCE */, OptionUse::kSet, 12},
    {kLevelIp, 39 /* IP_ADD_SOURCE_MEMBERSHIP */, OptionUse::kSet, 12},
    {kLevelIp, 40 /* IP_DROP_SOURCE_MEMBERSHIP */, OptionUse::kSet, 12},
    {kLevelIp, 42 /* MCAST_JOIN_GROUP */, OptionUse::kSet, 136},
    {kLevelIp, 43 /* MCAST_BLOCK_SOURCE */, OptionUse::kSet, 264},
    {kLevelIp, 44 /* MCAST_UNBLOCK_SOURCE */, OptionUse::kSet, 264},
    {kLevelIp, 45 /* MCAST_LEAVE_GROUP */, OptionUse::kSet, 136},
    {kLevelIp, 46 /* MCAST_JOIN_SOURCE_GROUP */, OptionUse::kSet, 264},
    {kLevelIp, 47 /* MCAST_LEAVE_SOURCE_GROUP */, OptionUse::kSet, 264},
    {kLevelIp, 49 /* IP_MULTICAST_ALL */, OptionUse::kBoth, 4},
    {kLevelIp, 50 /* IP_UNICAST_IF */, OptionUse::kBoth, 4},
    {kLevelIp, 51 /* IP_LOCAL_PORT_RANGE */, OptionUse::kBoth, 4},
    {kLevelIp, 80 /* SO_ORIGINAL_DST */, OptionUse::kGet, 16},

    {kLevelTcp, 1 /* TCP_NODELAY */, OptionUse::kBoth, 4},
    {kLevelTcp, 2 /* TCP_MAXSEG */, OptionUse::kBoth, 4},
    {kLevelTcp, 3 /* TCP_CORK */, OptionUse::kBoth, 4},
    {kLevelTcp, 4 /* TCP_KEEPIDLE */, OptionUse::kBoth, 4},
    {kLevelTcp, 5 /* TCP_KEEPINTVL */, OptionUse::kBoth, 4},
    {kLevelTcp, 6 /* TCP_KEEPCNT */, OptionUse::kBoth, 4},
    {kLevelTcp, 7 /* TCP_SYNCNT */, OptionUse::kBoth, 4},
    {kLevelTcp, 8 /* TCP_LINGER2 */, OptionUse::kBoth, 4},
    {kLevelTcp, 9 /* TCP_DEFER_ACCEPT */, OptionUse::kBoth, 4},
    {kLevelTcp, 10 /* TCP_WINDOW_CLAMP */, OptionUse::kBoth, 4},
    {kLevelTcp, 11 /* TCP_INFO */, OptionUse::kGet, 512},
    {kLevelTcp, 12 /* TCP_QUICKACK */, OptionUse::kBoth, 4},
    {kLevelTcp, 13 /* TCP_CONGESTION */, OptionUse::kBoth, 16},
    {kLevelTcp, 18 /* TCP_USER_TIMEOUT */, OptionUse::kBoth, 4},
    {kLevelTcp, 23 /* TCP_FASTOPEN: of a listener */, OptionUse::kBoth, 4},
    {kLevelTcp, 24 /* TCP_TIMESTAMP */, OptionUse::kGet, 4},
    {kLevelTcp, 25 /* TCP_NOTSENT_LOWAT */, OptionUse::kBoth, 4},
    {kLevelTcp, 36 /* TCP_INQ */, OptionUse::kBoth, 4},

    {kLevelUdp, 1 /* UDP_CORK */, OptionUse::kBoth, 4},
    {kLevelUdp, 103 /* UDP_SEGMENT */, OptionUse::kBoth, 4},
    {kLevelUdp, 104 /* UDP_GRO */, OptionUse::kBoth, 4},

    {kLevelIpv6, 7 /* IPV6_CHECKSUM */, OptionUse::kBoth, 4},
    {kLevelIpv6, 16 /* IPV6_UNICAST_HOPS */, OptionUse::kBoth, 4},
    {kLevelIpv6, 17 /* IPV6_MULTICAST_IF */, OptionUse::kBoth, 4},
    {kLevelIpv6, 18 /* IPV6_MULTICAST_HOPS */, OptionUse::kBoth, 4},
    {kLevelIpv6, 19 /* IPV6_MULTICAST_LOOP */, OptionUse::kBoth, 4},
    {kLevelIpv6, 20 /* IPV6_ADD_MEMBERSHIP */, OptionUse::kSet, 20},
    {kLevelIpv6, 21 /* IPV6_DROP_MEMBERSHIP */, OptionUse::kSet, 20},
    {kLevelIpv6, 23 /* IPV6_MTU_DISCOVER */, OptionUse::kBoth, 4},
    {kLevelIpv6, 24 /* IPV6_MTU */, OptionUse::kBoth, 4},
    {kLevelIpv6, 25 /* IPV6_RECVERR */, OptionUse::kBoth, 4},
    {kLevelIpv6, 26 /* IPV6_V6ONLY */, OptionUse::kBoth, 4},
    {kLevelIpv6, 29 /* IPV6_MULTICAST_ALL */, OptionUse::kBoth, 4},
    {kLevelIpv6, 42 /* MCAST_JOIN_GROUP */, OptionUse::kSet, 136},
    {kLevelIpv6, 43 /* MCAST_BLOCK_SOURCE */, OptionUse::kSet, 264},
    {kLevelIpv6, 44 /* MCAST_UNBLOCK_SOURCE */, OptionUse::kSet, 264},
    {kLevelIpv6, 45 /* MCAST_LEAVE_GROUP */, OptionUse::kSet, 136},
    {kLevelIpv6, 46 /* MCAST_JOIN_SOURCE_GROUP */, OptionUse::kSet, 264},
    {kLevelIpv6, 47 /* MCAST_LEAVE_SOURCE_GROUP */, OptionUse::kSet, 264},
    {kLevelIpv6, 49 /* IPV6_RECVPKTINFO */, OptionUse::kBoth, 4},
    {kLevelIpv6, 51 /* IPV6_RECVHOPLIMIT */, OptionUse::kBoth, 4},
    {kLevelIpv6, 60 /* IPV6_RECVPATHMTU */, OptionUse::kBoth, 4},
    {kLevelIpv6, 61 /* IPV6_PATHMTU */, OptionUse::kGet, 32},
    {kLevelIpv6, 62 /* IPV6_DONTFRAG */, OptionUse::kBoth, 4},
    {kLevelIpv6, 66 /* IPV6_RECVTCLASS */, OptionUse::kBoth, 4},
    {kLevelIpv6, 67 /* IPV6_TCLASS */, OptionUse::kBoth, 4},
    {kLevelIpv6, 70 /* IPV6_AUTOFLOWLABEL */, OptionUse::kBoth, 4},
    {kLevelIpv6, 72 /* IPV6_ADDR_PREFERENCES */, OptionUse::kBoth, 4},
    {kLevelIpv6, 73 /* IPV6_MINHOPCOUNT */, OptionUse::kBoth, 4},
    {kLevelIpv6, 76 /* IPV6_UNICAST_IF */, OptionUse::kBoth, 4},
    {kLevelIpv6, 78 /* IPV6_FREEBIND */, OptionUse::kBoth, 4},

    {kLevelIcmpv6, 1 /* ICMPV6_FILTER */, OptionUse::kBoth, 32},
    {kLevelRaw, 1 /* ICMP_FILTER */, OptionUse::kBoth, 4},
};

constexpr const HostOption* FindHostOption(int level, int name, OptionUse use) {
  for (const HostOption& option : kHostOptions) {
    if (option.level != level || option.name != name) continue;
    return (static_cast<uint8_t>(option.use) & static_cast<uint8_t>(use)) != 0 ? &option : nullptr;
  }
  return nullptr;
}

constexpr bool SizesAreBounded() {
  for (const HostOption& option : kHostOptions) {
    if (option.max_size == 0 || option.max_size > kMaxOptionSize) return false;
  }
  return true;
}
static_assert(SizesAreBounded());

}  // namespace sentry::hostinet

#endif  // SENTRY_NET_HOSTINET_OPTION_TABLE_H_
