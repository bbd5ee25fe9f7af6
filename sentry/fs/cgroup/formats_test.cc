#include <gtest/gtest.h>

#include "sentry/fs/cgroup/cgroup_files.h"

namespace sentry {
namespace {

TEST(CgroupFormats, Sizes) {
  EXPECT_EQ(*ParseCgroupSize("max"), kCgroupNoLimit);
  EXPECT_EQ(*ParseCgroupSize("4096"), 4096u);
  EXPECT_EQ(*ParseCgroupSize("4097"), 4096u);
  EXPECT_EQ(*ParseCgroupSize("64K"), 64u << 10);
  EXPECT_EQ(*ParseCgroupSize("2g"), uint64_t{2} << 30);
  EXPECT_EQ(*ParseCgroupSize("18446744073709551615"), kCgroupNoLimit);
  EXPECT_EQ(*ParseCgroupSize("9223372036854771712"), kCgroupNoLimit);
  for (const char* bad : {"", "x", "-1", "1 2", "K", "18446744073709551616"}) {
    EXPECT_TRUE(ParseCgroupSize(bad).Is(Errno::kEINVAL)) << bad;
  }
}

TEST(CgroupFormats, CpuLists) {
  EXPECT_EQ(*ParseCpuList(""), 0u);
  EXPECT_EQ(*ParseCpuList("0-2,5"), 0x27u);
  EXPECT_EQ(*ParseCpuList("63"), uint64_t{1} << 63);
  for (const char* bad : {"2-1", "64", "a", "1-", "-1", "0-18446744073709551615"}) {
    EXPECT_TRUE(ParseCpuList(bad).Is(Errno::kEINVAL)) << bad;
  }
  EXPECT_EQ(CpuListOf(0x27), "0-2,5");
  EXPECT_EQ(CpuListOf(0), "");
  EXPECT_EQ(CpuListOf(UINT64_MAX), "0-63");
}

TEST(CgroupFormats, CpuMax) {
  const CgroupLimits both = *ParseCpuMax("50000 200000", 100000);
  EXPECT_EQ(both.cpu_quota_us, 50000);
  EXPECT_EQ(both.cpu_period_us, 200000);
  const CgroupLimits none = *ParseCpuMax("max", 100000);
  EXPECT_EQ(none.cpu_quota_us, INT64_MAX);
  EXPECT_EQ(none.cpu_period_us, 100000);
  for (const char* bad : {"", "999", "5000 999", "5000 1000001", "x 1000", "5000 x", "99999999999999 1000"}) {
    EXPECT_TRUE(ParseCpuMax(bad, 100000).Is(Errno::kEINVAL)) << bad;
  }
}

}  // namespace
}  // namespace sentry
