#include "base/result.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"

namespace base {
namespace {

Result<int> Half(int v) {
  if (v % 2 != 0) return Errno::kEINVAL;
  return v / 2;
}

Result<std::string> HalfAsText(int v) {
  const int half = TRY(Half(v));
  return std::to_string(half);
}

Result<void> CheckHalf(int v) {
  TRY(Half(v));
  return Ok();
}

TEST(Result, CarriesTheValue) {
  EXPECT_EQ(*Half(4), 2);
  EXPECT_EQ(*HalfAsText(10), "5");
  EXPECT_TRUE(CheckHalf(2).ok());
}

TEST(Result, TryPropagatesTheErrorToAnotherType) {
  EXPECT_TRUE(HalfAsText(3).Is(Errno::kEINVAL));
  EXPECT_TRUE(CheckHalf(3).Is(Errno::kEINVAL));
  EXPECT_FALSE(CheckHalf(3).Is(Errno::kEPERM));
}

TEST(Result, HoldsMoveOnlyValues) {
  Result<std::unique_ptr<int>> r(std::make_unique<int>(7));
  ASSERT_TRUE(r.ok());
  std::unique_ptr<int> p = std::move(r).value();
  EXPECT_EQ(*p, 7);
}

TEST(Errno, HasLinuxNames) {
  EXPECT_EQ(ErrnoName(Errno::kENOENT), "ENOENT");
  EXPECT_EQ(ErrnoName(Errno::kEAGAIN), "EAGAIN");
  EXPECT_EQ(ErrnoName(static_cast<Errno>(999)), "E?");
  errno = ENOSPC;
  EXPECT_EQ(HostErrno(), Errno::kENOSPC);
}

TEST(ResultDeathTest, ValueOfAnErrorAborts) {
  Result<int> r(Errno::kEIO);
  EXPECT_DEATH((void)r.value(), "");
}

}  // namespace
}  // namespace base
