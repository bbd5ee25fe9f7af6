// Cgroups in a tree of plain files. The kernel makes a cgroup's files when
// its directory is made; here a test puts them there before.
#include "runsc-cpp/cgroup/cgroup.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/cgroup/fake_tree.h"

namespace runsc::cgroup {
namespace {

Location At(absl::string_view path) { return *ParseCgroupsPath(Driver::kCgroupfs, path, "id"); }

Host HostWith(Layout layout, Rootless rootless = Rootless::kNo) {
  Host host;
  host.layout = std::move(layout);
  host.own = {{"", "/own/scope"}};
  host.rootless = rootless;
  return host;
}

TEST(CreateV2, EnablesControllersInEachParent) {
  FakeTree tree;
  tree.Put("cgroup.controllers", "cpu memory pids\n");
  tree.Put("cgroup.subtree_control", "");
  tree.Put("pod/cgroup.subtree_control", "");
  tree.Put("pod/c1/cgroup.subtree_control", "unchanged");
  tree.Put("pod/c1/cgroup.procs", "");
  auto cgroup = Cgroup::At(HostWith(tree.Unified()), At("/pod/c1"));
  ASSERT_TRUE(cgroup.ok());
  const absl::Status s = cgroup->Create({}, 1234);
  ASSERT_TRUE(s.ok()) << s;
  EXPECT_EQ(tree.Get("cgroup.subtree_control"), "+cpu +memory +pids");
  EXPECT_EQ(tree.Get("pod/cgroup.subtree_control"), "+cpu +memory +pids");
  EXPECT_EQ(tree.Get("pod/c1/cgroup.subtree_control"), "unchanged");
  EXPECT_EQ(tree.Get("pod/c1/cgroup.procs"), "1234");
}

TEST(CreateV2, AFailureLeavesNothingBehind) {
  FakeTree tree;
  tree.Put("cgroup.controllers", "cpu\n");
  auto cgroup = Cgroup::At(HostWith(tree.Unified()), At("/a/b/c"));
  ASSERT_TRUE(cgroup.ok());
  const absl::Status s = cgroup->Create({}, 1234);  // there is no cgroup.procs
  EXPECT_EQ(s.message(), absl::StrCat("can't add process 1234 to cgroup: open ", tree.Path("a/b/c/cgroup.procs"),
                                      " to write \"1234\": No such file or directory"));
  EXPECT_FALSE(tree.Has("a"));
}

TEST(CreateV2, ThreadedCgroupTakesNoDomainController) {
  FakeTree tree;
  tree.Put("cgroup.controllers", "cpu\n");
  tree.Put("a/cgroup.type", "domain invalid\n");
  tree.Put("a/cgroup.procs", "");
  auto cgroup = Cgroup::At(HostWith(tree.Unified()), At("/a"));
  oci::LinuxResources r;
  r.memory.emplace();
  r.memory->limit = 1;
  EXPECT_TRUE(absl::StrContains(cgroup->Create(r, 1).message(), "with domain controllers -- it is in domain invalid"));
  EXPECT_TRUE(cgroup->Create({}, 1).ok());
  EXPECT_EQ(tree.Get("a/cgroup.type"), "threaded");
}

TEST(CreateV1, CpusetIsInheritedAndTheRestJustMade) {
  FakeTree tree;
  for (const char* dir : {"cpuset", "cpuset/pod", "cpuset/pod/c1"}) {
    tree.Put(absl::StrCat(dir, "/cpuset.cpus"), "\n");
    tree.Put(absl::StrCat(dir, "/cpuset.mems"), "\n");
  }
  tree.Put("cpuset/cpuset.cpus", "0-3\n");
  tree.Put("cpuset/cpuset.mems", "0\n");
  auto cgroup = Cgroup::At(HostWith(tree.Legacy({"cpuset", "pids"})), At("/pod/c1"));
  ASSERT_TRUE(cgroup.ok());
  oci::LinuxResources r;
  r.cpu.emplace();
  r.cpu->cpus = "2";
  const absl::Status s = cgroup->Create(r, 0);
  ASSERT_TRUE(s.ok()) << s;
  EXPECT_EQ(tree.Get("cpuset/pod/cpuset.cpus"), "0-3");
  EXPECT_EQ(tree.Get("cpuset/pod/c1/cpuset.cpus"), "2");
  EXPECT_EQ(tree.Get("cpuset/pod/c1/cpuset.mems"), "0");
  EXPECT_TRUE(tree.Has("pids/pod/c1"));
  ASSERT_TRUE(cgroup->Delete().ok() == false);  // plain files are in the way here, unlike in a cgroup
}

TEST(Cgroup, IsFoundAgainByItsState) {
  FakeTree tree;
  tree.Put("pids/x/cgroup.procs", "1\n22\n0\n");
  tree.Put("pids/x/below/cgroup.procs", "333\n");
  const Host host = HostWith(tree.Legacy({"pids"}));
  auto made = Cgroup::At(host, At("/x"));
  ASSERT_TRUE(made.ok());
  Cgroup again = Cgroup::Of(host, made->state());
  EXPECT_TRUE(again.Exists());
  EXPECT_EQ(*again.Processes(), (std::vector<pid_t>{1, 22}));
  EXPECT_EQ(*again.AllProcesses(), (std::vector<pid_t>{1, 22, 333}));
  EXPECT_EQ(again.CheckUnused().message(), "container's cgroup is not empty: 3 process(es) found");
  EXPECT_EQ(again.Directory("memory"), "");
}

TEST(Cgroup, JoinsBelowButNotElsewhere) {
  FakeTree tree;
  tree.Put("x/cgroup.procs", "");
  tree.Put("x/below/cgroup.procs", "");
  auto cgroup = Cgroup::At(HostWith(tree.Unified()), At("/x"));
  ASSERT_TRUE(cgroup->Join(5).ok());
  EXPECT_EQ(tree.Get("x/cgroup.procs"), "5");
  ASSERT_TRUE(cgroup->Join(6, "/below").ok());
  EXPECT_EQ(tree.Get("x/below/cgroup.procs"), "6");
  EXPECT_EQ(cgroup->Join(7, "../y").message(), "bad sub cgroup path: ../y");
}

TEST(Cgroup, DeleteTakesChildrenAlong) {
  FakeTree tree;
  std::filesystem::create_directories(tree.Path("x/y/z"));
  auto cgroup = Cgroup::At(HostWith(tree.Unified()), At("/x"));
  ASSERT_TRUE(cgroup->Delete().ok());
  EXPECT_FALSE(tree.Has("x"));
  EXPECT_TRUE(cgroup->Delete().ok());  // twice is no error
  EXPECT_FALSE(cgroup->Exists());
}

TEST(Freezer, V2WaitsUntilTheKernelSaysSo) {
  FakeTree tree;
  tree.Put("x/cgroup.freeze", "0\n");
  tree.Put("x/cgroup.events", "populated 1\nfrozen 1\n");
  auto cgroup = Cgroup::At(HostWith(tree.Unified()), At("/x"));
  EXPECT_EQ(*cgroup->Frozen(), FreezerState::kThawed);
  ASSERT_TRUE(cgroup->Freeze().ok());
  EXPECT_EQ(tree.Get("x/cgroup.freeze"), "1");
  EXPECT_EQ(*cgroup->Frozen(), FreezerState::kFrozen);
  ASSERT_TRUE(cgroup->Thaw().ok());
  EXPECT_EQ(tree.Get("x/cgroup.freeze"), "0");
}

TEST(Freezer, V1TellsAFrozenParentFromItself) {
  FakeTree tree;
  tree.Put("freezer/x/freezer.state", "FROZEN\n");
  tree.Put("freezer/x/freezer.self_freezing", "0\n");
  auto cgroup = Cgroup::At(HostWith(tree.Legacy({"freezer"})), At("/x"));
  EXPECT_EQ(*cgroup->Frozen(), FreezerState::kThawed);
  tree.Put("freezer/x/freezer.self_freezing", "1\n");
  EXPECT_EQ(*cgroup->Frozen(), FreezerState::kFrozen);
  ASSERT_TRUE(cgroup->Freeze().ok());
  ASSERT_TRUE(cgroup->Thaw().ok());
  EXPECT_EQ(tree.Get("freezer/x/freezer.state"), "THAWED");
}

TEST(Freezer, WithoutOneIsAnErrorToFreezeOnly) {
  FakeTree tree;
  tree.Put("pids/x/cgroup.procs", "");
  auto cgroup = Cgroup::At(HostWith(tree.Legacy({"pids"})), At("/x"));
  EXPECT_EQ(*cgroup->Frozen(), FreezerState::kUndefined);
  EXPECT_EQ(cgroup->Freeze().message(), "cannot toggle freezer: cgroups not configured for container");
}

TEST(Kill, UsesTheKernelsOwnIfItHasOne) {
  FakeTree tree;
  tree.Put("x/cgroup.kill", "");
  auto cgroup = Cgroup::At(HostWith(tree.Unified()), At("/x"));
  ASSERT_TRUE(cgroup->Kill().ok());
  EXPECT_EQ(tree.Get("x/cgroup.kill"), "1");
}

TEST(Oom, V2TellsEachKillOnce) {
  FakeTree tree;
  tree.Put("x/memory.events", "oom 1\noom_kill 1\n");
  tree.Put("x/cgroup.events", "populated 1\nfrozen 0\n");
  auto cgroup = Cgroup::At(HostWith(tree.Unified()), At("/x"));
  EXPECT_EQ(*cgroup->OomKills(), 1u);
  auto watch = cgroup->WatchOom();
  ASSERT_TRUE(watch.ok()) << watch.status();
  EXPECT_EQ(*watch->Read(), OomEvent::kNothing);
  tree.Put("x/memory.events", "oom 2\noom_kill 3\n");
  EXPECT_EQ(*watch->Read(), OomEvent::kOom);
  EXPECT_EQ(*watch->Read(), OomEvent::kNothing);
  tree.Put("x/cgroup.events", "populated 0\nfrozen 0\n");
  EXPECT_EQ(*watch->Read(), OomEvent::kGone);
}

// Without the right to write where the mode forbids it.
class RootlessTest : public ::testing::Test {
 protected:
  RootlessTest() {
    tree_.Put("cgroup.controllers", "cpu\n");
    std::filesystem::create_directories(tree_.Path("own"));
    std::filesystem::create_directories(tree_.Path("pids"));
    for (const char* dir : {"", "own", "pids"}) chmod(tree_.Path(dir).c_str(), 0555);
    EXPECT_EQ(syscall(SYS_capget, &header_, before_), 0);
    __user_cap_data_struct less[2] = {before_[0], before_[1]};
    less[0].effective &= ~((1u << CAP_DAC_OVERRIDE) | (1u << CAP_DAC_READ_SEARCH));
    EXPECT_EQ(syscall(SYS_capset, &header_, less), 0);
  }
  ~RootlessTest() override {
    EXPECT_EQ(syscall(SYS_capset, &header_, before_), 0);
    for (const char* dir : {"", "own", "pids"}) chmod(tree_.Path(dir).c_str(), 0755);
  }
  __user_cap_header_struct header_ = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct before_[2] = {};
  FakeTree tree_;
};

TEST_F(RootlessTest, MayHaveNoCgroupIfNoneIsAskedFor) {
  const Host host = HostWith(tree_.Unified(), Rootless::kYes);
  oci::LinuxResources r;
  auto unasked = Cgroup::At(host, At(""));
  const absl::Status s = unasked->Create(r, 1);
  ASSERT_TRUE(s.ok()) << s;
  EXPECT_TRUE(unasked->state().paths.empty());
  EXPECT_TRUE(unasked->Apply(r).ok());
  EXPECT_TRUE(unasked->ReadStats().ok());
  EXPECT_FALSE(Cgroup::At(host, At("x"))->Create(r, 1).ok());  // chosen
  r.pids.emplace();
  r.pids->limit = 1;
  EXPECT_FALSE(Cgroup::At(host, At(""))->Create(r, 1).ok());
  EXPECT_FALSE(unasked->Apply(r).ok());
}

TEST_F(RootlessTest, InV1EachHierarchyIsForItself) {
  Host host = HostWith(tree_.Legacy({"pids"}), Rootless::kYes);
  host.own["pids"] = "/";
  auto cgroup = Cgroup::At(host, At(""));
  const absl::Status s = cgroup->Create({}, 1);
  ASSERT_TRUE(s.ok()) << s;
  EXPECT_TRUE(cgroup->state().paths.empty());
  oci::LinuxResources r;
  r.pids.emplace();
  r.pids->limit = 1;
  EXPECT_TRUE(absl::StartsWith(cgroup->Apply(r).message(), "cannot set pids limit: container could not join"));
}

}  // namespace
}  // namespace runsc::cgroup
