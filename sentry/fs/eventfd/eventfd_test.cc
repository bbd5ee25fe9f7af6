#include "sentry/fs/eventfd/eventfd.h"

#include "gtest/gtest.h"
#include "sentry/abi/eventfd.h"
#include "sentry/usermem/fake_user_memory.h"

namespace sentry {
namespace {

class EventFdTest : public ::testing::Test {
 protected:
  EventFdTest() { ctx_.creds = MakeRef<Credentials>(); }
  void Make(uint32_t initial, uint32_t flags = 0) { file_ = *NewEventFd(ctx_, initial, flags); }
  Result<uint64_t> Read() {
    uint64_t v = 0;
    KernelIoSink dst(std::as_writable_bytes(std::span(&v, 1)));
    TRY(file_->Read(ctx_, dst));
    return v;
  }
  Result<size_t> Write(uint64_t v) {
    KernelIoSource src(std::as_bytes(std::span(&v, 1)));
    return file_->Write(ctx_, src);
  }
  base::EventMask Ready() { return file_->Readiness(~base::EventMask{0}); }

  VfsContext ctx_;
  RefPtr<FileDescription> file_;
};

TEST_F(EventFdTest, CountsAndEmpties) {
  Make(3);
  EXPECT_EQ(*Write(4), 8u);
  EXPECT_EQ(Ready(), base::kEventIn | base::kEventOut);
  EXPECT_EQ(*Read(), 7u);
  EXPECT_TRUE(Read().Is(Errno::kEAGAIN));
  EXPECT_EQ(Ready(), base::kEventOut);
}

TEST_F(EventFdTest, SemaphoreGivesOneAtATime) {
  Make(2, abi::kEfdSemaphore);
  EXPECT_EQ(*Read(), 1u);
  EXPECT_EQ(*Read(), 1u);
  EXPECT_TRUE(Read().Is(Errno::kEAGAIN));
}

TEST_F(EventFdTest, NeverOverflows) {
  Make(0);
  EXPECT_TRUE(Write(UINT64_MAX).Is(Errno::kEINVAL));
  EXPECT_EQ(*Write(UINT64_MAX - 1), 8u);
  EXPECT_EQ(Ready(), base::kEventIn);
  EXPECT_TRUE(Write(1).Is(Errno::kEAGAIN));
  EXPECT_EQ(*Write(0), 8u);
  FileCast<EventFd>(file_)->Signal(5);  // the kernel's own saturates
  EXPECT_EQ(Ready(), base::kEventIn | base::kEventErr);
  EXPECT_TRUE(Write(0).Is(Errno::kEAGAIN));
  EXPECT_EQ(*Read(), UINT64_MAX);
}

TEST_F(EventFdTest, ShortBuffersAndBadFlags) {
  Make(1);
  std::byte small[7];
  KernelIoSink dst{std::span(small)};
  EXPECT_TRUE(file_->Read(ctx_, dst).Is(Errno::kEINVAL));
  KernelIoSource src{std::span(small)};
  EXPECT_TRUE(file_->Write(ctx_, src).Is(Errno::kEINVAL));
  EXPECT_TRUE(NewEventFd(ctx_, 0, 0x10).Is(Errno::kEINVAL));
  EXPECT_TRUE((*NewEventFd(ctx_, 0, abi::kEfdNonBlock))->nonblocking());
}

TEST_F(EventFdTest, NotifiesItsWaiters) {
  struct Flag : base::Waiter {
    Flag() : base::Waiter(base::kReadableEvents) {}
    void Notify(base::EventMask) override { ++hits; }
    int hits = 0;
  } waiter;
  Make(0);
  file_->wait_queue()->Add(waiter);
  Write(1).value();
  Read().value();
  file_->wait_queue()->Remove(waiter);
  EXPECT_EQ(waiter.hits, 1);
}

}  // namespace
}  // namespace sentry
