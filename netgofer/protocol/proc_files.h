// The files below /proc that tell of a network namespace and that a guest may
// read: all read-only text of the host, of the netgofer's own namespace.
//
// Not here: `unix`, whose sockets are the sentry's, and what tells of packets'
// contents or of other processes.
#ifndef NETGOFER_PROTOCOL_PROC_FILES_H_
#define NETGOFER_PROTOCOL_PROC_FILES_H_

#include <cstddef>
#include <iterator>
#include <string_view>

namespace netgofer {

struct ProcFile {
  std::string_view directory;  // below /proc
  std::string_view name;
};

inline constexpr ProcFile kProcFiles[] = {
    {"net", "arp"},
    {"net", "dev"},
    {"net", "icmp"},
    {"net", "icmp6"},
    {"net", "if_inet6"},
    {"net", "igmp"},
    {"net", "ipv6_route"},
    {"net", "netstat"},
    {"net", "raw"},
    {"net", "raw6"},
    {"net", "route"},
    {"net", "snmp"},
    {"net", "snmp6"},
    {"net", "sockstat"},
    {"net", "sockstat6"},
    {"net", "tcp"},
    {"net", "tcp6"},
    {"net", "udp"},
    {"net", "udp6"},
    {"sys/net/core", "somaxconn"},
    {"sys/net/ipv4", "ip_forward"},
    {"sys/net/ipv4", "ip_local_port_range"},
    {"sys/net/ipv4", "ip_unprivileged_port_start"},
    {"sys/net/ipv4", "ping_group_range"},
    {"sys/net/ipv4", "tcp_fin_timeout"},
    {"sys/net/ipv4", "tcp_keepalive_intvl"},
    {"sys/net/ipv4", "tcp_keepalive_probes"},
    {"sys/net/ipv4", "tcp_keepalive_time"},
};
inline constexpr size_t kProcFileCount = std::size(kProcFiles);
static_assert(kProcFileCount <= 64);  // a bit each in Hello

// kProcFileCount: there is none.
constexpr size_t FindProcFile(std::string_view directory, std::string_view name) {
  size_t i = 0;
  while (i < kProcFileCount && (kProcFiles[i].directory != directory || kProcFiles[i].name != name)) ++i;
  return i;
}

}  // namespace netgofer

#endif  // NETGOFER_PROTOCOL_PROC_FILES_H_
