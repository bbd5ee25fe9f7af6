#include "sentry/memfile/memory_file.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace sentry {
namespace {

constexpr uint64_t kMiB = 1 << 20;

std::unique_ptr<MemoryFile> Make(uint64_t limit, bool large = true) {
  MemoryFile::Options o;
  o.small_fd = base::UniqueFd(memfd_create("small", MFD_CLOEXEC));
  if (large) o.large_fd = base::UniqueFd(memfd_create("large", MFD_CLOEXEC));
  o.limit = limit;
  auto r = MemoryFile::Create(std::move(o));
  EXPECT_TRUE(r.ok());
  return r.ok() ? std::move(*r) : nullptr;
}

bool AllZero(const std::byte* p, size_t n) {
  return std::all_of(p, p + n, [](std::byte b) { return b == std::byte{0}; });
}

TEST(MemoryFileTest, AllocatesZeroedAndCounts) {
  auto mf = Make(64 * kMiB);
  auto r = mf->Allocate(64 << 10, MemKind::kAnonymous, false);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->size(), 64u << 10);
  EXPECT_TRUE(AllZero(mf->Pointer(r->start), r->size()));
  EXPECT_EQ(mf->usage().total(), 64u << 10);
  EXPECT_TRUE(mf->SoleOwner(*r));
  mf->IncRef({r->start, r->start + kPageSize});
  EXPECT_FALSE(mf->SoleOwner(*r));
  EXPECT_TRUE(mf->SoleOwner({r->start + kPageSize, r->end}));
  mf->DecRef(*r);
  EXPECT_EQ(mf->usage().total(), kPageSize);
  EXPECT_TRUE(mf->SoleOwner({r->start, r->start + kPageSize}));
  mf->DecRef({r->start, r->start + kPageSize});
  EXPECT_EQ(mf->usage().total(), 0u);
}

TEST(MemoryFileTest, RejectsBadSizes) {
  auto mf = Make(kMiB);
  EXPECT_TRUE(mf->Allocate(0, MemKind::kAnonymous, false).Is(Errno::kEINVAL));
  EXPECT_TRUE(mf->Allocate(100, MemKind::kAnonymous, false).Is(Errno::kEINVAL));
  EXPECT_TRUE(mf->Allocate(2 * kMiB, MemKind::kAnonymous, false).Is(Errno::kENOMEM));
  EXPECT_TRUE(mf->Allocate(UINT64_MAX & ~kPageMask, MemKind::kAnonymous, false).Is(Errno::kENOMEM));
}

TEST(MemoryFileTest, LimitHoldsAndReturns) {
  auto mf = Make(kMiB, false);
  std::vector<MemRange> got;
  for (int i = 0; i < 16; ++i) {
    auto r = mf->Allocate(64 << 10, MemKind::kShared, false);
    ASSERT_TRUE(r.ok());
    got.push_back(*r);
  }
  EXPECT_TRUE(mf->Allocate(kPageSize, MemKind::kShared, false).Is(Errno::kENOMEM));
  mf->DecRef(got.back());
  EXPECT_TRUE(mf->Allocate(kPageSize, MemKind::kShared, false).ok());
}

TEST(MemoryFileTest, ReusedPagesReadAsZeroes) {
  auto mf = Make(64 * kMiB);
  auto a = mf->Allocate(64 << 10, MemKind::kAnonymous, false);
  ASSERT_TRUE(a.ok());
  memset(mf->Pointer(a->start), 0x5a, a->size());
  mf->DecRef(*a);
  EXPECT_GT(mf->DirtyBytes(), 0u);
  auto b = mf->Allocate(32 << 10, MemKind::kAnonymous, false);
  ASSERT_TRUE(b.ok());
  EXPECT_EQ(b->start, a->start);
  EXPECT_TRUE(AllZero(mf->Pointer(b->start), b->size()));
}

TEST(MemoryFileTest, SurplusGoesBackToTheHost) {
  auto mf = Make(256 * kMiB, false);
  std::vector<MemRange> got;
  for (int i = 0; i < 512; ++i) {
    auto r = mf->Allocate(64 << 10, MemKind::kAnonymous, false);
    ASSERT_TRUE(r.ok());
    memset(mf->Pointer(r->start), 1, r->size());
    got.push_back(*r);
  }
  EXPECT_EQ(mf->CommittedBytes(), 32 * kMiB);
  for (const MemRange& r : got) mf->DecRef(r);
  EXPECT_LE(mf->DirtyBytes(), MemoryFile::kMaxDirty);
  EXPECT_LE(mf->CommittedBytes(), MemoryFile::kMaxDirty);
}

TEST(MemoryFileTest, LargeChunksAreAlignedAndReturnWhole) {
  auto mf = Make(8 * kMiB);
  auto r = mf->Allocate(kHugePageSize, MemKind::kAnonymous, true);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(mf->Backing(r->start).offset % kHugePageSize, 0u);
  auto small = mf->Allocate(kPageSize, MemKind::kAnonymous, false);
  ASSERT_TRUE(small.ok());
  EXPECT_NE(mf->Backing(small->start).fd, mf->Backing(r->start).fd);
  memset(mf->Pointer(r->start), 7, r->size());
  const MemOffset mid = r->start + kMiB;
  mf->DecRef({r->start, mid});
  EXPECT_EQ(mf->usage().total(), kMiB + kPageSize);
  EXPECT_EQ(mf->CommittedBytes(), kMiB);  // the first half is gone from the host
  mf->DecRef({mid, r->end});
  auto again = mf->Allocate(kHugePageSize, MemKind::kAnonymous, true);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->start, r->start);
  EXPECT_TRUE(AllZero(mf->Pointer(again->start), again->size()));
}

TEST(MemoryFileTest, CommitAndResidency) {
  auto mf = Make(8 * kMiB);
  auto r = mf->Allocate(8 * kPageSize, MemKind::kAnonymous, false);
  ASSERT_TRUE(r.ok());
  mf->Pointer(r->start)[2 * kPageSize] = std::byte{1};
  std::vector<uint8_t> out(8);
  mf->Residency(*r, out);
  EXPECT_EQ(out, (std::vector<uint8_t>{0, 0, 1, 0, 0, 0, 0, 0}));
  ASSERT_TRUE(mf->Commit({r->start + 4 * kPageSize, r->end}).ok());
  mf->Residency(*r, out);
  EXPECT_EQ(out, (std::vector<uint8_t>{0, 0, 1, 0, 1, 1, 1, 1}));
}

// Each thread writes its mark and must read it back: nobody is given or punches
// another's pages.
TEST(MemoryFileTest, ThreadsNeverShareAPage) {
  auto mf = Make(64 * kMiB);
  std::vector<std::thread> threads;
  for (int t = 1; t <= 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 rng(static_cast<uint32_t>(t));
      std::vector<MemRange> mine;
      for (int i = 0; i < 1500; ++i) {
        const bool large = rng() % 16 == 0;
        const uint64_t size = large ? kHugePageSize : (1 + rng() % 20) * kPageSize;
        if (mine.size() < 5) {
          auto r = mf->Allocate(size, MemKind::kAnonymous, large);
          if (!r.ok()) continue;
          for (MemOffset at = r->start; at < r->end; at += kPageSize) {
            ASSERT_EQ(*mf->Pointer(at), std::byte{0});
            *mf->Pointer(at) = static_cast<std::byte>(t);
          }
          mine.push_back(*r);
          continue;
        }
        const MemRange r = mine.back();
        mine.pop_back();
        for (MemOffset at = r.start; at < r.end; at += kPageSize) {
          ASSERT_EQ(*mf->Pointer(at), static_cast<std::byte>(t));
        }
        const MemOffset cut = r.start + PageRoundDown(rng() % r.size());
        if (cut > r.start) mf->DecRef({r.start, cut});
        mf->DecRef({cut, r.end});
      }
      for (const MemRange& r : mine) mf->DecRef(r);
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(mf->usage().total(), 0u);
}

}  // namespace
}  // namespace sentry
