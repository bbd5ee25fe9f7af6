// The parts that need no netgofer: the poller, the lists of what may pass.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "sentry/abi/inet.h"
#include "sentry/abi/socket.h"
#include "sentry/net/hostinet/control.h"
#include "sentry/net/hostinet/option_table.h"
#include "sentry/net/hostinet/socket_poller.h"

namespace sentry::hostinet {
namespace {

class Counter final : public base::Waiter {
 public:
  Counter() : Waiter(~base::EventMask{0}) {}
  void Notify(base::EventMask events) override {
    seen.fetch_or(events);
    count.fetch_add(1);
  }
  bool AwaitCount(int n) {
    for (int i = 0; i < 2000 && count.load() < n; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return count.load() >= n;
  }
  std::atomic<base::EventMask> seen{0};
  std::atomic<int> count{0};
};

class PollerTest : public testing::Test {
 protected:
  void SetUp() override {
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    near_ = base::UniqueFd(pair[0]);
    far_ = base::UniqueFd(pair[1]);
    poller_ = std::move(SocketPoller::Create()).value();
  }
  static void Settle() { std::this_thread::sleep_for(std::chrono::milliseconds(30)); }

  base::UniqueFd near_, far_;
  std::unique_ptr<SocketPoller> poller_;
  base::WaitQueue queue_;
};

TEST_F(PollerTest, TellsEachArrivalWhileSomebodyWaits) {
  SocketPoller::Watch watch(near_.get(), queue_);
  Counter counter;
  queue_.Add(counter);
  poller_->Arm(watch, SocketPoller::For::kArrivals);
  ASSERT_EQ(write(far_.get(), "x", 1), 1);
  ASSERT_TRUE(counter.AwaitCount(1));
  ASSERT_EQ(write(far_.get(), "x", 1), 1);  // not read, not armed again: a new edge
  EXPECT_TRUE(counter.AwaitCount(2));
  EXPECT_EQ(counter.seen.load() & base::kEventOut, 0u);  // nobody asked for room
  queue_.Remove(counter);
  poller_->Remove(watch);
}

TEST_F(PollerTest, TellsOfRoomOnceItIsAskedFor) {
  SocketPoller::Watch watch(near_.get(), queue_);
  Counter counter;
  queue_.Add(counter);
  poller_->Arm(watch, SocketPoller::For::kArrivals);
  Settle();
  EXPECT_EQ(counter.count.load(), 0);
  poller_->Arm(watch, SocketPoller::For::kRoom);
  EXPECT_TRUE(counter.AwaitCount(1));
  EXPECT_NE(counter.seen.load() & base::kEventOut, 0u);
  queue_.Remove(counter);
  poller_->Remove(watch);
}

TEST_F(PollerTest, SleepsWhenNobodyWaits) {
  SocketPoller::Watch watch(near_.get(), queue_);
  {
    Counter counter;
    queue_.Add(counter);
    poller_->Arm(watch, SocketPoller::For::kArrivals);
    queue_.Remove(counter);
  }
  ASSERT_EQ(write(far_.get(), "x", 1), 1);
  Settle();
  const uint64_t before = poller_->wakeups();
  for (int i = 0; i < 10; ++i) ASSERT_EQ(write(far_.get(), "x", 1), 1);
  Settle();
  EXPECT_EQ(poller_->wakeups(), before);
  // A new waiter is told of what is there.
  Counter counter;
  queue_.Add(counter);
  poller_->Arm(watch, SocketPoller::For::kArrivals);
  EXPECT_TRUE(counter.AwaitCount(1));
  queue_.Remove(counter);
  poller_->Remove(watch);
}

TEST_F(PollerTest, TellsOfHangUp) {
  SocketPoller::Watch watch(near_.get(), queue_);
  Counter counter;
  queue_.Add(counter);
  poller_->Arm(watch, SocketPoller::For::kArrivals);
  far_.reset();
  ASSERT_TRUE(counter.AwaitCount(1));
  EXPECT_NE(counter.seen.load() & base::kEventHup, 0u);
  queue_.Remove(counter);
  poller_->Remove(watch);
}

std::vector<std::byte> BytesOf(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int v : values) bytes.push_back(static_cast<std::byte>(v));
  return bytes;
}

TEST(Control, PassesWhatIsListedAndRefusesTheRest) {
  ControlData control;
  control.records.push_back({abi::kSolIp, abi::kIpTtl, BytesOf({9, 0, 0, 0})});
  control.records.push_back({abi::kSolTcp, 1, BytesOf({1})});                            // nobody's: passed over
  control.records.push_back({abi::kSolSocket, abi::kScmRights, BytesOf({0, 0, 0, 0})});  // as Linux: passed over
  const auto host = ToHostControl(control);
  ASSERT_TRUE(host.ok());
  EXPECT_EQ((*host).size(), abi::CmsgSpace(4));
  control.records.push_back({abi::kSolSocket, abi::kSoMark, BytesOf({1, 0, 0, 0})});
  EXPECT_TRUE(ToHostControl(control).Is(Errno::kEINVAL));
}

TEST(Control, IsBounded) {
  ControlData control;
  for (int i = 0; i < 100; ++i) control.records.push_back({abi::kSolIp, abi::kIpTtl, BytesOf({9, 0, 0, 0})});
  EXPECT_TRUE(ToHostControl(control).Is(Errno::kENOBUFS));
  control.records.assign(1, {abi::kSolIp, abi::kIpPktInfo, std::vector<std::byte>(100'000)});
  EXPECT_TRUE(ToHostControl(control).Is(Errno::kENOBUFS));
}

TEST(Control, ReadsBackWhatItWrites) {
  ControlData control;
  control.records.push_back({abi::kSolIp, abi::kIpTtl, BytesOf({9, 0, 0, 0})});
  control.records.push_back({abi::kSolIpv6, abi::kIpv6Tclass, BytesOf({3, 0, 0, 0})});
  std::vector<std::byte> host = std::move(ToHostControl(control)).value();
  const std::vector<ControlRecord> back = FromHostControl(host);
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[0].type, abi::kIpTtl);
  EXPECT_EQ(back[1].data, control.records[1].data);
  const uint64_t huge = UINT64_MAX;
  std::memcpy(host.data(), &huge, sizeof huge);
  EXPECT_TRUE(FromHostControl(host).empty());
}

TEST(OptionTable, HasNoDoor) {
  constexpr int kSoAttachFilter = 26, kTcpFastOpenConnect = 30, kTcpUlp = 31, kIpv6AddrForm = 1, kSoPeerPidFd = 77;
  for (const OptionUse use : {OptionUse::kGet, OptionUse::kSet}) {
    EXPECT_EQ(FindHostOption(kLevelSocket, kSoAttachFilter, use), nullptr);
    EXPECT_EQ(FindHostOption(kLevelSocket, kSoPeerPidFd, use), nullptr);
    EXPECT_EQ(FindHostOption(kLevelTcp, kTcpFastOpenConnect, use), nullptr);
    EXPECT_EQ(FindHostOption(kLevelTcp, kTcpUlp, use), nullptr);
    EXPECT_EQ(FindHostOption(kLevelIpv6, kIpv6AddrForm, use), nullptr);
  }
  EXPECT_EQ(FindHostOption(kLevelSocket, abi::kSoMark, OptionUse::kSet), nullptr);
  EXPECT_EQ(FindHostOption(kLevelSocket, abi::kSoBindToDevice, OptionUse::kSet), nullptr);
  EXPECT_NE(FindHostOption(kLevelSocket, abi::kSoError, OptionUse::kGet), nullptr);
}

}  // namespace
}  // namespace sentry::hostinet
