#include "base/mutex.h"

#include <chrono>
#include <thread>

#include "gtest/gtest.h"

namespace base {
namespace {

TEST(RankedMutex, OrderedLocksAreTaken) {
  RankedMutex<LockRank::kMm> outer;
  RankedMutex<LockRank::kMemFile> inner;
  MutexLock a(outer);
  MutexLock b(inner);
}

// The analysis cannot know that the pair is locked once where both are one.
void LockPair(RankedMutex<LockRank::kMm>& a, RankedMutex<LockRank::kMm>& b) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  MutexPairLock lock(a, b);
}

TEST(RankedMutex, PairLockTakesTheSameMutexOnce) {
  RankedMutex<LockRank::kMm> a, b;
  LockPair(a, b);
  LockPair(b, a);
  LockPair(a, a);
  const bool free = a.TryLock();
  if (free) a.Unlock();
  EXPECT_TRUE(free);
}

#ifndef NDEBUG
void LockInWrongOrder() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  RankedMutex<LockRank::kMm> outer;
  RankedMutex<LockRank::kMemFile> inner;
  inner.Lock();
  outer.Lock();
}

TEST(RankedMutexDeathTest, InversionAborts) { EXPECT_DEATH(LockInWrongOrder(), "lock"); }
#endif

TEST(CondVar, WakesAndTimesOut) {
  RankedMutex<LockRank::kLeaf> mu;
  CondVar cv;
  bool ready = false;
  std::thread t([&] {
    MutexLock lock(mu);
    ready = true;
    cv.SignalAll();
  });
  {
    MutexLock lock(mu);
    while (!ready) cv.Wait(mu);
    EXPECT_FALSE(cv.WaitUntil(mu, std::chrono::steady_clock::now() + std::chrono::milliseconds(1)));
  }
  t.join();
}

}  // namespace
}  // namespace base
