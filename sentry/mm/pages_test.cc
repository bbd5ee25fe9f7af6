#include "sentry/mm/pages.h"

#include <map>
#include <random>

#include "gtest/gtest.h"

namespace sentry {
namespace {

PageRun NewRun(uint64_t end, uint64_t offset) {
  PageRun r;
  r.end = end;
  r.offset = offset;
  return r;
}

TEST(PagesTest, NeighboursThatContinueJoin) {
  Pages p;
  p.Insert(0x1000, NewRun(0x3000, 0x8000));
  p.Insert(0x3000, NewRun(0x4000, 0xa000));
  EXPECT_EQ(p.size(), 1u);
  p.Insert(0x4000, NewRun(0x5000, 0x1000));
  EXPECT_EQ(p.size(), 2u);
  EXPECT_EQ(p.bytes(RunKind::kPrivate), 0x4000u);
}

TEST(PagesTest, CountsPlatformMappings) {
  Pages p;
  p.Insert(0x1000, NewRun(0x9000, 0));
  EXPECT_EQ(p.hw_runs(), 0u);
  p.Update(0x1000, 0x9000, [](uint64_t, PageRun& r) { r.hw = kProtReadWrite; });
  EXPECT_EQ(p.hw_runs(), 1u);
  p.Update(0x3000, 0x4000, [](uint64_t, PageRun& r) { r.hw = kProtRead; });
  EXPECT_EQ(p.hw_runs(), 3u);
  p.Update(0x3000, 0x4000, [](uint64_t, PageRun& r) { r.hw = kProtReadWrite; });
  EXPECT_EQ(p.hw_runs(), 1u);
  (void)p.Remove(0x2000, 0x3000);
  EXPECT_EQ(p.hw_runs(), 2u);
}

TEST(PagesTest, RandomAgainstAModel) {
  struct Page {
    uint64_t offset;
    bool cow;
    bool hw;
    bool operator==(const Page&) const = default;
  };
  constexpr uint64_t kCount = 200;
  std::mt19937 rng(3);
  Pages p;
  std::map<uint64_t, Page> model;
  for (int i = 0; i < 20000; ++i) {
    uint64_t a = rng() % kCount, b = rng() % kCount;
    if (a > b) std::swap(a, b);
    b = std::min(b + 1, a + 20);
    const uint64_t start = a * kPageSize, end = b * kPageSize;
    switch (rng() % 3) {
      case 0: {
        const uint64_t offset = rng() % 4 * kCount * kPageSize + start;
        for (auto [from, to] : p.HolesIn(start, end)) {
          p.Insert(from, NewRun(to, offset + (from - start)));
          for (uint64_t at = from; at < to; at += kPageSize) {
            ASSERT_EQ(model.count(at), 0u);
            model[at] = {offset + (at - start), false, false};
          }
        }
        break;
      }
      case 1: {
        const bool cow = rng() % 2, hw = rng() % 2;
        p.Update(start, end, [&](uint64_t, PageRun& r) {
          r.cow = cow;
          r.hw = hw ? kProtRead : kProtNone;
        });
        for (auto it = model.lower_bound(start); it != model.end() && it->first < end; ++it) {
          it->second.cow = cow;
          it->second.hw = hw;
        }
        break;
      }
      default: {
        uint64_t bytes = 0;
        for (const auto& piece : p.Remove(start, end)) bytes += piece.size();
        const size_t before = model.size();
        model.erase(model.lower_bound(start), model.lower_bound(end));
        ASSERT_EQ(bytes, (before - model.size()) * kPageSize);
      }
    }
    if (i % 50 != 0) continue;
    std::map<uint64_t, Page> seen;
    size_t hw_runs = 0, runs = 0;
    for (const auto& piece : p.PiecesIn(0, kCount * kPageSize)) {
      ++runs;
      hw_runs += piece.run.hw.any();
      for (uint64_t at = piece.start; at < piece.run.end; at += kPageSize) {
        seen[at] = {piece.run.offset + (at - piece.start), piece.run.cow, piece.run.hw.any()};
      }
    }
    ASSERT_TRUE(seen == model) << i;
    ASSERT_EQ(p.hw_runs(), hw_runs);
    ASSERT_EQ(p.size(), runs);
    ASSERT_EQ(p.bytes(RunKind::kPrivate), model.size() * kPageSize);
    // Nothing that could be joined is apart.
    size_t needed = 0;
    const Page* last = nullptr;
    uint64_t last_at = 0;
    for (const auto& [at, page] : model) {
      const bool joins = last != nullptr && last_at + kPageSize == at && last->offset + kPageSize == page.offset &&
                         last->cow == page.cow && last->hw == page.hw;
      needed += !joins;
      last = &page;
      last_at = at;
    }
    ASSERT_EQ(p.size(), needed);
  }
}

}  // namespace
}  // namespace sentry
