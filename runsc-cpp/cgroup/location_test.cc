#include "runsc-cpp/cgroup/location.h"

#include <gtest/gtest.h>

#include "runsc-cpp/cgroup/convert.h"

namespace runsc::cgroup {
namespace {

constexpr char kHybrid[] =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 /docker/a /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    "50 31 0:29 / /mnt/else\\040where rw,relatime - cgroup cgroup rw,pids\n";
constexpr char kUnified[] = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

Location Cgroupfs(absl::string_view path) { return *ParseCgroupsPath(Driver::kCgroupfs, path, "id"); }

Paths Find(const char* mountinfo, const Membership& own, const Location& location, absl::string_view manager = "") {
  const auto paths = FindPaths(ParseLayout(mountinfo, kCgroupRoot), own, location, manager);
  EXPECT_TRUE(paths.ok()) << paths.status();
  return paths.value_or(Paths());
}

TEST(ParseLayout, FindsEachControllerOnce) {
  const Layout layout = ParseLayout(kHybrid, kCgroupRoot);
  EXPECT_EQ(layout.mode, Mode::kHybrid);
  ASSERT_EQ(layout.mounts.size(), 5u);
  EXPECT_EQ(layout.mounts.at("cpu").point, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(layout.mounts.at("cpuacct").point, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(layout.mounts.at("memory").root, "/docker/a");
  EXPECT_EQ(layout.mounts.at("").point, "/sys/fs/cgroup/unified");
  EXPECT_FALSE(layout.mounts.contains("pids"));  // outside the root
}

TEST(ParseLayout, TellsTheModes) {
  EXPECT_EQ(ParseLayout(kUnified, kCgroupRoot).mode, Mode::kUnified);
  EXPECT_EQ(ParseLayout("", kCgroupRoot).mode, Mode::kNone);
  EXPECT_EQ(ParseLayout("1 2 0:3 / /sys/fs/cgroup/cpu rw - cgroup c rw,cpu\n", kCgroupRoot).mode, Mode::kLegacy);
}

TEST(ParseLayout, UndoesTheKernelsEscapes) {
  const Layout layout = ParseLayout("1 2 0:3 / /my\\040root/cpu rw - cgroup c rw,cpu\n", "/my root");
  EXPECT_EQ(layout.mounts.at("cpu").point, "/my root/cpu");
}

TEST(ParseMembership, SplitsControllers) {
  const auto m = ParseMembership("4:cpu,cpuacct:/a:b\n1:name=systemd:/s\n0::/u\n");
  ASSERT_TRUE(m.ok());
  EXPECT_EQ(*m, (Membership{{"cpu", "/a:b"}, {"cpuacct", "/a:b"}, {"name=systemd", "/s"}, {"", "/u"}}));
  EXPECT_FALSE(ParseMembership("nonsense\n").ok());
}

TEST(CleanPath, CannotClimbOut) {
  EXPECT_EQ(CleanPath("/a/../../b"), "/b");
  EXPECT_EQ(CleanPath("../../a//./b/"), "a/b");
  EXPECT_EQ(CleanPath("/"), "/");
  EXPECT_EQ(CleanPath(""), "");
}

TEST(Cgroupfs, AbsolutePathIsBelowEachMount) {
  const Paths paths = Find(kHybrid, {}, Cgroupfs("/docker/../docker/x"));
  EXPECT_EQ(paths.at("cpu"), "/sys/fs/cgroup/cpu,cpuacct/docker/x");
  EXPECT_EQ(paths.at("memory"), "/sys/fs/cgroup/memory/docker/x");
  EXPECT_EQ(paths.at(""), "/sys/fs/cgroup/unified/docker/x");
  EXPECT_EQ(Find(kUnified, {}, Cgroupfs("/p/x")), (Paths{{"", "/sys/fs/cgroup/p/x"}}));
}

TEST(Cgroupfs, RelativePathIsBelowOurOwn) {
  const Membership own = {
      {"cpu", "/me"}, {"cpuacct", "/me"}, {"memory", "/docker/a/m"}, {"name=systemd", "/"}, {"", "/u"}};
  const Paths paths = Find(kHybrid, own, Cgroupfs("x"));
  EXPECT_EQ(paths.at("cpu"), "/sys/fs/cgroup/cpu,cpuacct/me/x");
  // Only /docker/a is mounted there.
  EXPECT_EQ(paths.at("memory"), "/sys/fs/cgroup/memory/m/x");
  EXPECT_EQ(paths.at("name=systemd"), "/sys/fs/cgroup/systemd/x");
}

TEST(Cgroupfs, RelativePathInV2IsBesideOurOwn) {
  EXPECT_EQ(Find(kUnified, {{"", "/user.slice/session-1.scope"}}, Cgroupfs("x")),
            (Paths{{"", "/sys/fs/cgroup/user.slice/x"}}));
  EXPECT_EQ(Find(kUnified, {{"", "/"}}, Cgroupfs("x")), (Paths{{"", "/sys/fs/cgroup/x"}}));
}

TEST(Cgroupfs, WithoutAPathItIsNamedAfterTheContainer) {
  const Location location = Cgroupfs("");
  EXPECT_FALSE(location.given);
  EXPECT_EQ(location.path, "id");
}

TEST(Cgroupfs, TheRootItselfIsRefused) {
  for (const char* path : {"/", "/..", "/a/.."}) {
    EXPECT_FALSE(ParseCgroupsPath(Driver::kCgroupfs, path, "id").ok()) << path;
  }
}

TEST(Cgroupfs, WithoutAMountIsAnError) {
  EXPECT_EQ(FindPaths(Layout(), {}, Cgroupfs("/x"), "").status().message(),
            "no cgroup file system is mounted at /sys/fs/cgroup");
}

TEST(ExpandSlice, FollowsTheDashes) {
  EXPECT_EQ(*ExpandSlice("test-a-b.slice"), "/test.slice/test-a.slice/test-a-b.slice");
  EXPECT_EQ(*ExpandSlice("system.slice"), "/system.slice");
  EXPECT_EQ(*ExpandSlice("-.slice"), "/");
  for (const char* bad : {"", ".slice", "a", "a/b.slice", "a--b.slice", "-a.slice", "..-a.slice"}) {
    EXPECT_EQ(ExpandSlice(bad).status().message(), std::string("invalid slice name: ") + bad);
  }
}

TEST(Systemd, PathIsSlicePrefixName) {
  const auto location = ParseCgroupsPath(Driver::kSystemd, "kubepods-pod1.slice:cri:c1", "id");
  ASSERT_TRUE(location.ok());
  EXPECT_EQ(UnitName(*location), "cri-c1.scope");
  EXPECT_EQ(Find(kUnified, {}, *location),
            (Paths{{"", "/sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice/cri-c1.scope"}}));
  EXPECT_EQ(Find(kHybrid, {}, *location).at("memory"),
            "/sys/fs/cgroup/memory/kubepods.slice/kubepods-pod1.slice/cri-c1.scope");
}

TEST(Systemd, Defaults) {
  const Location none = *ParseCgroupsPath(Driver::kSystemd, "", "c1");
  EXPECT_EQ(UnitName(none), "runc-c1.scope");
  EXPECT_EQ(Find(kUnified, {}, none), (Paths{{"", "/sys/fs/cgroup/system.slice/runc-c1.scope"}}));
  const Location slice = *ParseCgroupsPath(Driver::kSystemd, ":x:pod.slice", "c1");
  EXPECT_EQ(UnitName(slice), "pod.slice");
  EXPECT_EQ(Find(kUnified, {}, none, "/user.slice/user-1.slice/user@1.service"),
            (Paths{{"", "/sys/fs/cgroup/user.slice/user-1.slice/user@1.service/user.slice/runc-c1.scope"}}));
}

TEST(Systemd, AnotherFormIsRefusedInRuncsWords) {
  EXPECT_EQ(
      ParseCgroupsPath(Driver::kSystemd, "/docker/x", "id").status().message(),
      "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"/docker/x\" instead");
  EXPECT_FALSE(ParseCgroupsPath(Driver::kSystemd, "a.slice:b:../../x", "id").ok());
  EXPECT_FALSE(ParseCgroupsPath(Driver::kSystemd, "nonsense:b:c", "id").ok());
}

TEST(Convert, SharesKeepBoundsAndDefault) {
  EXPECT_EQ(SharesToWeight(0), 0u);
  EXPECT_EQ(SharesToWeight(2), 1u);
  EXPECT_EQ(SharesToWeight(1024), 100u);
  EXPECT_EQ(SharesToWeight(262144), 10000u);
  EXPECT_EQ(SharesToWeight(1'000'000), 10000u);
  for (uint64_t shares = 2; shares < 262144; shares += 97) {
    EXPECT_LE(SharesToWeight(shares), SharesToWeight(shares + 97));
  }
}

TEST(Convert, BlkioWeight) {
  EXPECT_EQ(BlkioToIoWeight(0), 0u);
  EXPECT_EQ(BlkioToIoWeight(10), 1u);
  EXPECT_EQ(BlkioToIoWeight(1000), 10000u);
}

TEST(Convert, SwapIsWhatIsOverMemory) {
  const auto bytes = [](int64_t both, int64_t memory) {
    const auto swap = SwapOfBoth(both, memory);
    EXPECT_TRUE(swap.ok() && swap->set);
    return swap.ok() ? swap->bytes : -99;
  };
  EXPECT_EQ(bytes(300, 100), 200);
  EXPECT_EQ(bytes(100, 100), 0);
  EXPECT_EQ(bytes(-1, 100), -1);
  EXPECT_EQ(bytes(0, -1), -1);
  EXPECT_EQ(bytes(100, -1), 100);
  EXPECT_FALSE(SwapOfBoth(0, 100)->set);
  EXPECT_EQ(SwapOfBoth(100, 0).status().message(), "unable to set swap limit without memory limit");
  EXPECT_EQ(SwapOfBoth(50, 100).status().message(), "memory+swap limit should be >= memory limit");
}

TEST(Convert, CpuListToMask) {
  EXPECT_EQ(*CpuListToMask("0"), std::string("\x01"));
  EXPECT_EQ(*CpuListToMask("0-3,7"), std::string("\x8f"));
  EXPECT_EQ(*CpuListToMask("1, 8-9"), std::string("\x02\x03"));
  for (const char* bad : {"", "a", "3-1", "1-", "-1", "99999", "1-2-3"}) EXPECT_FALSE(CpuListToMask(bad).ok()) << bad;
}

}  // namespace
}  // namespace runsc::cgroup
