#include <gtest/gtest.h>

#include <thread>

#include "base/unique_fd.h"
#include "sentry/kernel/cgroup/bandwidth.h"
#include "sentry/kernel/cgroup/tree.h"

namespace sentry {
namespace {

constexpr int64_t kMs = 1'000'000;

class FakeMember final : public CgroupMember {
 public:
  explicit FakeMember(int32_t tid) : tid_(tid) {}
  int32_t member_tid() const override { return tid_; }
  int32_t member_tgid() const override { return tid_ / 10 * 10; }
  Times member_times() const override { return {used, 0}; }
  void Hold(uint32_t bits) override { held = bits; }
  bool quiet() const override { return asleep || (held != 0 && obeys); }
  void KillProcess() override { killed = true; }

  std::atomic<int64_t> used{0};
  std::atomic<uint32_t> held{0};
  std::atomic<bool> obeys{true}, asleep{false};
  bool killed = false;

 private:
  const int32_t tid_;
};

class CgroupTest : public testing::Test {
 protected:
  RefPtr<Cgroup> Make(Cgroup& parent, const char* name) { return *parent.MakeChild(name, {}); }
  Result<void> Move(FakeMember& member, Cgroup& to) {
    return tree.Move([&]() -> Result<std::vector<CgroupMember*>> { return std::vector<CgroupMember*>{&member}; }, to);
  }
  CgroupTree tree{{.memory = nullptr, .cpus = 0xf, .wake_at = nullptr}};
  Cgroup& root = *tree.root();
};

TEST_F(CgroupTest, NamesAndPaths) {
  const RefPtr<Cgroup> a = Make(root, "a"), b = Make(*a, "b"), c = Make(root, "c");
  EXPECT_EQ(b->PathFrom(root), "/a/b");
  EXPECT_EQ(a->PathFrom(*a), "/");
  EXPECT_EQ(c->PathFrom(*b), "/../../c");
  EXPECT_TRUE(root.MakeChild("a", {}).Is(Errno::kEEXIST));
  EXPECT_TRUE(root.MakeChild("x\ny", {}).Is(Errno::kEINVAL));
  EXPECT_TRUE(a->Remove().Is(Errno::kEBUSY));
  EXPECT_TRUE(b->Remove().ok());
  EXPECT_TRUE(a->Remove().ok());
  EXPECT_TRUE(a->MakeChild("b", {}).Is(Errno::kENODEV));
  EXPECT_EQ(root.Descendants(), 1u);
}

TEST_F(CgroupTest, DepthAndNumberAreBounded) {
  const RefPtr<Cgroup> a = Make(root, "a");
  a->SetMaxDescendants(1);
  const RefPtr<Cgroup> b = Make(*a, "b");
  EXPECT_TRUE(a->MakeChild("c", {}).Is(Errno::kEAGAIN));
  EXPECT_TRUE(b->MakeChild("c", {}).Is(Errno::kEAGAIN));
  a->SetMaxDescendants(kCgroupNoLimit);
  a->SetMaxDepth(1);
  EXPECT_TRUE(b->MakeChild("c", {}).Is(Errno::kEAGAIN));
  EXPECT_TRUE(a->MakeChild("c", {}).ok());
}

TEST_F(CgroupTest, ControllersComeFromAbove) {
  const RefPtr<Cgroup> a = Make(root, "a"), b = Make(*a, "b");
  EXPECT_EQ(root.available(), kAllControllers);
  EXPECT_EQ(a->available(), 0u);
  EXPECT_TRUE(a->ControlSubtree(kPidsController, 0).Is(Errno::kENOENT));
  EXPECT_TRUE(root.ControlSubtree(kPidsController | kMemoryController, 0).ok());
  EXPECT_TRUE(a->ControlSubtree(kPidsController, 0).ok());
  EXPECT_TRUE(root.ControlSubtree(0, kPidsController).Is(Errno::kEBUSY));
  EXPECT_TRUE(a->ControlSubtree(0, kPidsController).ok());
  EXPECT_TRUE(root.ControlSubtree(0, kPidsController).ok());
}

TEST_F(CgroupTest, NoProcessesBesideChildGroups) {
  ASSERT_TRUE(root.ControlSubtree(kAllControllers, 0).ok());
  const RefPtr<Cgroup> a = Make(root, "a"), b = Make(*a, "b");
  FakeMember one(10), two(20);
  ASSERT_TRUE(tree.Join(one, nullptr, a.get()).ok());
  EXPECT_TRUE(a->ControlSubtree(kMemoryController, 0).Is(Errno::kEBUSY));
  EXPECT_TRUE(a->ControlSubtree(kPidsController, 0).ok()) << "it may become the root of threads";
  EXPECT_TRUE(a->ControlSubtree(0, kPidsController).ok());
  EXPECT_TRUE(Move(one, *b).ok());
  EXPECT_TRUE(a->ControlSubtree(kMemoryController, 0).ok());
  EXPECT_TRUE(Move(one, *a).Is(Errno::kEBUSY));
  EXPECT_TRUE(tree.Join(two, nullptr, a.get()).Is(Errno::kEBUSY));
  EXPECT_TRUE(Move(one, root).ok()) << "the root bears both";
}

TEST_F(CgroupTest, ChildrenJoinTheirParents) {
  const RefPtr<Cgroup> a = Make(root, "a");
  FakeMember parent(10), child(20), thread(11);
  ASSERT_TRUE(tree.Join(parent, nullptr, a.get()).ok());
  ASSERT_TRUE(tree.Join(child, &parent, nullptr).ok());
  EXPECT_EQ(child.cgroup().get(), a.get());
  ASSERT_TRUE(tree.Join(thread, &parent, nullptr).ok());
  EXPECT_EQ(a->Processes(), (std::vector<int32_t>{10, 20}));
  EXPECT_EQ(a->Threads(), (std::vector<int32_t>{10, 11, 20}));
  ASSERT_TRUE(Move(parent, root).ok());
  tree.Follow(thread, parent);
  EXPECT_EQ(thread.cgroup().get(), &root);
}

TEST_F(CgroupTest, PidsMaxCountsUntilTheNumberIsFree) {
  const RefPtr<Cgroup> a = Make(root, "a"), b = Make(*a, "b");
  CgroupLimits limits;
  limits.pids_max = 2;
  a->SetLimits(limits);
  FakeMember one(10), two(20), three(30);
  ASSERT_TRUE(tree.Join(one, nullptr, a.get()).ok());
  ASSERT_TRUE(tree.Join(two, nullptr, b.get()).ok());
  EXPECT_TRUE(tree.Join(three, &two, nullptr).Is(Errno::kEAGAIN));
  EXPECT_EQ(a->Stats().pids, 2u);
  EXPECT_EQ(b->Stats().pids, 1u);
  EXPECT_EQ(a->Stats().pids_events, 1u);
  EXPECT_EQ(b->Stats().pids_events, 0u);
  tree.Leave(two);
  EXPECT_TRUE(tree.Join(three, nullptr, b.get()).Is(Errno::kEAGAIN)) << "a zombie counts";
  two.ReleasePid();
  EXPECT_TRUE(tree.Join(three, nullptr, b.get()).ok());
  ASSERT_TRUE(Move(three, root).ok());
  EXPECT_EQ(a->Stats().pids, 1u);
  EXPECT_EQ(a->Stats().pids_peak, 2u);
  EXPECT_EQ(root.Stats().pids, 2u);
}

TEST_F(CgroupTest, CpuTimeStaysWhereItWasUsed) {
  const RefPtr<Cgroup> a = Make(root, "a"), b = Make(root, "b");
  FakeMember one(10);
  one.used = 5 * kMs;
  ASSERT_TRUE(tree.Join(one, nullptr, a.get()).ok());
  one.used = 8 * kMs;
  EXPECT_EQ(a->Stats().user_ns, 3 * kMs);
  ASSERT_TRUE(Move(one, *b).ok());
  one.used = 9 * kMs;
  EXPECT_EQ(a->Stats().user_ns, 3 * kMs);
  EXPECT_EQ(b->Stats().user_ns, 1 * kMs);
  tree.Leave(one);
  ASSERT_TRUE(a->Remove().ok());
  ASSERT_TRUE(b->Remove().ok());
  EXPECT_EQ(root.Stats().user_ns, 4 * kMs);
}

TEST_F(CgroupTest, FreezerHoldsAllBelow) {
  const RefPtr<Cgroup> a = Make(root, "a"), b = Make(*a, "b");
  FakeMember one(10), two(20), three(30);
  ASSERT_TRUE(tree.Join(one, nullptr, b.get()).ok());
  const uint64_t before = b->event_count();
  a->SetFrozen(true);
  EXPECT_EQ(one.held, kHoldFrozen);
  EXPECT_TRUE(a->Frozen());
  EXPECT_TRUE(b->Frozen());
  EXPECT_NE(b->event_count(), before);
  EXPECT_FALSE(b->FreezeAsked());
  ASSERT_TRUE(tree.Join(two, &one, nullptr).ok());
  EXPECT_EQ(two.held, kHoldFrozen) << "born in the cold";
  ASSERT_TRUE(tree.Join(three, nullptr, &root).ok());
  ASSERT_TRUE(Move(three, *a).ok());
  EXPECT_EQ(three.held, kHoldFrozen);
  ASSERT_TRUE(Move(three, root).ok());
  EXPECT_EQ(three.held, kHoldNothing);
  a->SetFrozen(false);
  EXPECT_EQ(one.held, kHoldNothing);
  EXPECT_FALSE(a->Frozen());
}

TEST_F(CgroupTest, WaitFrozenWaitsForTheLast) {
  const RefPtr<Cgroup> a = Make(root, "a");
  FakeMember one(10);
  ASSERT_TRUE(tree.Join(one, nullptr, a.get()).ok());
  one.obeys = false;
  a->SetFrozen(true);
  EXPECT_FALSE(a->WaitFrozen(0));
  std::thread late([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    one.obeys = true;
    tree.MemberChanged(one);
  });
  EXPECT_TRUE(a->WaitFrozen(INT64_MAX));
  late.join();
}

TEST_F(CgroupTest, KillReachesAllBelow) {
  const RefPtr<Cgroup> a = Make(root, "a"), b = Make(*a, "b");
  FakeMember one(10), two(20), three(30);
  ASSERT_TRUE(tree.Join(one, nullptr, a.get()).ok());
  ASSERT_TRUE(tree.Join(two, nullptr, b.get()).ok());
  ASSERT_TRUE(tree.Join(three, nullptr, &root).ok());
  a->KillAll();
  EXPECT_TRUE(one.killed && two.killed);
  EXPECT_FALSE(three.killed);
}

TEST_F(CgroupTest, CpusetNarrowsWhatIsAbove) {
  const RefPtr<Cgroup> a = Make(root, "a"), b = Make(*a, "b");
  FakeMember one(10);
  ASSERT_TRUE(tree.Join(one, nullptr, b.get()).ok());
  EXPECT_EQ(one.allowed_cpus(), 0xfu);
  CgroupLimits limits;
  limits.cpus = 0x6;
  a->SetLimits(limits);
  EXPECT_EQ(one.allowed_cpus(), 0x6u);
  limits.cpus = 0xc;
  b->SetLimits(limits);
  EXPECT_EQ(one.allowed_cpus(), 0x4u);
  limits.cpus = 0x8;
  b->SetLimits(limits);
  EXPECT_EQ(one.allowed_cpus(), 0x6u) << "nothing is left of the choice";
}

TEST_F(CgroupTest, QuotaHoldsAndLetsGo) {
  const RefPtr<Cgroup> a = Make(root, "a");
  FakeMember one(10);
  ASSERT_TRUE(tree.Join(one, nullptr, a.get()).ok());
  CgroupLimits limits;
  limits.cpu_quota_us = 1000;
  limits.cpu_period_us = 1'000'000;
  a->SetLimits(limits);
  EXPECT_EQ(one.held, kHoldNothing);
  one.used = 2 * kMs;
  tree.Tick();
  EXPECT_EQ(one.held, kHoldThrottled);
  limits.cpu_quota_us = INT64_MAX;
  a->SetLimits(limits);
  EXPECT_EQ(one.held, kHoldNothing);
}

TEST_F(CgroupTest, AnIdleGroupWantsNoClockUntilSomebodyWakes) {
  int wakes = 0;
  CgroupTree own{{.memory = nullptr, .cpus = 1, .wake_at = [&](int64_t) { ++wakes; }}};
  const RefPtr<Cgroup> a = *own.root()->MakeChild("a", {});
  FakeMember one(10);
  ASSERT_TRUE(own.Join(one, nullptr, a.get()).ok());
  one.asleep = true;
  CgroupLimits limits;
  limits.cpu_quota_us = 1000;
  a->SetLimits(limits);
  EXPECT_EQ(wakes, 0);
  EXPECT_TRUE(one.watched());
  one.asleep = false;
  own.MemberWoke();
  EXPECT_EQ(wakes, 1);
  EXPECT_FALSE(one.watched());
}

TEST_F(CgroupTest, WhoComesBusyStartsTheClock) {
  int wakes = 0;
  CgroupTree own{{.memory = nullptr, .cpus = 1, .wake_at = [&](int64_t) { ++wakes; }}};
  const RefPtr<Cgroup> a = *own.root()->MakeChild("a", {});
  CgroupLimits limits;
  limits.cpu_quota_us = 1000;
  a->SetLimits(limits);
  FakeMember one(10);
  ASSERT_TRUE(own.Join(one, nullptr, nullptr).ok());
  EXPECT_EQ(wakes, 0);
  const auto list = [&]() -> Result<std::vector<CgroupMember*>> { return std::vector<CgroupMember*>{&one}; };
  ASSERT_TRUE(own.Move(list, *a).ok());
  EXPECT_EQ(wakes, 1);
}

// --- Bandwidth ---

TEST(CpuBandwidthTest, ThrottlesAtTheQuotaAndPaysDebts) {
  CpuBandwidth b;
  b.Set(10 * kMs, 100 * kMs, 0, 0);
  b.Update(5 * kMs, 5 * kMs);
  EXPECT_FALSE(b.throttled());
  EXPECT_EQ(b.NextLook(5 * kMs, 5 * kMs, 1), 10 * kMs);
  EXPECT_EQ(b.NextLook(5 * kMs, 5 * kMs, 5), 6 * kMs);
  b.Update(12 * kMs, 12 * kMs);
  EXPECT_TRUE(b.throttled());
  EXPECT_EQ(b.NextLook(12 * kMs, 12 * kMs, 1), 100 * kMs);
  b.Update(100 * kMs, 12 * kMs);
  EXPECT_FALSE(b.throttled());
  // 2 ms of this period were used in the last one.
  b.Update(108 * kMs, 20 * kMs);
  EXPECT_TRUE(b.throttled());
  const CpuBandwidth::Statistics s = b.statistics(110 * kMs);
  EXPECT_EQ(s.periods, 2u);
  EXPECT_EQ(s.throttled_periods, 2u);
  EXPECT_EQ(s.throttled_ns, 90 * kMs);
}

TEST(CpuBandwidthTest, AGreatDebtLastsForPeriods) {
  CpuBandwidth b;
  b.Set(10 * kMs, 100 * kMs, 0, 0);
  b.Update(35 * kMs, 35 * kMs);
  EXPECT_TRUE(b.throttled());
  b.Update(100 * kMs, 35 * kMs);
  EXPECT_TRUE(b.throttled());
  b.Update(200 * kMs, 35 * kMs);
  EXPECT_TRUE(b.throttled());
  b.Update(300 * kMs, 35 * kMs);
  EXPECT_FALSE(b.throttled());
}

TEST(CpuBandwidthTest, NothingIsSavedUp) {
  CpuBandwidth b;
  b.Set(10 * kMs, 100 * kMs, 0, 0);
  b.Update(1000 * kMs, 0);
  b.Update(1010 * kMs, 10 * kMs);
  EXPECT_TRUE(b.throttled());
  EXPECT_EQ(b.statistics(0).periods, 1u) << "nobody ran in the others";
}

}  // namespace
}  // namespace sentry
