// The parts that need no guest: descriptor tables, signal queues, timers.
#include <atomic>

#include "gtest/gtest.h"
#include "sentry/kernel/fd_table.h"
#include "sentry/kernel/signals/signal_state.h"
#include "sentry/kernel/time/timer_queue.h"
#include "sentry/vfs/simple_inode.h"

namespace sentry {
namespace {

class TestFile final : public FileDescription {
 public:
  TestFile() : FileDescription(InternalPath(InternalFs::kAnonInode, AnonInode(), "test"), abi::kORdWr) {}
};
RefPtr<FileDescription> NewFile() { return MakeRef<TestFile>(); }

TEST(FdTable, LowestFirst) {
  RefPtr<FdTable> table = MakeRef<FdTable>();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(table->Install(NewFile(), CloseOnExec::kNo, 5).value(), i);
  EXPECT_TRUE(table->Install(NewFile(), CloseOnExec::kNo, 5).Is(Errno::kEMFILE));
  EXPECT_TRUE(table->Remove(3).ok());
  EXPECT_TRUE(table->Remove(1).ok());
  EXPECT_TRUE(table->Remove(1).Is(Errno::kEBADF));
  EXPECT_TRUE(table->InstallPair(NewFile(), NewFile(), CloseOnExec::kNo, 3).Is(Errno::kEMFILE));
  EXPECT_EQ(table->Install(NewFile(), CloseOnExec::kNo, 10, 2).value(), 3);
  EXPECT_EQ(table->Install(NewFile(), CloseOnExec::kYes, 10).value(), 1);
  RefPtr<FdTable> copy = table->Fork();
  EXPECT_EQ(copy->RemoveCloseOnExec().size(), 1u);
  EXPECT_EQ(table->List().size(), 5u);
  EXPECT_EQ(copy->List().size(), 4u);
}

TEST(FdTable, InstallAt) {
  RefPtr<FdTable> table = MakeRef<FdTable>();
  EXPECT_TRUE(table->InstallAt(-1, NewFile(), CloseOnExec::kNo, 100).Is(Errno::kEBADF));
  EXPECT_TRUE(table->InstallAt(100, NewFile(), CloseOnExec::kNo, 100).Is(Errno::kEBADF));
  RefPtr<FileDescription> file = NewFile();
  EXPECT_EQ(table->InstallAt(50, file, CloseOnExec::kNo, 100).value(), nullptr);
  EXPECT_EQ(table->InstallAt(50, NewFile(), CloseOnExec::kNo, 100).value(), file);
  EXPECT_EQ(table->Install(NewFile(), CloseOnExec::kNo, 100).value(), 0);
  EXPECT_EQ(table->RemoveRange(1, UINT32_MAX).size(), 1u);
}

TEST(PendingSignals, StandardOnceRealTimeMany) {
  PendingSignals queue;
  EXPECT_TRUE(queue.Enqueue({.signo = abi::kSigUsr1}, 10));
  EXPECT_FALSE(queue.Enqueue({.signo = abi::kSigUsr1}, 10));
  for (int i = 0; i < 3; ++i) {
    SigInfo info = {.signo = abi::kSigRtMin, .code = abi::kSiQueue};
    info.u.kill.value = static_cast<uint64_t>(i);
    EXPECT_TRUE(queue.Enqueue(info, 10));
  }
  EXPECT_FALSE(queue.Enqueue({.signo = abi::kSigRtMin + 1}, 4));
  EXPECT_TRUE(queue.Enqueue({.signo = abi::kSigSegv}, 10));
  const SignalSet all{UINT64_MAX};
  EXPECT_EQ(queue.Dequeue(all)->signo, abi::kSigSegv);
  EXPECT_EQ(queue.Dequeue(all)->signo, abi::kSigUsr1);
  for (uint64_t i = 0; i < 3; ++i) EXPECT_EQ(queue.Dequeue(all)->u.kill.value, i);
  EXPECT_TRUE(queue.set().empty());
  EXPECT_FALSE(queue.Dequeue(all).has_value());
}

TEST(PendingSignals, MaskAndDiscard) {
  PendingSignals queue;
  queue.Enqueue({.signo = abi::kSigTerm}, 10);
  queue.Enqueue({.signo = abi::kSigKill}, 10);
  SignalSet only;
  only.Add(abi::kSigTerm);
  EXPECT_FALSE(queue.Dequeue(~only & ~abi::kUnblockable).has_value());
  EXPECT_EQ(queue.Dequeue(SignalSet{UINT64_MAX})->signo, abi::kSigKill);
  queue.Discard(only);
  EXPECT_TRUE(queue.set().empty());
}

TEST(TimerQueue, RunsInOrderAndCancels) {
  TimerQueue timers;
  std::atomic<int> sum{0};
  const int64_t now = MonotonicNow();
  timers.Arm(now + 20'000'000, [&] { sum = sum * 10 + 2; });
  timers.Arm(now + 10'000'000, [&] { sum = sum * 10 + 1; });
  const TimerQueue::Id never = timers.Arm(now + 15'000'000, [&] { sum = 1000; });
  timers.Cancel(never);
  while (MonotonicNow() < now + 60'000'000 && sum < 12) {
  }
  EXPECT_EQ(sum, 12);
}

TEST(Clock, Conversions) {
  EXPECT_TRUE(TimespecToNs({.sec = 0, .nsec = kNsPerSec}).Is(Errno::kEINVAL));
  EXPECT_TRUE(TimespecToNs({.sec = -1, .nsec = 0}).Is(Errno::kEINVAL));
  EXPECT_EQ(TimespecToNs({.sec = INT64_MAX, .nsec = 1}).value(), INT64_MAX);
  EXPECT_EQ(NsToTimespec(1'500'000'000), (abi::Timespec{.sec = 1, .nsec = 500'000'000}));
}

}  // namespace
}  // namespace sentry
