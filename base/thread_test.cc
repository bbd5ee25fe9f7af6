#include "base/thread.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>

namespace base {
namespace {

TEST(Thread, RunsAndIsJoined) {
  std::atomic<int> runs{0};
  Result<Thread> thread = Thread::Start([&] { ++runs; });
  ASSERT_TRUE(thread.ok());
  Thread mine = *std::move(thread);
  EXPECT_TRUE(mine.joinable());
  mine.Join();
  EXPECT_EQ(runs, 1);
  EXPECT_FALSE(mine.joinable());
  mine.Join();
}

TEST(Thread, TooManyAreAnError) {
  pthread_attr_t usual, vast;
  ASSERT_EQ(pthread_getattr_default_np(&usual), 0);
  ASSERT_EQ(pthread_attr_init(&vast), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&vast, size_t{1} << 46), 0);  // the host has no room for it
  ASSERT_EQ(pthread_setattr_default_np(&vast), 0);
  EXPECT_FALSE(Thread::StartDetached([] {}).ok());
  EXPECT_EQ(pthread_setattr_default_np(&usual), 0);
}

}  // namespace
}  // namespace base
