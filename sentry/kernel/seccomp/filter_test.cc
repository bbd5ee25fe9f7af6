#include "sentry/kernel/seccomp/filter.h"

#include <gtest/gtest.h>

namespace sentry {
namespace {

using base::MakeRef;
using base::RefPtr;

class FakeSupervisor final : public SeccompSupervisor {
 public:
  void NoTasksLeft() override { ++left; }
  bool closed() const override { return is_closed; }
  int left = 0;
  bool is_closed = false;
};

std::vector<abi::SockFilter> Returns(uint32_t answer, size_t length = 1) {
  return std::vector<abi::SockFilter>(length, {abi::kBpfRet | abi::kBpfK, 0, 0, answer});
}

RefPtr<SeccompFilter> Filter(std::vector<abi::SockFilter> code, RefPtr<SeccompFilter> older = nullptr,
                             RefPtr<SeccompSupervisor> supervisor = nullptr) {
  BpfProgram program = BpfProgram::Create(std::move(code)).value();
  auto filter = SeccompFilter::Create(std::move(program), SeccompFilter::Log::kNo, std::move(supervisor)).value();
  EXPECT_TRUE(filter->Link(std::move(older)).ok());
  return filter;
}

TEST(SeccompFilter, LowestActionWinsNewestAmongEquals) {
  const auto allow = Filter(Returns(abi::kSeccompRetAllow));
  EXPECT_EQ(allow->Run({}).match, nullptr);
  const auto error1 = Filter(Returns(abi::kSeccompRetErrno | 1), allow);
  const auto error2 = Filter(Returns(abi::kSeccompRetErrno | 2), error1);
  EXPECT_EQ(error2->Run({}).answer, abi::kSeccompRetErrno | 2);
  EXPECT_EQ(error2->Run({}).match, error2.get());
  const auto trap = Filter(Returns(abi::kSeccompRetTrap), error2);
  EXPECT_EQ(Filter(Returns(abi::kSeccompRetAllow), trap)->Run({}).match, trap.get());
  const auto thread = Filter(Returns(abi::kSeccompRetKillThread), trap);
  const auto process = Filter(Returns(abi::kSeccompRetKillProcess), thread);
  EXPECT_EQ(Filter(Returns(abi::kSeccompRetKillThread), process)->Run({}).match, process.get());
  EXPECT_EQ(process->count(), 6);
}

TEST(SeccompFilter, PathIsLimitedAsLinuxCounts) {
  // 4096 returns are 8195 instructions there; 3 such programs fit, 4 do not.
  RefPtr<SeccompFilter> newest;
  for (int i = 0; i < 3; ++i) newest = Filter(Returns(0, 4096), newest);
  const auto fourth =
      SeccompFilter::Create(BpfProgram::Create(Returns(0, 4096)).value(), SeccompFilter::Log::kNo).value();
  EXPECT_TRUE(fourth->Link(newest).Is(Errno::kENOMEM));
  EXPECT_EQ(fourth->count(), 1);
}

TEST(SeccompFilter, LongestPathIsLetGoWithoutRecursion) {
  RefPtr<SeccompFilter> newest;
  for (int i = 0; i < 3640; ++i) newest = Filter(Returns(abi::kSeccompRetAllow), newest);
  EXPECT_EQ(newest->count(), 3640);
  EXPECT_TRUE(newest->AlwaysAllows(0));
  newest = nullptr;
}

TEST(SeccompFilter, AllMustAlwaysAllow) {
  const auto older = Filter({{abi::kBpfLd | abi::kBpfW | abi::kBpfAbs, 0, 0, 0},
                             {abi::kBpfJmp | abi::kBpfJeq, 0, 1, 5},
                             {abi::kBpfRet, 0, 0, abi::kSeccompRetErrno},
                             {abi::kBpfRet, 0, 0, abi::kSeccompRetAllow}});
  const auto newer = Filter(Returns(abi::kSeccompRetAllow), older);
  EXPECT_TRUE(newer->AlwaysAllows(6));
  EXPECT_FALSE(newer->AlwaysAllows(5));
  EXPECT_FALSE(newer->AlwaysAllows(UINT64_MAX));
  EXPECT_FALSE(newer->AlwaysAllows(512));
}

TEST(SeccompFilter, SupervisorHearsOfTheLastTask) {
  const auto supervisor = MakeRef<FakeSupervisor>();
  const auto older = Filter(Returns(0), nullptr, supervisor);
  older->AddUser();  // a task
  const auto newer = Filter(Returns(0), older);
  newer->AddUser();  // the same one, which uses `older` through this
  newer->AddUser();  // its child
  EXPECT_TRUE(newer->HasLiveSupervisor());
  newer->DropUser();
  EXPECT_EQ(supervisor->left, 0);
  newer->DropUser();
  EXPECT_EQ(supervisor->left, 1);
  supervisor->is_closed = true;
  EXPECT_FALSE(newer->HasLiveSupervisor());
}

TEST(SeccompFilter, Descent) {
  const auto root = Filter(Returns(0));
  const auto a = Filter(Returns(0), root), b = Filter(Returns(0), root);
  EXPECT_TRUE(a->IsOrDescendsFrom(root.get()));
  EXPECT_TRUE(a->IsOrDescendsFrom(a.get()));
  EXPECT_FALSE(a->IsOrDescendsFrom(b.get()));
}

}  // namespace
}  // namespace sentry
