// What sysfs asks of the kernel and of the network. Every answer is a copy.
#ifndef SENTRY_FS_SYS_SYS_VIEW_H_
#define SENTRY_FS_SYS_SYS_VIEW_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sentry {

// An interface, as /sys/class/net shows it.
struct NetDevice {
  std::string name;  // no '/', not "." or ".."
  int32_t index = 0;
  int32_t link_index = 0;  // iflink
  uint32_t flags = 0;      // IFF_*
  uint32_t type = 1;       // ARPHRD_*
  uint32_t mtu = 1500;
  uint32_t tx_queue_length = 1000;
  std::vector<uint8_t> address, broadcast;
  std::string operstate = "unknown";  // up, down, unknown, ... (RFC 2863)
  // Speed and duplex of a link that has them.
  std::optional<int32_t> speed_mbps;
  // In the order of kNetStatistics; none: nothing is counted, and there is no `statistics`.
  static constexpr size_t kStatistics = 10;
  std::optional<std::array<uint64_t, kStatistics>> statistics;
};
inline constexpr std::array<const char*, NetDevice::kStatistics> kNetStatistics = {
    "collisions", "multicast", "rx_bytes",   "rx_dropped", "rx_errors",
    "rx_packets", "tx_bytes",  "tx_dropped", "tx_errors",  "tx_packets",
};

// The interfaces of one network namespace; a sysfs shows the one it was mounted in.
class NetDevices {
 public:
  virtual ~NetDevices() = default;
  virtual std::vector<NetDevice> List() = 0;
};

class SysView {
 public:
  virtual ~SysView() = default;
  virtual uint32_t CpuCount() = 0;  // CPUs 0 to CpuCount() - 1 are online; at least 1
  struct Memory {
    uint64_t total = 0, free = 0;  // bytes
  };
  virtual Memory GetMemory() = 0;
  // Whether dense anonymous memory gets 2 MiB pages.
  virtual bool HugePages() = 0;
};

}  // namespace sentry

#endif  // SENTRY_FS_SYS_SYS_VIEW_H_
