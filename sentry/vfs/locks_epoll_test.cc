#include "gtest/gtest.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/epoll.h"
#include "sentry/vfs/file_locks.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/simple_inode.h"

namespace sentry {
namespace {

constexpr LockRange Bytes(uint64_t start, uint64_t length) { return {start, start + length - 1}; }

TEST(FileLocks, RangesSplitMergeAndConflict) {
  FileLocks locks;
  int a = 0, b = 0;
  ASSERT_TRUE(locks.SetRange({&a, 1}, LockType::kWrite, Bytes(0, 100)).ok());
  EXPECT_TRUE(locks.SetRange({&b, 2}, LockType::kRead, Bytes(50, 1)).Is(Errno::kEAGAIN));
  locks.ClearRange(&a, Bytes(40, 20));
  EXPECT_EQ(locks.ranges().size(), 2u);
  EXPECT_TRUE(locks.SetRange({&b, 2}, LockType::kRead, Bytes(50, 1)).ok());
  const auto found = locks.TestRange({&b, 2}, LockType::kRead, Bytes(0, 10));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->owner.pid, 1);
  EXPECT_EQ(found->range.last, 39u);
  locks.Release(&b);
  ASSERT_TRUE(locks.SetRange({&a, 1}, LockType::kWrite, Bytes(40, 20)).ok());
  EXPECT_EQ(locks.ranges().size(), 1u);
  // A part changes its kind.
  ASSERT_TRUE(locks.SetRange({&a, 1}, LockType::kRead, Bytes(10, 10)).ok());
  EXPECT_EQ(locks.ranges().size(), 3u);
}

TEST(FileLocks, DeadlockIsSeen) {
  FileLocks f, g;
  int a = 0, b = 0;
  ASSERT_TRUE(f.SetRange({&a, 1}, LockType::kWrite, {}).ok());
  ASSERT_TRUE(g.SetRange({&b, 2}, LockType::kWrite, {}).ok());
  EXPECT_TRUE(g.SetRangeOrWait({&a, 1}, LockType::kWrite, {}).Is(Errno::kEAGAIN));
  EXPECT_TRUE(f.SetRangeOrWait({&b, 2}, LockType::kWrite, {}).Is(Errno::kEDEADLK));
  FileLocks::StopWaiting(&a);
  EXPECT_TRUE(f.SetRangeOrWait({&b, 2}, LockType::kWrite, {}).Is(Errno::kEAGAIN));
  FileLocks::StopWaiting(&b);
}

TEST(FileLocks, Flock) {
  FileLocks locks;
  int a = 0, b = 0;
  ASSERT_TRUE(locks.SetFlock(&a, LockType::kRead).ok());
  ASSERT_TRUE(locks.SetFlock(&b, LockType::kRead).ok());
  EXPECT_TRUE(locks.SetFlock(&a, LockType::kWrite).Is(Errno::kEAGAIN));  // and a's is gone
  EXPECT_TRUE(locks.SetFlock(&b, LockType::kWrite).ok());
  locks.Release(&b);
  EXPECT_TRUE(locks.SetFlock(&a, LockType::kWrite).ok());
}

// A file whose readiness the test sets.
class Flag final : public FileDescription {
 public:
  Flag() : FileDescription(InternalPath(InternalFs::kAnonInode, AnonInode(), "flag"), abi::kORdWr) {}
  base::EventMask Readiness(base::EventMask mask) override { return mask & events; }
  base::WaitQueue* wait_queue() override { return &queue; }
  void Set(base::EventMask e) {
    events = e;
    queue.Notify(e);
  }
  base::EventMask events = 0;
  base::WaitQueue queue;
};

TEST(Epoll, LevelEdgeAndOneShot) {
  auto epoll = EpollFile::Create();
  auto level = MakeRef<Flag>(), edge = MakeRef<Flag>(), once = MakeRef<Flag>();
  ASSERT_TRUE(epoll->Add(*level, 3, {base::kEventIn, 1}).ok());
  ASSERT_TRUE(epoll->Add(*edge, 4, {base::kEventIn | kEpollEt, 2}).ok());
  ASSERT_TRUE(epoll->Add(*once, 5, {base::kEventIn | kEpollOneShot, 3}).ok());
  EXPECT_TRUE(epoll->Add(*level, 3, {base::kEventIn, 1}).Is(Errno::kEEXIST));
  EXPECT_TRUE(epoll->Collect(10).empty());
  EXPECT_EQ(epoll->Readiness(base::kEventIn), 0u);
  for (auto* f : {level.get(), edge.get(), once.get()}) f->Set(base::kEventIn);
  EXPECT_EQ(epoll->Readiness(base::kEventIn), base::kEventIn);
  EXPECT_EQ(epoll->Collect(10).size(), 3u);
  const auto again = epoll->Collect(10);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].data, 1u);
  once->Set(base::kEventIn);
  EXPECT_EQ(epoll->Collect(10).size(), 1u);
  ASSERT_TRUE(epoll->Modify(*once, 5, {base::kEventIn | kEpollOneShot, 4}).ok());
  EXPECT_EQ(epoll->Collect(10).size(), 2u);
  level->events = 0;
  EXPECT_TRUE(epoll->Collect(10).empty());
}

TEST(Epoll, ADyingFileLeaves) {
  auto epoll = EpollFile::Create();
  auto flag = MakeRef<Flag>();
  ASSERT_TRUE(epoll->Add(*flag, 3, {base::kEventIn, 1}).ok());
  flag->Set(base::kEventIn);
  flag.reset();
  EXPECT_TRUE(epoll->Collect(10).empty());
  auto other = MakeRef<Flag>();
  ASSERT_TRUE(epoll->Add(*other, 3, {base::kEventIn, 1}).ok());
  epoll.reset();  // and the other way round
  other->Set(base::kEventIn);
}

TEST(Epoll, NestingIsSeenThroughAndBounded) {
  auto inner = EpollFile::Create(), outer = EpollFile::Create();
  auto flag = MakeRef<Flag>();
  ASSERT_TRUE(inner->Add(*flag, 3, {base::kEventIn, 1}).ok());
  ASSERT_TRUE(outer->Add(*inner, 4, {base::kEventIn, 2}).ok());
  EXPECT_TRUE(inner->Add(*outer, 5, {base::kEventIn, 3}).Is(Errno::kELOOP));
  EXPECT_TRUE(inner->Add(*inner, 5, {base::kEventIn, 3}).Is(Errno::kEINVAL));
  EXPECT_TRUE(outer->Collect(10).empty());
  flag->Set(base::kEventIn);
  const auto events = outer->Collect(10);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].data, 2u);
}

}  // namespace
}  // namespace sentry
