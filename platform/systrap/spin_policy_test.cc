#include "platform/systrap/spin_policy.h"

#include <gtest/gtest.h>
#include <time.h>

namespace platform::systrap {
namespace {

constexpr uint64_t kTicks = 1000;  // in a microsecond

SpinPolicy Ready() {
  SpinPolicy policy;
  policy.set_ticks_per_us(kTicks);
  for (int i = 0; i < SpinPolicy::kBegin; i++) policy.OnRequest(kTicks);
  return policy;
}

TEST(SpinPolicy, CloseRequestsBeginIt) {
  SpinPolicy policy;
  policy.set_ticks_per_us(kTicks);
  for (int i = 0; i < SpinPolicy::kBegin; i++) {
    EXPECT_FALSE(policy.Wants(0));
    policy.OnRequest(SpinPolicy::kCloseUs * kTicks - 1);
  }
  EXPECT_TRUE(policy.Wants(0));
  policy.OnRequest(SpinPolicy::kCloseUs * kTicks);
  EXPECT_FALSE(policy.Wants(0));
}

TEST(SpinPolicy, WithoutAClockNever) {
  SpinPolicy policy;
  for (int i = 0; i < 100; i++) policy.OnRequest(0);
  EXPECT_FALSE(policy.Wants(0));
}

TEST(SpinPolicy, BlockingEndsIt) {
  SpinPolicy policy = Ready();
  policy.OnBlock();
  EXPECT_FALSE(policy.Wants(0));
}

TEST(SpinPolicy, EachDisturbanceHoldsItOffForLonger) {
  SpinPolicy policy = Ready();
  uint64_t now = 0;
  for (uint64_t pause = SpinPolicy::kFirstPauseUs; pause <= SpinPolicy::kLastPauseUs; pause *= 2) {
    policy.OnDisturbance(now);
    for (int i = 0; i < SpinPolicy::kBegin; i++) policy.OnRequest(kTicks);
    EXPECT_FALSE(policy.Wants(now + pause * kTicks - 1));
    now += pause * kTicks;
    EXPECT_TRUE(policy.Wants(now));
  }
  // After a long quiet time it is a first one.
  now += 100 * SpinPolicy::kLastPauseUs * kTicks;
  policy.OnDisturbance(now);
  for (int i = 0; i < SpinPolicy::kBegin; i++) policy.OnRequest(kTicks);
  EXPECT_TRUE(policy.Wants(now + SpinPolicy::kFirstPauseUs * kTicks));
}

TEST(TscClock, KnowsItsRateAfterAWhile) {
  TscClock clock;
  const timespec pause = {0, 2'000'000};
  nanosleep(&pause, nullptr);
  const uint64_t rate = clock.TicksPerMicrosecond();
  EXPECT_GT(rate, 100u);  // of any processor of this century
  EXPECT_LT(rate, 10000u);
  EXPECT_EQ(clock.TicksPerMicrosecond(), rate);
}

}  // namespace
}  // namespace platform::systrap
