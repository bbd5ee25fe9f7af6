#include "sentry/kernel/sched/attributes.h"

#include <gtest/gtest.h>

#include "sentry/kernel/sched/task_sched.h"

namespace sentry {
namespace {

constexpr uint32_t kFifo = abi::kSchedFifo, kOther = abi::kSchedOther, kIdle = abi::kSchedIdle;
constexpr uint32_t kDeadline = abi::kSchedDeadline;
constexpr SchedRights kNobody = {.same_owner = true};
constexpr SchedRights kRoot = {.sys_nice = true};

abi::SchedAttr Deadline(uint64_t runtime, uint64_t deadline, uint64_t period) {
  return {.policy = kDeadline, .runtime = runtime, .deadline = deadline, .period = period};
}

TEST(SchedAttributesTest, ParametersComeBeforeRights) {
  EXPECT_TRUE(ChangeSched({}, {.policy = 4}, &kNobody).Is(Errno::kEINVAL));
  EXPECT_TRUE(ChangeSched({}, {.policy = kOther, .flags = 0x80}, &kNobody).Is(Errno::kEINVAL));
  EXPECT_TRUE(ChangeSched({}, {.policy = kOther, .priority = 1}, &kNobody).Is(Errno::kEINVAL));
  EXPECT_TRUE(ChangeSched({}, {.policy = kFifo}, &kNobody).Is(Errno::kEINVAL));
  EXPECT_TRUE(ChangeSched({}, {.policy = kFifo, .priority = 100}, &kRoot).Is(Errno::kEINVAL));
  EXPECT_TRUE(ChangeSched({}, {.policy = kFifo, .priority = 99}, &kNobody).Is(Errno::kEPERM));
  EXPECT_TRUE(ChangeSched({}, {.policy = kFifo, .priority = 99}, &kRoot).ok());
  EXPECT_TRUE(ChangeSched({}, {.policy = kOther, .flags = 0x20}, &kRoot).Is(Errno::kEOPNOTSUPP));
}

TEST(SchedAttributesTest, Limits) {
  SchedRights rights = kNobody;
  EXPECT_TRUE(ChangeSched({}, {.policy = kOther, .nice = -1}, &rights).Is(Errno::kEPERM));
  EXPECT_TRUE(ChangeSched({}, {.policy = kOther, .nice = 1}, &rights).ok());
  rights.nice_limit = 25;
  EXPECT_TRUE(ChangeSched({}, {.policy = kOther, .nice = -5}, &rights).ok());
  EXPECT_TRUE(ChangeSched({}, {.policy = kOther, .nice = -6}, &rights).Is(Errno::kEPERM));
  rights.priority_limit = 10;
  EXPECT_TRUE(ChangeSched({}, {.policy = kFifo, .priority = 10}, &rights).ok());
  EXPECT_TRUE(ChangeSched({}, {.policy = kFifo, .priority = 11}, &rights).Is(Errno::kEPERM));
  // What it has it keeps, whatever the limit became.
  const SchedAttributes high = {.policy = abi::kSchedFifo, .rt_priority = 50};
  rights.priority_limit = 0;
  EXPECT_TRUE(ChangeSched(high, {.policy = kFifo, .priority = 40}, &rights).ok());
  EXPECT_TRUE(ChangeSched(high, {.policy = kFifo, .priority = 51}, &rights).Is(Errno::kEPERM));
  // SCHED_IDLE counts as nice 20.
  rights.nice_limit = 0;
  const SchedAttributes idle = {.policy = abi::kSchedIdle};
  EXPECT_TRUE(ChangeSched(idle, {.policy = kIdle, .nice = 3}, &rights).ok());
  EXPECT_TRUE(ChangeSched(idle, {.policy = kOther}, &rights).Is(Errno::kEPERM));
  rights.nice_limit = 20;
  EXPECT_TRUE(ChangeSched(idle, {.policy = kOther}, &rights).ok());
}

TEST(SchedAttributesTest, DeadlineParameters) {
  EXPECT_TRUE(ChangeSched({}, Deadline(1000, 100'000, 100'000), &kRoot).Is(Errno::kEINVAL));
  EXPECT_TRUE(ChangeSched({}, Deadline(1024, 100'000, 100'000), &kRoot).ok());
  EXPECT_TRUE(ChangeSched({}, Deadline(1024, 0, 100'000), &kRoot).Is(Errno::kEINVAL));
  EXPECT_TRUE(ChangeSched({}, Deadline(2000, 1999, 100'000), &kRoot).Is(Errno::kEINVAL));
  EXPECT_TRUE(ChangeSched({}, Deadline(1024, 200'000, 100'000), &kRoot).Is(Errno::kEINVAL));
  EXPECT_TRUE(ChangeSched({}, Deadline(1024, 99'999, 0), &kRoot).Is(Errno::kEINVAL));
  EXPECT_TRUE(ChangeSched({}, Deadline(1024, 4'194'304'000, 0), &kRoot).ok());
  EXPECT_TRUE(ChangeSched({}, Deadline(1024, 4'194'304'001, 0), &kRoot).Is(Errno::kEINVAL));
  EXPECT_TRUE(ChangeSched({}, Deadline(1024, uint64_t{1} << 63, 0), &kRoot).Is(Errno::kEINVAL));
  SchedRights some_cpus = kRoot;
  some_cpus.has_all_cpus = false;
  EXPECT_TRUE(ChangeSched({}, Deadline(1024, 100'000, 0), &some_cpus).Is(Errno::kEPERM));
}

TEST(SchedAttributesTest, Children) {
  EXPECT_TRUE((SchedAttributes{.policy = abi::kSchedDeadline}).ForChild().Is(Errno::kEAGAIN));
  const SchedAttributes reset = {.policy = abi::kSchedRr, .nice = -3, .rt_priority = 7, .reset_on_fork = true};
  EXPECT_EQ(*reset.ForChild(), SchedAttributes());
  const SchedAttributes nice = {.nice = 5, .reset_on_fork = true};
  EXPECT_EQ(*nice.ForChild(), SchedAttributes{.nice = 5});
  const SchedAttributes plain = {.policy = abi::kSchedFifo, .rt_priority = 7};
  EXPECT_EQ(*plain.ForChild(), plain);
}

TEST(SchedAttributesTest, IoPriorities) {
  constexpr int kBe = 2 << 13, kRt = 1 << 13, kIdleClass = 3 << 13;
  EXPECT_TRUE(CheckIoPriority(kRt | 3, false).Is(Errno::kEPERM));
  EXPECT_TRUE(CheckIoPriority(kRt | 3, true).ok());
  EXPECT_TRUE(CheckIoPriority(kBe | 8, true).Is(Errno::kEINVAL));
  EXPECT_TRUE(CheckIoPriority(kIdleClass | 7, false).ok());
  EXPECT_TRUE(CheckIoPriority(1, false).Is(Errno::kEINVAL));
  EXPECT_TRUE(CheckIoPriority(7 << 13, true).Is(Errno::kEINVAL));
  EXPECT_EQ(EffectiveIoPriority(0, {}), kBe | 4);
  EXPECT_EQ(EffectiveIoPriority(0, {.nice = 19}), kBe | 7);
  EXPECT_EQ(EffectiveIoPriority(0, {.policy = abi::kSchedFifo, .rt_priority = 1}), kRt | 4);
  EXPECT_EQ(EffectiveIoPriority(kIdleClass | 2, {.nice = 19}), kIdleClass | 2);
}

TEST(TaskSchedTest, DeadlinesArePromisedOnce) {
  DeadlineBandwidth pool(1);
  TaskSched a(pool);
  ASSERT_TRUE(a.Change(Deadline(600'000, 1'000'000, 0), &kRoot).ok());
  {
    TaskSched b(pool);
    EXPECT_TRUE(b.Change(Deadline(600'000, 1'000'000, 0), &kRoot).Is(Errno::kEBUSY));
    EXPECT_TRUE(b.Change(Deadline(300'000, 1'000'000, 0), &kRoot).ok());
    EXPECT_TRUE(a.Change(Deadline(700'000, 1'000'000, 0), &kRoot).Is(Errno::kEBUSY));
  }
  EXPECT_TRUE(a.Change(Deadline(700'000, 1'000'000, 0), &kRoot).ok());
  EXPECT_TRUE(a.SetCpus(1, 3).Is(Errno::kEBUSY));
}

TEST(TaskSchedTest, WhatTheHostIsTold) {
  DeadlineBandwidth pool(1);
  TaskSched parent(pool), child(pool);
  ASSERT_TRUE(parent.Change({.policy = kFifo, .priority = 9}, nullptr).ok());
  EXPECT_FALSE(parent.host_is_stale());
  parent.SetNice(5);
  EXPECT_FALSE(parent.host_is_stale());
  ASSERT_TRUE(parent.Change({.policy = kIdle, .nice = 5}, nullptr).ok());
  EXPECT_EQ(parent.TakeForHost(), (platform::HostPriority{.policy = abi::kSchedIdle, .nice = 5}));
  EXPECT_EQ(parent.TakeForHost(), std::nullopt);
  ASSERT_TRUE(child.InheritFrom(parent, TaskSched::IoContextOf::kOwn).ok());
  EXPECT_TRUE(child.host_is_stale());
  parent.SetNice(-5);
  EXPECT_EQ(parent.TakeForHost(), (platform::HostPriority{.policy = abi::kSchedIdle, .nice = 0}));
}

TEST(TaskSchedTest, IoContexts) {
  DeadlineBandwidth pool(1);
  TaskSched parent(pool), copy(pool), sharer(pool);
  parent.SetIoPriority(2 << 13 | 1);
  ASSERT_TRUE(copy.InheritFrom(parent, TaskSched::IoContextOf::kOwn).ok());
  ASSERT_TRUE(sharer.InheritFrom(parent, TaskSched::IoContextOf::kParents).ok());
  parent.SetIoPriority(2 << 13 | 2);
  EXPECT_EQ(copy.io_priority(), 2 << 13 | 1);
  EXPECT_EQ(sharer.io_priority(), 2 << 13 | 2);
}

}  // namespace
}  // namespace sentry
