#include "runsc-cpp/boot/net_devices.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

namespace runsc {

using sentry::NetDevice;

namespace {

using Bytes = std::span<const std::byte>;

constexpr size_t kMostDevices = 4096;
constexpr size_t kMostAddress = 32;  // Linux's MAX_ADDR_LEN
// IF_OPER_* of linux/if.h.
constexpr const char* kOperstates[] = {"unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"};

template <typename T>
std::optional<T> Load(Bytes bytes) {
  T value;
  if (bytes.size() < sizeof(T)) return std::nullopt;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

// Calls fn(header, payload) for each of a row of messages or attributes, which begin with their length in Header.
template <typename Header, typename Length, typename Fn>
void ForEach(Bytes bytes, Length length, Fn fn) {
  while (const std::optional<Header> header = Load<Header>(bytes)) {
    const size_t size = (*header).*length;
    if (size < sizeof(Header) || size > bytes.size()) return;
    fn(*header, bytes.subspan(sizeof(Header), size - sizeof(Header)));
    bytes = bytes.subspan(std::min(bytes.size(), (size + 3) & ~size_t{3}));
  }
}

std::vector<uint8_t> Address(Bytes payload) {
  payload = payload.first(std::min(payload.size(), kMostAddress));
  std::vector<uint8_t> address;
  for (const std::byte byte : payload) address.push_back(static_cast<uint8_t>(byte));
  return address;
}

bool IsName(const std::string& name) {
  return !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." && name.find('/') == name.npos;
}

void Take(uint16_t type, Bytes payload, NetDevice& device) {
  const auto number = [&] { return Load<uint32_t>(payload).value_or(0); };
  if (type == IFLA_IFNAME) {
    const auto* const text = reinterpret_cast<const char*>(payload.data());
    device.name.assign(text, strnlen(text, payload.size()));
  } else if (type == IFLA_ADDRESS) {
    device.address = Address(payload);
  } else if (type == IFLA_BROADCAST) {
    device.broadcast = Address(payload);
  } else if (type == IFLA_MTU) {
    device.mtu = number();
  } else if (type == IFLA_TXQLEN) {
    device.tx_queue_length = number();
  } else if (type == IFLA_LINK) {
    device.link_index = static_cast<int32_t>(number());
  } else if (type == IFLA_OPERSTATE && !payload.empty()) {
    const auto state = static_cast<size_t>(payload[0]);
    device.operstate = kOperstates[state < std::size(kOperstates) ? state : 0];
  } else if (type == IFLA_STATS64) {
    const std::optional<rtnl_link_stats64> s = Load<rtnl_link_stats64>(payload);
    if (!s) return;
    // In the order of kNetStatistics.
    device.statistics = {s->collisions, s->multicast, s->rx_bytes,   s->rx_dropped, s->rx_errors,
                         s->rx_packets, s->tx_bytes,  s->tx_dropped, s->tx_errors,  s->tx_packets};
  }
}

}  // namespace

std::optional<NetDevice> ParseLink(Bytes message) {
  const std::optional<ifinfomsg> info = Load<ifinfomsg>(message);
  if (!info) return std::nullopt;
  NetDevice device;
  device.index = device.link_index = info->ifi_index;
  device.flags = info->ifi_flags;
  device.type = info->ifi_type;
  ForEach<rtattr>(message.subspan(sizeof(ifinfomsg)), &rtattr::rta_len, [&](const rtattr& attribute, Bytes payload) {
    Take(attribute.rta_type & NLA_TYPE_MASK, payload, device);
  });
  if (!IsName(device.name)) return std::nullopt;
  return device;
}

std::vector<NetDevice> StackNetDevices::List() {
  struct {
    nlmsghdr header;
    ifinfomsg info;
  } question{};
  question.header.nlmsg_len = sizeof(question);
  question.header.nlmsg_type = RTM_GETLINK;
  question.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  question.info.ifi_family = AF_UNSPEC;
  std::vector<NetDevice> devices;
  const auto answer = stack_->Route(std::as_bytes(std::span(&question, 1)), sentry::NetStack::RouteCheck::kLoose);
  if (!answer.ok()) return devices;
  for (const std::vector<std::byte>& datagram : *answer) {
    ForEach<nlmsghdr>(datagram, &nlmsghdr::nlmsg_len, [&](const nlmsghdr& header, Bytes payload) {
      if (header.nlmsg_type != RTM_NEWLINK || devices.size() == kMostDevices) return;
      if (std::optional<NetDevice> device = ParseLink(payload)) devices.push_back(*std::move(device));
    });
  }
  return devices;
}

}  // namespace runsc
