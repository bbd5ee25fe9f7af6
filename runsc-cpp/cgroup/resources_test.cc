#include "runsc-cpp/cgroup/resources.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/cgroup/fake_tree.h"

namespace runsc::cgroup {
namespace {

constexpr const char* kV1Files[] = {"memory/memory.limit_in_bytes",
                                    "memory/memory.memsw.limit_in_bytes",
                                    "memory/memory.soft_limit_in_bytes",
                                    "memory/memory.oom_control",
                                    "memory/memory.swappiness",
                                    "cpu/cpu.shares",
                                    "cpu/cpu.cfs_period_us",
                                    "cpu/cpu.cfs_quota_us",
                                    "cpu/cpu.cfs_burst_us",
                                    "cpu/cpu.rt_period_us",
                                    "cpu/cpu.rt_runtime_us",
                                    "cpu/cpu.idle",
                                    "cpuset/cpuset.cpus",
                                    "cpuset/cpuset.mems",
                                    "pids/pids.max",
                                    "blkio/blkio.weight",
                                    "blkio/blkio.leaf_weight",
                                    "blkio/blkio.weight_device",
                                    "blkio/blkio.leaf_weight_device",
                                    "blkio/blkio.throttle.read_bps_device",
                                    "blkio/blkio.throttle.write_bps_device",
                                    "blkio/blkio.throttle.read_iops_device",
                                    "blkio/blkio.throttle.write_iops_device",
                                    "hugetlb/hugetlb.2MB.limit_in_bytes",
                                    "net_cls/net_cls.classid",
                                    "net_prio/net_prio.ifpriomap",
                                    "rdma/rdma.max"};

oci::LinuxResources Everything() {
  oci::LinuxResources r;
  r.memory.emplace();
  r.memory->limit = 1 << 20;
  r.memory->swap = 3 << 20;
  r.memory->reservation = 4096;
  r.memory->kernel = 1;  // ignored
  r.cpu.emplace();
  r.cpu->shares = 512;
  r.cpu->quota = 50000;
  r.cpu->period = 100000;
  r.cpu->burst = 7;
  r.cpu->cpus = "0-1";
  r.cpu->mems = "0";
  r.pids.emplace();
  r.pids->limit = 42;
  r.block_io.emplace();
  r.block_io->weight = 500;
  oci::LinuxWeightDevice device;
  device.major = 8;
  device.weight = 100;
  r.block_io->weight_device = {device};
  r.block_io->throttle_read_bps_device = {{8, 16, 1000}};
  r.hugepage_limits = {{"2MB", 2 << 20}};
  r.rdma["mlx5_0"].hca_handles = 3;
  return r;
}

class V1 : public ::testing::Test {
 protected:
  V1() {
    for (const char* file : kV1Files) tree_.Put(file, "");
    tree_.Put("memory/memory.limit_in_bytes", "9223372036854771712\n");
    for (const char* controller :
         {"memory", "cpu", "cpuset", "pids", "blkio", "hugetlb", "net_cls", "net_prio", "rdma"}) {
      paths_[controller] = tree_.Path(controller);
    }
  }
  FakeTree tree_;
  Paths paths_;
};

TEST_F(V1, WritesWhatIsAsked) {
  oci::LinuxResources r = Everything();
  r.memory->swappiness = 60;
  r.memory->disable_oom_killer = true;
  r.cpu->realtime_period = 1000000;
  r.cpu->realtime_runtime = 950000;
  r.block_io->leaf_weight = 300;
  r.block_io->weight_device[0].leaf_weight = 200;
  r.block_io->throttle_write_bps_device = {{8, 16, 2000}};
  r.block_io->throttle_read_iops_device = {{8, 16, 30}};
  r.block_io->throttle_write_iops_device = {{8, 16, 40}};
  r.network.emplace();
  r.network->class_id = 0x100001;
  r.network->priorities = {{"eth0", 5}};
  const absl::Status s = ApplyV1(paths_, r);
  ASSERT_TRUE(s.ok()) << s;
  const std::pair<const char*, const char*> expected[] = {{"memory/memory.limit_in_bytes", "1048576"},
                                                          {"memory/memory.memsw.limit_in_bytes", "3145728"},
                                                          {"memory/memory.soft_limit_in_bytes", "4096"},
                                                          {"memory/memory.oom_control", "1"},
                                                          {"memory/memory.swappiness", "60"},
                                                          {"cpu/cpu.shares", "512"},
                                                          {"cpu/cpu.cfs_period_us", "100000"},
                                                          {"cpu/cpu.cfs_quota_us", "50000"},
                                                          {"cpu/cpu.cfs_burst_us", "7"},
                                                          {"cpu/cpu.rt_period_us", "1000000"},
                                                          {"cpu/cpu.rt_runtime_us", "950000"},
                                                          {"cpuset/cpuset.cpus", "0-1"},
                                                          {"cpuset/cpuset.mems", "0"},
                                                          {"pids/pids.max", "42"},
                                                          {"blkio/blkio.weight", "500"},
                                                          {"blkio/blkio.leaf_weight", "300"},
                                                          {"blkio/blkio.weight_device", "8:0 100"},
                                                          {"blkio/blkio.leaf_weight_device", "8:0 200"},
                                                          {"blkio/blkio.throttle.read_bps_device", "8:16 1000"},
                                                          {"blkio/blkio.throttle.write_bps_device", "8:16 2000"},
                                                          {"blkio/blkio.throttle.read_iops_device", "8:16 30"},
                                                          {"blkio/blkio.throttle.write_iops_device", "8:16 40"},
                                                          {"hugetlb/hugetlb.2MB.limit_in_bytes", "2097152"},
                                                          {"net_cls/net_cls.classid", "1048577"},
                                                          {"net_prio/net_prio.ifpriomap", "eth0 5"},
                                                          {"rdma/rdma.max", "mlx5_0 hca_handle=3"}};
  for (const auto& [file, text] : expected) EXPECT_EQ(tree_.Get(file), text) << file;
}

TEST_F(V1, LeavesWhatIsNotAsked) {
  oci::LinuxResources r;
  r.memory.emplace();
  r.cpu.emplace();
  r.pids.emplace();
  r.pids->limit = 0;
  r.memory->swappiness = ~uint64_t{0};  // "-1", as some engines write it
  ASSERT_TRUE(ApplyV1({}, r).ok());
}

TEST_F(V1, MinusOneIsNoLimit) {
  oci::LinuxResources r;
  r.memory.emplace();
  r.memory->limit = -1;
  r.pids.emplace();
  r.pids->limit = -1;
  ASSERT_TRUE(ApplyV1(paths_, r).ok());
  EXPECT_EQ(tree_.Get("memory/memory.limit_in_bytes"), "-1");
  EXPECT_EQ(tree_.Get("memory/memory.memsw.limit_in_bytes"), "-1");
  EXPECT_EQ(tree_.Get("pids/pids.max"), "max");
}

TEST_F(V1, MissingControllerIsAnErrorOnlyIfAsked) {
  paths_.erase("pids");
  oci::LinuxResources r = Everything();
  const absl::Status s = ApplyV1(paths_, r);
  EXPECT_TRUE(absl::StartsWith(s.message(), "cannot set pids limit: container could not join or create cgroup")) << s;
  r.pids.reset();
  EXPECT_TRUE(ApplyV1(paths_, r).ok());
}

TEST_F(V1, ErrorHasFileValueAndErrno) {
  std::filesystem::remove(tree_.Path("pids/pids.max"));
  const absl::Status s = ApplyV1(paths_, Everything());
  EXPECT_EQ(s.message(), absl::StrCat("cannot set pids limit: open ", tree_.Path("pids/pids.max"),
                                      " to write \"42\": No such file or directory"));
}

TEST_F(V1, RefusesWhatV1CannotHave) {
  oci::LinuxResources r;
  r.unified["memory.high"] = "1";
  EXPECT_EQ(ApplyV1(paths_, r).message(), "invalid configuration: cannot use unified on cgroup v1");
  r = {};
  r.memory.emplace();
  r.memory->swappiness = 101;
  EXPECT_FALSE(ApplyV1(paths_, r).ok());
}

TEST_F(V1, IdleGroupGetsNoShares) {
  oci::LinuxResources r;
  r.cpu.emplace();
  r.cpu->idle = 1;
  r.cpu->shares = 100;
  ASSERT_TRUE(ApplyV1(paths_, r).ok());
  EXPECT_EQ(tree_.Get("cpu/cpu.idle"), "1");
  EXPECT_EQ(tree_.Get("cpu/cpu.shares"), "");
}

class V2 : public ::testing::Test {
 protected:
  V2() {
    for (const char* file : {"memory.max", "memory.low", "memory.swap.max", "memory.high", "cpu.weight",
                             "cpu.max.burst", "cpu.idle", "cpuset.cpus", "cpuset.mems", "pids.max", "io.weight",
                             "io.max", "hugetlb.2MB.max", "hugetlb.2MB.rsvd.max", "rdma.max"}) {
      tree_.Put(file, "");
    }
    tree_.Put("cpu.max", "max 100000\n");
    tree_.Put("cgroup.controllers", "cpu cpuset io memory pids hugetlb rdma\n");
  }
  absl::Status Apply(const oci::LinuxResources& r) { return ApplyV2(tree_.root(), r); }
  FakeTree tree_;
};

TEST_F(V2, ConvertsWhatIsAsked) {
  const absl::Status s = Apply(Everything());
  ASSERT_TRUE(s.ok()) << s;
  const std::pair<const char*, const char*> expected[] = {{"memory.max", "1048576"},
                                                          {"memory.swap.max", "2097152"},
                                                          {"memory.low", "4096"},
                                                          {"cpu.weight", "59"},
                                                          {"cpu.max", "50000 100000"},
                                                          {"cpu.max.burst", "7"},
                                                          {"cpuset.cpus", "0-1"},
                                                          {"cpuset.mems", "0"},
                                                          {"pids.max", "42"},
                                                          {"io.weight", "8:0 910"},
                                                          {"io.max", "8:16 rbps=1000"},
                                                          {"hugetlb.2MB.max", "2097152"},
                                                          {"hugetlb.2MB.rsvd.max", "2097152"},
                                                          {"rdma.max", "mlx5_0 hca_handle=3"}};
  for (const auto& [file, text] : expected) EXPECT_EQ(tree_.Get(file), text) << file;
}

TEST_F(V2, PrefersBfqsWeight) {
  tree_.Put("io.bfq.weight", "");
  oci::LinuxResources r;
  r.block_io.emplace();
  r.block_io->weight = 500;
  ASSERT_TRUE(Apply(r).ok());
  EXPECT_EQ(tree_.Get("io.bfq.weight"), "500");
  EXPECT_EQ(tree_.Get("io.weight"), "");
}

TEST_F(V2, KeepsTheHalfOfCpuMaxThatIsNotGiven) {
  tree_.Put("cpu.max", "20000 50000\n");
  oci::LinuxResources r;
  r.cpu.emplace();
  r.cpu->quota = 30000;
  ASSERT_TRUE(Apply(r).ok());
  EXPECT_EQ(tree_.Get("cpu.max"), "30000 50000");
  r.cpu->quota = -1;
  ASSERT_TRUE(Apply(r).ok());
  EXPECT_EQ(tree_.Get("cpu.max"), "max 50000");
}

TEST_F(V2, SameMemoryAndSwapMeansNoSwap) {
  oci::LinuxResources r;
  r.memory.emplace();
  r.memory->limit = r.memory->swap = 1 << 20;
  ASSERT_TRUE(Apply(r).ok());
  EXPECT_EQ(tree_.Get("memory.swap.max"), "0");
}

TEST_F(V2, ChecksUsageBeforeAnUpdate) {
  tree_.Put("memory.current", "5000\n");
  oci::LinuxResources r;
  r.memory.emplace();
  r.memory->limit = 4096;
  r.memory->check_before_update = true;
  EXPECT_EQ(Apply(r).message(), "rejecting memory limit 4096 <= usage 5000");
  EXPECT_EQ(tree_.Get("memory.max"), "");
}

TEST_F(V2, NamesAControllerThatIsNotThere) {
  std::filesystem::remove(tree_.Path("pids.max"));
  tree_.Put("cgroup.controllers", "memory\n");
  oci::LinuxResources r;
  r.pids.emplace();
  r.pids->limit = 5;
  EXPECT_TRUE(absl::StartsWith(
      Apply(r).message(),
      absl::StrCat("cannot set pids limit: controller \"pids\" is not available in ", tree_.root(), ": open ")));
}

TEST_F(V2, RefusesWhatV2HasNot) {
  const auto refused = [&](auto set) {
    oci::LinuxResources r;
    r.memory.emplace();
    r.cpu.emplace();
    r.network.emplace();
    r.block_io.emplace();
    set(r);
    return absl::StrContains(Apply(r).message(), "cgroup v2 has no such limit");
  };
  EXPECT_TRUE(refused([](auto& r) { r.memory->swappiness = 10; }));
  EXPECT_TRUE(refused([](auto& r) { r.memory->disable_oom_killer = true; }));
  EXPECT_TRUE(refused([](auto& r) { r.cpu->realtime_runtime = 10; }));
  EXPECT_TRUE(refused([](auto& r) { r.network->class_id = 10; }));
  EXPECT_TRUE(refused([](auto& r) { r.block_io->leaf_weight = 10; }));
  EXPECT_FALSE(refused([](auto&) {}));
}

TEST_F(V2, UnifiedIsWrittenAsItIs) {
  oci::LinuxResources r;
  r.unified = {{"memory.high", "12345\n"}};
  ASSERT_TRUE(Apply(r).ok());
  EXPECT_EQ(tree_.Get("memory.high"), "12345");
}

TEST_F(V2, UnifiedCannotLeaveTheDirectory) {
  oci::LinuxResources r;
  r.unified = {{"../memory.max", "1"}};
  EXPECT_EQ(Apply(r).message(), "unified resource \"../memory.max\" must be a file name (no slashes)");
  r.unified = {{"..", "1"}};
  EXPECT_FALSE(Apply(r).ok());
  r.unified = {{"memory", "1"}};
  EXPECT_EQ(Apply(r).message(), "unified resource \"memory\" must be in the form CONTROLLER.PARAMETER");
  r.unified = {{"misc.max", "1"}};
  EXPECT_TRUE(absl::StartsWith(Apply(r).message(),
                               "unified resource \"misc.max\" can't be set: controller \"misc\" not available: open "));
}

TEST(Asked, TellsWhichControllersAreNeeded) {
  EXPECT_FALSE(AnyLimit({}));
  oci::LinuxResources pids;
  pids.pids.emplace();
  pids.pids->limit = 1;
  EXPECT_TRUE(AnyLimit(pids));
  EXPECT_FALSE(NeedsDomainController(pids));
  EXPECT_TRUE(NeedsDomainController(Everything()));
}

}  // namespace
}  // namespace runsc::cgroup
