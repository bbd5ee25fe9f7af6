#include "sentry/memfile/extent_set.h"

#include <map>
#include <random>

#include "gtest/gtest.h"

namespace sentry {
namespace {

TEST(ExtentSetTest, MergesWithBothNeighbours) {
  ExtentSet s;
  s.Add(0, 10);
  s.Add(20, 30);
  EXPECT_EQ(s.count(), 2u);
  s.Add(10, 20);
  EXPECT_EQ(s.count(), 1u);
  EXPECT_EQ(s.total(), 30u);
}

TEST(ExtentSetTest, SequentialTakesAreContiguous) {
  ExtentSet s;
  s.Add(0, 1 << 20);
  EXPECT_EQ(s.Take(4096), 0u);
  EXPECT_EQ(s.Take(65536), 4096u);
  EXPECT_EQ(s.Take(1 << 20), std::nullopt);
}

TEST(ExtentSetTest, PrefersAFittingHoleToTheBigExtent) {
  ExtentSet s;
  s.Add(0, 1 << 30);
  ASSERT_EQ(s.Take(3 * 4096), 0u);
  ASSERT_TRUE(s.Take(4096));
  s.Add(0, 3 * 4096);
  EXPECT_EQ(s.Take(2 * 4096), 0u);
}

TEST(ExtentSetTest, FindsALateFitInItsOwnClass) {
  ExtentSet s;
  for (uint64_t i = 0; i < 20; ++i) s.Add(i * 100, i * 100 + 8);
  s.Add(5000, 5015);
  EXPECT_EQ(s.Take(15), 5000u);
}

TEST(ExtentSetTest, RandomAgainstAModel) {
  std::mt19937 rng(1);
  ExtentSet s;
  s.Add(0, 1 << 20);
  std::map<uint64_t, uint64_t> taken;
  uint64_t sum = 0;
  for (int i = 0; i < 20000; ++i) {
    if (taken.empty() || rng() % 2) {
      const uint64_t size = 1 + rng() % 2000;
      const std::optional<uint64_t> at = s.Take(size);
      if (!at) continue;
      auto next = taken.lower_bound(*at);
      ASSERT_TRUE(next == taken.end() || *at + size <= next->first);
      ASSERT_TRUE(next == taken.begin() || std::prev(next)->second <= *at);
      taken[*at] = *at + size;
      sum += size;
    } else {
      auto it = taken.lower_bound(rng() % (1 << 20));
      if (it == taken.end()) it = taken.begin();
      s.Add(it->first, it->second);
      sum -= it->second - it->first;
      taken.erase(it);
    }
    ASSERT_EQ(s.total(), (1 << 20) - sum);
  }
}

TEST(ExtentSetTest, TakesTheLargest) {
  ExtentSet s;
  s.Add(0, 8);
  s.Add(100, 300);
  const auto e = s.TakeLargest();
  ASSERT_TRUE(e);
  EXPECT_EQ(e->start, 100u);
  EXPECT_EQ(e->size(), 200u);
  EXPECT_EQ(s.total(), 8u);
}

}  // namespace
}  // namespace sentry
