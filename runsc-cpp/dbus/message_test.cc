#include "runsc-cpp/dbus/message.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"

namespace runsc::dbus {
namespace {

// The same message, marshalled by libdbus 1.14.
constexpr char kStartTransientUnit[] =
    "6c0100014001000007000000b600000001016f00190000002f6f72672f667265656465736b746f702f73797374656d643100"
    "00000000000006017300180000006f72672e667265656465736b746f702e73797374656d6431000000000000000002017300"
    "200000006f72672e667265656465736b746f702e73797374656d64312e4d616e616765720000000000000000030173001200"
    "000053746172745472616e7369656e74556e6974000000000000080167001073736128737629612873612873762929000000"
    "0d00000072756e632d63312e73636f7065000000070000007265706c6163650010010000000000000b000000446573637269"
    "7074696f6e0001730000190000006c6962636f6e7461696e657220636f6e7461696e65722063310000000000000008000000"
    "44656c6567617465000162000100000000000000040000005049447300026175000000000400000067120000090000004d65"
    "6d6f72794d6178000174000000000000000000000000020000000b000000416c6c6f77656443505573000261790001000000"
    "05000000000000000500000057616e7473000261730000001200000007000000612e736c6963650001000000620000000600"
    "0000576569676874000164000000000000000000f83f030000004c6f77000178000000000000ffffffffffffffff03000000"
    "496e740001690000feffffff0000000000000000";

Message StartTransientUnit() {
  BodyWriter body;
  body.PutString("runc-c1.scope");
  body.PutString("replace");
  body.PutProperties({{"Description", std::string("libcontainer container c1")},
                      {"Delegate", true},
                      {"PIDs", std::vector<uint32_t>{4711}},
                      {"MemoryMax", uint64_t{1} << 33},
                      {"AllowedCPUs", Bytes{"\x05"}},
                      {"Wants", std::vector<std::string>{"a.slice", "b"}},
                      {"Weight", 1.5},
                      {"Low", int64_t{-1}},
                      {"Int", int32_t{-2}}});
  body.EndArray(body.BeginArray(8));
  Message m;
  m.serial = 7;
  m.path = "/org/freedesktop/systemd1";
  m.destination = "org.freedesktop.systemd1";
  m.interface = "org.freedesktop.systemd1.Manager";
  m.member = "StartTransientUnit";
  m.signature = "ssa(sv)a(sa(sv))";
  m.body = body.bytes();
  return m;
}

TEST(Message, HasTheBytesThatLibdbusMakes) {
  EXPECT_EQ(absl::BytesToHexString(Encode(StartTransientUnit())), kStartTransientUnit);
}

TEST(Message, IsReadBack) {
  const auto m = Decode(absl::HexStringToBytes(kStartTransientUnit));
  ASSERT_TRUE(m.ok()) << m.status();
  EXPECT_EQ(m->type, MessageType::kMethodCall);
  EXPECT_EQ(m->serial, 7u);
  EXPECT_EQ(m->path, "/org/freedesktop/systemd1");
  EXPECT_EQ(m->interface, "org.freedesktop.systemd1.Manager");
  EXPECT_EQ(m->member, "StartTransientUnit");
  EXPECT_EQ(m->destination, "org.freedesktop.systemd1");
  EXPECT_EQ(m->signature, "ssa(sv)a(sa(sv))");
  BodyReader body(m->body);
  EXPECT_EQ(body.String(), "runc-c1.scope");
  EXPECT_EQ(body.String(), "replace");
  const size_t end = body.BeginArray(8);
  body.Align(8);
  EXPECT_EQ(body.String(), "Description");
  EXPECT_EQ(body.Variant(), Value(std::string("libcontainer container c1")));
  body.Align(8);
  EXPECT_EQ(body.String(), "Delegate");
  EXPECT_EQ(body.Variant(), Value(true));
  EXPECT_LT(body.position(), end);
  EXPECT_TRUE(body.ok());
}

TEST(Message, LengthIsToldByTheHead) {
  const std::string bytes = Encode(StartTransientUnit());
  const auto length = MessageLength(absl::string_view(bytes).substr(0, kHeadBytes));
  ASSERT_TRUE(length.ok());
  EXPECT_EQ(*length, bytes.size());
}

TEST(Message, EachBrokenByteIsHandled) {
  const std::string good = Encode(StartTransientUnit());
  for (size_t i = 0; i < good.size(); ++i) {
    for (const char c : {'\0', '\x7f', '\xff'}) {
      std::string bad = good;
      bad[i] = c;
      const auto m = Decode(bad);  // whatever it says: no crash, no read outside (asan)
      if (m.ok()) {
        EXPECT_LE(m->body.size(), bad.size());
      }
    }
  }
}

TEST(Message, EachTruncationIsAnError) {
  const std::string good = Encode(StartTransientUnit());
  for (size_t n = 0; n < good.size(); ++n) EXPECT_FALSE(Decode(good.substr(0, n)).ok()) << n;
}

TEST(Message, TooLongIsRefused) {
  std::string head = Encode(StartTransientUnit()).substr(0, kHeadBytes);
  head[7] = 0x7f;
  EXPECT_FALSE(MessageLength(head).ok());
  head[7] = 0;
  head[0] = 'B';
  EXPECT_FALSE(MessageLength(head).ok());
}

TEST(BodyReader, FailsForGoodAtTheFirstThingThatDoesNotFit) {
  BodyReader body(absl::string_view("\x05\0\0\0ab", 6));
  EXPECT_EQ(body.String(), "");
  EXPECT_FALSE(body.ok());
  EXPECT_EQ(body.Uint32(), 0u);
  EXPECT_EQ(body.BeginArray(8), body.position());
  EXPECT_FALSE(body.ok());
}

TEST(BodyReader, StringWithoutItsZeroIsAnError) {
  BodyReader body(absl::string_view("\x01\0\0\0ab", 6));
  EXPECT_EQ(body.String(), "");
  EXPECT_FALSE(body.ok());
}

}  // namespace
}  // namespace runsc::dbus
