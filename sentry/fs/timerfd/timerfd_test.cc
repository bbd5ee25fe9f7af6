#include "sentry/fs/timerfd/timerfd.h"

#include <optional>

#include "gtest/gtest.h"
#include "sentry/abi/eventfd.h"
#include "sentry/usermem/fake_user_memory.h"

namespace sentry {
namespace {

// One timer, and a clock that moves when told.
class FakeTimers final : public TimerService {
 public:
  int64_t Now(int) override { return now_; }
  void Arm(TimerListener& listener, int, int64_t deadline) override {
    listener_ = &listener;
    deadline_ = deadline;
  }
  void Disarm(TimerListener&) override { deadline_.reset(); }

  void Advance(int64_t ns) {
    now_ += ns;
    if (!deadline_ || *deadline_ > now_) return;
    deadline_.reset();
    listener_->TimerExpired();
  }
  std::optional<int64_t> deadline() const { return deadline_; }

 private:
  int64_t now_ = 1000;
  std::optional<int64_t> deadline_;
  TimerListener* listener_ = nullptr;
};

class TimerFdTest : public ::testing::Test {
 protected:
  TimerFdTest() {
    ctx_.creds = MakeRef<Credentials>();
    file_ = *NewTimerFd(ctx_, timers_, 1, 0);
  }
  Result<uint64_t> Read() {
    uint64_t v = 0;
    KernelIoSink dst(std::as_writable_bytes(std::span(&v, 1)));
    TRY(file_->Read(ctx_, dst));
    return v;
  }
  bool Ready() { return file_->Readiness(base::kEventIn) != 0; }

  FakeTimers timers_;
  VfsContext ctx_;
  RefPtr<TimerFd> file_;
};

TEST_F(TimerFdTest, ExpiresOnce) {
  file_->SetTime(0, {.value = 100}).value();
  timers_.Advance(99);
  EXPECT_TRUE(Read().Is(Errno::kEAGAIN));
  EXPECT_FALSE(Ready());
  EXPECT_EQ(file_->GetTime().value, 1);
  timers_.Advance(1);
  EXPECT_TRUE(Ready());
  EXPECT_EQ(*Read(), 1u);
  EXPECT_EQ(file_->GetTime().value, 0);
  EXPECT_TRUE(Read().Is(Errno::kEAGAIN));
}

TEST_F(TimerFdTest, CountsPeriodsAndArmsAgainOnRead) {
  file_->SetTime(0, {.value = 100, .interval = 10}).value();
  timers_.Advance(135);
  EXPECT_FALSE(timers_.deadline());
  EXPECT_EQ(*Read(), 4u);
  EXPECT_EQ(timers_.deadline(), 1000 + 140);
  const TimerSetting left = file_->GetTime();
  EXPECT_EQ(left.value, 5);
  EXPECT_EQ(left.interval, 10);
}

TEST_F(TimerFdTest, AbsoluteTimesMayBePast) {
  file_->SetTime(abi::kTfdTimerAbsTime, {.value = 1}).value();
  EXPECT_EQ(*Read(), 1u);
}

TEST_F(TimerFdTest, SettingTellsTheOldAndForgetsExpirations) {
  file_->SetTime(0, {.value = 100, .interval = 7}).value();
  timers_.Advance(40);
  const TimerSetting old = *file_->SetTime(0, {.value = 0, .interval = 9});
  EXPECT_EQ(old.value, 60);
  EXPECT_EQ(old.interval, 7);
  EXPECT_FALSE(timers_.deadline());
  timers_.Advance(1000);
  EXPECT_TRUE(Read().Is(Errno::kEAGAIN));
}

TEST_F(TimerFdTest, HugeTimesDoNotWrap) {
  file_->SetTime(0, {.value = INT64_MAX, .interval = INT64_MAX}).value();
  EXPECT_EQ(timers_.deadline(), INT64_MAX);
  file_->SetTime(0, {.value = 1, .interval = INT64_MAX}).value();
  timers_.Advance(5);
  EXPECT_EQ(*Read(), 1u);
  EXPECT_EQ(timers_.deadline(), INT64_MAX);
}

TEST_F(TimerFdTest, Arguments) {
  EXPECT_TRUE(NewTimerFd(ctx_, timers_, 2, 0).Is(Errno::kEINVAL));
  EXPECT_TRUE(NewTimerFd(ctx_, timers_, 1, 1).Is(Errno::kEINVAL));
  EXPECT_TRUE(NewTimerFd(ctx_, timers_, 9, 0).Is(Errno::kEPERM));
  EXPECT_TRUE(file_->SetTime(4, {}).Is(Errno::kEINVAL));
  std::byte small[7];
  KernelIoSink dst{std::span(small)};
  EXPECT_TRUE(file_->Read(ctx_, dst).Is(Errno::kEINVAL));
}

}  // namespace
}  // namespace sentry
