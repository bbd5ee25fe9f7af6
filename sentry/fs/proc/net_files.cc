// /proc/PID/net and /proc/sys/net: text that the network's owner answers.
#include <array>
#include <iterator>
#include <utility>

#include "sentry/fs/proc/proc_rows.h"

namespace sentry {
namespace {

constexpr const char* kNet = "net";
constexpr const char* kCore = "sys/net/core";
constexpr const char* kIpv4 = "sys/net/ipv4";

constexpr const char* kNetNames[] = {"arp",       "dev", "icmp", "icmp6", "if_inet6", "igmp",  "ipv6_route",
                                     "netstat",   "raw", "raw6", "route", "snmp",     "snmp6", "sockstat",
                                     "sockstat6", "tcp", "tcp6", "udp",   "udp6"};
constexpr const char* kCoreNames[] = {"somaxconn"};
constexpr const char* kIpv4Names[] = {"ip_forward",           "ip_local_port_range", "ip_unprivileged_port_start",
                                      "ping_group_range",     "tcp_fin_timeout",     "tcp_keepalive_intvl",
                                      "tcp_keepalive_probes", "tcp_keepalive_time"};

// A row for each name: its functions have the place as template arguments.
template <const auto& kDirectory, const auto& kNames, size_t kIndex>
constexpr ProcFileRow Row() {
  ProcFileRow row = {kNames[kIndex], 0444,
                     [](const ProcRequest& r) { return r.view.NetFile(kDirectory, kNames[kIndex]); }};
  row.present = [](ProcessView& view) { return view.HasNetFile(kDirectory, kNames[kIndex]); };
  return row;
}

template <const auto& kDirectory, const auto& kNames, size_t... kIndices>
constexpr std::array<ProcFileRow, sizeof...(kIndices)> RowsOf(std::index_sequence<kIndices...>) {
  return {Row<kDirectory, kNames, kIndices>()...};
}

constexpr auto kNetRows = RowsOf<kNet, kNetNames>(std::make_index_sequence<std::size(kNetNames)>());
constexpr auto kCoreRows = RowsOf<kCore, kCoreNames>(std::make_index_sequence<std::size(kCoreNames)>());
constexpr auto kIpv4Rows = RowsOf<kIpv4, kIpv4Names>(std::make_index_sequence<std::size(kIpv4Names)>());

constexpr ProcDirRow kNetDir = {"net", kNetRows, {}};
constexpr ProcDirRow kSysNetDirs[] = {{"core", kCoreRows, {}}, {"ipv4", kIpv4Rows, {}}};

}  // namespace

const ProcDirRow& NetDirRow() { return kNetDir; }
std::span<const ProcDirRow> SysNetDirRows() { return kSysNetDirs; }

}  // namespace sentry
