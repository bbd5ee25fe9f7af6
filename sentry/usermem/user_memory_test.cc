#include "sentry/usermem/user_memory.h"

#include "gtest/gtest.h"
#include "sentry/usermem/fake_user_memory.h"
#include "sentry/usermem/user_ptr.h"

namespace sentry {
namespace {

TEST(CopyInString, FindsTheNul) {
  FakeUserMemory mem(0x3000);
  EXPECT_EQ(*CopyInString(mem, mem.PutString(10, "hello"), 4096), "hello");
  EXPECT_EQ(*CopyInString(mem, mem.PutString(10, ""), 4096), "");
  const std::string text(5000, 'x');
  EXPECT_EQ(*CopyInString(mem, mem.PutString(3, text), 8192), text);
}

TEST(CopyInString, MaxIncludesTheNul) {
  FakeUserMemory mem(0x3000);
  const UserAddr at = mem.PutString(0, std::string(10, 'x'));
  EXPECT_EQ(CopyInString(mem, at, 11)->size(), 10u);
  EXPECT_TRUE(CopyInString(mem, at, 10).Is(Errno::kENAMETOOLONG));
}

TEST(CopyInString, EndOfMappingIsNotCrossed) {
  FakeUserMemory mem(0x1000);
  EXPECT_EQ(*CopyInString(mem, mem.PutString(0x1000 - 4, "abc"), 4096), "abc");
  mem.Put(0x1000 - 4, uint32_t{0x41414141});
  EXPECT_TRUE(CopyInString(mem, mem.base() + 0xffc, 4096).Is(Errno::kEFAULT));
  EXPECT_TRUE(CopyInString(mem, UserAddr(0), 4096).Is(Errno::kEFAULT));
}

TEST(CopyFull, ShortIsEfault) {
  FakeUserMemory mem(0x1000);
  char buf[8] = {};
  EXPECT_TRUE(CopyInFull(mem, mem.base() + 0xffc, std::as_writable_bytes(std::span(buf))).Is(Errno::kEFAULT));
  EXPECT_TRUE(CopyOutFull(mem, mem.base() + 0xffc, std::as_bytes(std::span(buf))).Is(Errno::kEFAULT));
  EXPECT_TRUE(CopyInFull(mem, UserAddr(0), {}).ok());
}

TEST(UserPtr, ReadsAndWritesTypes) {
  FakeUserMemory mem(0x1000);
  const UserInOut<uint64_t> p(mem.base() + 8);
  ASSERT_TRUE(p.Write(mem, 42).ok());
  EXPECT_EQ(*p.Read(mem), 42u);
  EXPECT_EQ(UserIn<uint32_t>(p.addr()).ReadArray(mem, 2)->at(1), 0u);
}

TEST(UserRange, HostileLengths) {
  EXPECT_FALSE(MakeUserRange(UserAddr(0x1000), UINT64_MAX).has_value());
  EXPECT_FALSE(MakeUserRange(UserAddr(UINT64_MAX), 2).has_value());
  EXPECT_TRUE(MakeUserRange(UserAddr(0x1000), 0x1000).has_value());
  EXPECT_FALSE(CheckedPageRoundUp(UINT64_MAX).has_value());
}

}  // namespace
}  // namespace sentry
