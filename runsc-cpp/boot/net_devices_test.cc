#include "runsc-cpp/boot/net_devices.h"

#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

#include <cstring>
#include <string_view>

namespace runsc {
namespace {

using Message = std::vector<std::byte>;

void Append(Message& to, const void* from, size_t size) {
  const auto* const bytes = static_cast<const std::byte*>(from);
  to.insert(to.end(), bytes, bytes + size);
}

Message Link(std::string_view name) {
  Message message;
  ifinfomsg info{};
  info.ifi_index = 7, info.ifi_type = 1, info.ifi_flags = 0x1003;
  Append(message, &info, sizeof(info));
  const rtattr header{static_cast<uint16_t>(sizeof(rtattr) + name.size()), IFLA_IFNAME};
  Append(message, &header, sizeof(header));
  Append(message, name.data(), name.size());
  message.resize((message.size() + 3) & ~size_t{3});
  const rtattr mtu{sizeof(rtattr) + 4, IFLA_MTU};
  const uint32_t value = 1400;
  Append(message, &mtu, sizeof(mtu));
  Append(message, &value, sizeof(value));
  return message;
}

TEST(NetDevicesTest, ALinkIsRead) {
  const std::optional<sentry::NetDevice> device = ParseLink(Link("eth0"));
  ASSERT_TRUE(device);
  EXPECT_EQ(device->name, "eth0");
  EXPECT_EQ(device->index, 7);
  EXPECT_EQ(device->flags, 0x1003u);
  EXPECT_EQ(device->mtu, 1400u);
  EXPECT_FALSE(device->statistics);
}

TEST(NetDevicesTest, WhatIsCutShortOrNoNameIsNone) {
  const Message whole = Link("eth0");
  for (size_t size = 0; size < sizeof(ifinfomsg) + sizeof(rtattr) + 4; ++size) {
    EXPECT_FALSE(ParseLink(std::span(whole).first(size))) << size;
  }
  EXPECT_FALSE(ParseLink(Link("..")));
  EXPECT_FALSE(ParseLink(Link("a/b")));
  EXPECT_FALSE(ParseLink(Link("")));
  EXPECT_FALSE(ParseLink(Link("sixteen-letters.")));
}

}  // namespace
}  // namespace runsc
