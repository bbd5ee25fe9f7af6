#include "sentry/usermem/io_buffer.h"

#include <string>

#include "gtest/gtest.h"
#include "sentry/usermem/fake_user_memory.h"

namespace sentry {
namespace {

std::span<const std::byte> Bytes(std::string_view s) { return std::as_bytes(std::span(s.data(), s.size())); }

TEST(UserIoSink, ScattersOverIovecs) {
  FakeUserMemory mem(0x1000);
  UserIoSink sink(mem, {{mem.base(), 2}, {mem.base() + 0x100, 0}, {mem.base() + 0x200, 4}});
  EXPECT_EQ(sink.remaining(), 6u);
  EXPECT_EQ(*sink.Write(Bytes("abc")), 3u);
  EXPECT_EQ(*sink.Write(Bytes("defgh")), 3u);
  EXPECT_EQ(sink.remaining(), 0u);
  EXPECT_EQ(*sink.Write(Bytes("x")), 0u);
  EXPECT_EQ(memcmp(mem.bytes().data(), "ab", 2), 0);
  EXPECT_EQ(memcmp(mem.bytes().data() + 0x200, "cdef", 4), 0);
}

TEST(UserIoSink, StopsAtABadByteThenFails) {
  FakeUserMemory mem(0x1000);
  UserIoSink sink(mem, mem.base() + 0xffe, 10);
  EXPECT_EQ(*sink.Write(Bytes("abcd")), 2u);
  EXPECT_TRUE(sink.Write(Bytes("cd")).Is(Errno::kEFAULT));
  EXPECT_EQ(sink.remaining(), 8u);
}

TEST(UserIoSink, Zeroes) {
  FakeUserMemory mem(0x1000);
  mem.Put<uint64_t>(0, ~uint64_t{0});
  UserIoSink sink(mem, mem.base(), 4);
  EXPECT_EQ(*sink.Zero(100), 4u);
  EXPECT_EQ(mem.Get<uint64_t>(0), 0xffffffff00000000u);
}

TEST(UserIoSource, GathersAndRewindsAcrossIovecs) {
  FakeUserMemory mem(0x1000);
  mem.PutString(0, "abcdef");
  UserIoSource source(mem, {{mem.base(), 2}, {mem.base() + 2, 0}, {mem.base() + 2, 4}});
  char buf[8] = {};
  auto out = std::as_writable_bytes(std::span(buf));
  EXPECT_EQ(*source.Read(out.first(5)), 5u);
  EXPECT_EQ(std::string(buf), "abcde");
  source.Rewind(4);
  EXPECT_EQ(source.remaining(), 5u);
  EXPECT_EQ(*source.Read(out), 5u);
  EXPECT_EQ(std::string(buf, 5), "bcdef");
}

TEST(UserIoSource, HostileLengthsDoNotWrap) {
  FakeUserMemory mem(0x1000);
  UserIoSource source(mem, {{mem.base(), UINT64_MAX}, {mem.base(), UINT64_MAX}});
  char buf[4];
  EXPECT_EQ(*source.Read(std::as_writable_bytes(std::span(buf))), 4u);
  UserIoSource wild(mem, UserAddr(UINT64_MAX - 1), 100);
  EXPECT_TRUE(wild.Read(std::as_writable_bytes(std::span(buf))).Is(Errno::kEFAULT));
}

TEST(KernelIo, CopiesWhatFits) {
  char buf[4] = {};
  KernelIoSink sink(std::as_writable_bytes(std::span(buf)));
  EXPECT_EQ(*sink.Write(Bytes("ab")), 2u);
  EXPECT_EQ(*sink.Write(Bytes("cdef")), 2u);
  EXPECT_EQ(std::string(buf, 4), "abcd");
  KernelIoSource source(Bytes("xyz"));
  EXPECT_EQ(*source.Read(std::as_writable_bytes(std::span(buf, 2))), 2u);
  source.Rewind(1);
  EXPECT_EQ(source.remaining(), 2u);
}

}  // namespace
}  // namespace sentry
