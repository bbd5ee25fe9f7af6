#include "sentry/mm/vma_set.h"

#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace sentry {
namespace {

Vma Make(uint64_t start, uint64_t end) {
  Vma v;
  v.range = {UserAddr(start), UserAddr(end)};
  return v;
}

TEST(VmaSetTest, FindSplitJoin) {
  VmaSet s;
  s.Insert(Make(0x10000, 0x20000));
  EXPECT_EQ(s.Find(0xffff), nullptr);
  EXPECT_NE(s.Find(0x10000), nullptr);
  EXPECT_EQ(s.Find(0x20000), nullptr);
  auto high = s.Split(s.FirstAbove(0x10000), 0x18000);
  EXPECT_EQ(high->first, 0x18000u);
  EXPECT_EQ(s.size(), 2u);
  EXPECT_TRUE(s.Covers({UserAddr(0x10000), UserAddr(0x20000)}));
  s.Join(s.FirstAbove(0x10000));
  EXPECT_EQ(s.size(), 1u);
  EXPECT_FALSE(s.Covers({UserAddr(0x10000), UserAddr(0x21000)}));
}

TEST(VmaSetTest, DifferentOnesDoNotMerge) {
  Vma a = Make(0x10000, 0x20000), b = Make(0x20000, 0x30000);
  EXPECT_TRUE(a.CanMergeWith(b));
  b.prot.write = true;
  EXPECT_FALSE(a.CanMergeWith(b));
}

TEST(VmaSetTest, StackKeepsItsGap) {
  VmaSet s;
  Vma stack = Make(0x40000000, 0x40010000);
  stack.grows_down = true;
  s.Insert(stack);
  EXPECT_EQ(s.FindTopDown(0x1000, 0x1000, 0x10000, 0x40010000), 0x40000000 - kStackGuardGap - 0x1000);
  EXPECT_FALSE(s.IsFree({UserAddr(0x3ffff000), UserAddr(0x40000000)}));
  EXPECT_TRUE(s.IsFree({UserAddr(0x30000000), UserAddr(0x40000000 - kStackGuardGap)}));
}

TEST(VmaSetTest, NothingFits) {
  VmaSet s;
  s.Insert(Make(0x20000, 0x30000));
  EXPECT_FALSE(s.FindTopDown(0x20000, 0x1000, 0x10000, 0x40000));
  EXPECT_FALSE(s.FindBottomUp(0x20000, 0x1000, 0x10000, 0x40000));
  EXPECT_FALSE(s.FindTopDown(UINT64_MAX, 0x1000, 0x10000, 0x40000));
  EXPECT_EQ(s.FindBottomUp(0x10000, 0x1000, 0x18000, 0x40000), 0x30000u);
}

// The highest and lowest place against a map of pages.
TEST(VmaSetTest, RandomPlacesAgainstAModel) {
  constexpr uint64_t kPages = 512, kBase = 0x100000;
  std::mt19937 rng(7);
  VmaSet s;
  std::vector<bool> taken(kPages);
  const auto fits = [&](uint64_t at, uint64_t n) {
    for (uint64_t i = 0; i < n; ++i) {
      if (taken[at + i]) return false;
    }
    return true;
  };
  for (int i = 0; i < 30000; ++i) {
    const uint64_t n = 1 + rng() % (rng() % 8 == 0 ? 60 : 6);
    if (rng() % 3 != 0) {
      std::optional<uint64_t> want_high, want_low;
      for (uint64_t at = 0; at + n <= kPages; ++at) {
        if (!fits(at, n)) continue;
        if (!want_low) want_low = at;
        want_high = at;
      }
      const auto high = s.FindTopDown(n * kPageSize, kPageSize, kBase, kBase + kPages * kPageSize);
      const auto low = s.FindBottomUp(n * kPageSize, kPageSize, kBase, kBase + kPages * kPageSize);
      ASSERT_EQ(high.has_value(), want_high.has_value());
      ASSERT_EQ(low.has_value(), want_low.has_value());
      if (!high) continue;
      ASSERT_EQ((*high - kBase) / kPageSize, *want_high) << i;
      ASSERT_EQ((*low - kBase) / kPageSize, *want_low);
      s.Insert(Make(*high, *high + n * kPageSize));
      for (uint64_t k = 0; k < n; ++k) taken[*want_high + k] = true;
    } else if (s.size() > 0) {
      auto it = s.FirstAbove(kBase + rng() % kPages * kPageSize);
      if (it == s.end()) it = s.begin();
      const Vma gone = s.Remove(it);
      for (uint64_t at = gone.range.start.value; at < gone.range.end.value; at += kPageSize) {
        taken[(at - kBase) / kPageSize] = false;
      }
    }
  }
}

}  // namespace
}  // namespace sentry
