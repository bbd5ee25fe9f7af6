// On the host's own cgroups: as root, in a scratch cgroup of this test.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/cgroup/cgroup.h"
#include "runsc-cpp/cgroup/files.h"
#include "runsc-cpp/cgroup/unit_properties.h"

namespace runsc::cgroup {
namespace {

class HostTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "not root";
    auto host = Host::Detect(Rootless::kNo);
    ASSERT_TRUE(host.ok()) << host.status();
    if (host->layout.mode == Mode::kNone) GTEST_SKIP() << "no cgroups here";
    host_ = *std::move(host);
    const auto location =
        ParseCgroupsPath(Driver::kCgroupfs, absl::StrCat("/runsc-cpp-host-test-", getpid(), "/c1"), "c1");
    auto cgroup = Cgroup::At(host_, *location);
    ASSERT_TRUE(cgroup.ok()) << cgroup.status();
    cgroup_ = std::make_unique<Cgroup>(*std::move(cgroup));
    child_ = fork();
    if (child_ == 0) {
      while (true) pause();
    }
    const absl::Status s = cgroup_->Create({}, child_);
    // A sandbox or container may show the hierarchies read-only.
    if (!s.ok() && ErrnoOf(s) != ENOENT) GTEST_SKIP() << s;
    ASSERT_TRUE(s.ok()) << s;
  }

  void TearDown() override {
    if (child_ > 0) {
      (void)cgroup_->Thaw();
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    if (cgroup_ == nullptr) return;
    const absl::Status s = cgroup_->Delete();
    EXPECT_TRUE(s.ok()) << s;
    for (const auto& [controller, dir] : cgroup_->state().paths) {
      EXPECT_FALSE(Exists(dir)) << dir;
      (void)RemoveCgroup(dir.substr(0, dir.rfind('/')));
    }
  }

  bool unified() const { return host_.layout.mode == Mode::kUnified; }
  Host host_;
  std::unique_ptr<Cgroup> cgroup_;
  pid_t child_ = -1;
};

TEST_F(HostTest, TheProcessIsInAllHierarchies) {
  EXPECT_EQ(*cgroup_->AllProcesses(), std::vector<pid_t>{child_});
  const auto text = ReadFile(absl::StrCat("/proc/", child_), "cgroup");
  const auto membership = ParseMembership(*text);
  ASSERT_TRUE(membership.ok());
  for (const auto& [controller, dir] : cgroup_->state().paths) {
    EXPECT_TRUE(absl::EndsWith(membership->at(controller), "/c1")) << controller;
  }
  EXPECT_TRUE(absl::StartsWith(cgroup_->CheckUnused().message(), "container's cgroup is not empty: 1 "));
}

TEST_F(HostTest, LimitsAreTaken) {
  oci::LinuxResources r;
  r.memory.emplace();
  r.memory->limit = 64 << 20;
  r.cpu.emplace();
  r.cpu->shares = 512;
  r.cpu->quota = 50000;
  r.cpu->period = 100000;
  r.cpu->cpus = "0";
  r.pids.emplace();
  r.pids->limit = 20;
  absl::Status s = cgroup_->Apply(r);
  ASSERT_TRUE(s.ok()) << s;
  auto stats = cgroup_->ReadStats();
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->memory.usage.limit, 64u << 20);
  EXPECT_EQ(stats->pids.limit, 20u);
  EXPECT_EQ(stats->pids.current, 1u);
  EXPECT_EQ(*ReadUint(cgroup_->Directory("pids"), "pids.max"), 20u);
  EXPECT_EQ(*ReadUint(cgroup_->Directory("cpu"), unified() ? "cpu.weight" : "cpu.shares"), unified() ? 59u : 512u);
  r = {};
  r.memory.emplace();
  r.memory->limit = -1;
  r.pids.emplace();
  r.pids->limit = -1;
  s = cgroup_->Apply(r);
  ASSERT_TRUE(s.ok()) << s;
  EXPECT_GT(cgroup_->ReadStats()->memory.usage.limit, uint64_t{1} << 40);
  EXPECT_EQ(cgroup_->ReadStats()->pids.limit, 0u);
}

TEST_F(HostTest, FreezesAndThaws) {
  EXPECT_EQ(*cgroup_->Frozen(), FreezerState::kThawed);
  const absl::Status s = cgroup_->Freeze();
  ASSERT_TRUE(s.ok()) << s;
  EXPECT_EQ(*cgroup_->Frozen(), FreezerState::kFrozen);
  ASSERT_TRUE(cgroup_->Thaw().ok());
  EXPECT_EQ(*cgroup_->Frozen(), FreezerState::kThawed);
}

TEST_F(HostTest, KillsAllThoughFrozen) {
  ASSERT_TRUE(cgroup_->Freeze().ok());
  const absl::Status s = cgroup_->Kill();
  ASSERT_TRUE(s.ok()) << s;
  int status;
  ASSERT_EQ(waitpid(child_, &status, 0), child_);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  child_ = -1;
}

TEST_F(HostTest, TellsAnOutOfMemoryKill) {
  oci::LinuxResources r;
  r.memory.emplace();
  r.memory->limit = 16 << 20;
  ASSERT_TRUE(cgroup_->Apply(r).ok());
  auto watch = cgroup_->WatchOom();
  ASSERT_TRUE(watch.ok()) << watch.status();
  const uint64_t before = *cgroup_->OomKills();
  const pid_t hog = fork();
  if (hog == 0) {
    constexpr size_t kSize = 64 << 20;
    if (!cgroup_->Join(getpid()).ok()) _exit(3);
    void* const memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::memset(memory, 1, kSize);
    _exit(0);
  }
  int status;
  ASSERT_EQ(waitpid(hog, &status, 0), hog);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) GTEST_SKIP() << "the host does not hold the limit (swap)";
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  pollfd wait = {watch->fd(), POLLIN, 0};
  ASSERT_EQ(poll(&wait, 1, 10'000), 1);
  EXPECT_EQ(*watch->Read(), OomEvent::kOom);
  EXPECT_GT(*cgroup_->OomKills(), before);
}

TEST_F(HostTest, RemovalIsTold) {
  auto watch = cgroup_->WatchOom();
  ASSERT_TRUE(watch.ok()) << watch.status();
  ASSERT_TRUE(cgroup_->Kill().ok());
  waitpid(child_, nullptr, 0);
  child_ = -1;
  ASSERT_TRUE(cgroup_->Delete().ok());
  pollfd wait = {watch->fd(), POLLIN, 0};
  ASSERT_EQ(poll(&wait, 1, 10'000), 1);
  EXPECT_EQ(*watch->Read(), OomEvent::kGone);
}

TEST_F(HostTest, CpuTimeIsCounted) {
  const pid_t busy = fork();
  if (busy == 0) {
    if (!cgroup_->Join(getpid()).ok()) _exit(3);
    timespec used;
    do {
      clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    } while (used.tv_nsec < 20'000'000);
    _exit(0);
  }
  waitpid(busy, nullptr, 0);
  const auto stats = cgroup_->ReadStats();
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_GT(stats->cpu.total, 1'000'000u);
}

// With the system's systemd, or the one that listens at SYSTEMD_SOCKET or at
// the bus SYSTEMD_BUS (a user's will do).
TEST(HostSystemd, TakesAllPropertiesOfAScope) {
  std::vector<dbus::Address> addresses = SystemAddresses();
  if (const char* const path = getenv("SYSTEMD_SOCKET")) addresses = {{dbus::PeerKind::kDirect, path}};
  if (const char* const path = getenv("SYSTEMD_BUS")) addresses = {{dbus::PeerKind::kBus, path}};
  auto systemd = Systemd::Connect(addresses);
  if (!systemd.ok()) GTEST_SKIP() << systemd.status();
  EXPECT_GT((*systemd)->Version(), 200);
  const auto location = ParseCgroupsPath(Driver::kSystemd, absl::StrCat("app.slice:runsc-test:", getpid()), "c1");
  const std::string unit = UnitName(*location);
  const pid_t child = fork();
  if (child == 0) {
    while (true) pause();
  }
  Properties properties = NewUnitProperties(*location, Mode::kUnified, false, child);
  const auto more = AnnotationProperties({{"org.systemd.property.TimeoutStopSec", "uint64 3"},
                                          {"org.systemd.property.CollectMode", "'inactive-or-failed'"},
                                          {"org.systemd.property.After", "['basic.target']"}});
  properties.insert(properties.end(), more->begin(), more->end());
  absl::Status s = (*systemd)->StartTransient(unit, properties, IfExists::kFail);
  EXPECT_TRUE(s.ok()) << s;
  oci::LinuxResources r;
  r.memory.emplace();
  r.memory->limit = 64 << 20;
  r.memory->swap = -1;
  r.memory->reservation = 32 << 20;
  r.cpu.emplace();
  r.cpu->shares = 512;
  r.cpu->quota = 50000;
  r.cpu->period = 100000;
  r.cpu->cpus = "0";
  r.cpu->mems = "0";
  r.pids.emplace();
  r.pids->limit = 20;
  r.block_io.emplace();
  r.block_io->weight = 500;
  for (const auto& p :
       {ResourcePropertiesV1(r, (*systemd)->Version()), ResourcePropertiesV2(r, (*systemd)->Version())}) {
    ASSERT_TRUE(p.ok()) << p.status();
    s = (*systemd)->SetProperties(unit, *p);
    EXPECT_TRUE(s.ok()) << s;
  }
  EXPECT_EQ((*systemd)->StartTransient(unit, properties, IfExists::kAccept), absl::OkStatus());
  EXPECT_FALSE((*systemd)->StartTransient(unit, properties, IfExists::kFail).ok());
  s = (*systemd)->Stop(unit);
  EXPECT_TRUE(s.ok()) << s;
  kill(child, SIGKILL);
  int status;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << "systemd did not end it: " << status;
  EXPECT_TRUE((*systemd)->Stop(unit).ok());  // it is gone: no error
}

}  // namespace
}  // namespace runsc::cgroup
