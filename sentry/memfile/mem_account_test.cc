#include "sentry/memfile/mem_account.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "sentry/memfile/memory_file.h"

namespace sentry {
namespace {

class MemAccountTest : public testing::Test {
 protected:
  MemAccountTest() {
    MemoryFile::Options options;
    options.small_fd = base::UniqueFd(memfd_create("small", MFD_CLOEXEC));
    options.large_fd = base::UniqueFd(memfd_create("large", MFD_CLOEXEC));
    options.limit = 64 << 20;
    file = *MemoryFile::Create(std::move(options));
    top = file->NewAccount(nullptr);
    low = file->NewAccount(top);
  }
  Result<MemRange> Allocate(MemAccount* account, uint64_t size, MemKind kind = MemKind::kAnonymous) {
    FixedCharger charger(account);
    const MemChargerScope scope(&charger);
    return file->Allocate(size, kind, true);
  }
  std::unique_ptr<MemoryFile> file;
  MemAccount* top = nullptr;
  MemAccount* low = nullptr;
};

TEST_F(MemAccountTest, ChargesAllAboveAndGivesBack) {
  const MemRange mem = *Allocate(low, 16 << 10);
  const MemRange shared = *Allocate(low, 8 << 10, MemKind::kShared);
  EXPECT_EQ(low->usage(), 24u << 10);
  EXPECT_EQ(top->usage(), 24u << 10);
  EXPECT_EQ(top->bytes(MemKind::kShared), 8u << 10);
  file->IncRef(mem);
  file->DecRef(mem);
  EXPECT_EQ(low->usage(), 24u << 10) << "a fork's references are free";
  file->DecRef(mem);
  file->DecRef(shared);
  EXPECT_EQ(low->usage(), 0u);
  EXPECT_EQ(top->usage(), 0u);
  EXPECT_EQ(top->peak(), 24u << 10);
  EXPECT_EQ(file->usage().total(), 0u);
}

TEST_F(MemAccountTest, LargePagesAreChargedToo) {
  const MemRange mem = *Allocate(low, 2 << 20);
  EXPECT_EQ(top->usage(), 2u << 20);
  file->DecRef({mem.start, mem.start + kPageSize});
  EXPECT_EQ(top->usage(), (2u << 20) - kPageSize);
  file->DecRef({mem.start + kPageSize, mem.end});
  EXPECT_EQ(top->usage(), 0u);
}

TEST_F(MemAccountTest, ALimitAboveCounts) {
  top->SetMax(16 << 10);
  EXPECT_EQ(low->EffectiveMax(), 16u << 10);
  const MemRange mem = *Allocate(low, 12 << 10);
  EXPECT_TRUE(Allocate(low, 8 << 10).Is(Errno::kENOMEM));
  EXPECT_EQ(low->OverLimit(8 << 10), top);
  EXPECT_EQ(low->OverLimit(kPageSize), nullptr);
  EXPECT_EQ(low->usage(), 12u << 10);
  EXPECT_EQ(top->local_events(MemAccount::Event::kMax), 1u);
  EXPECT_EQ(low->events(MemAccount::Event::kMax), 0u);
  EXPECT_TRUE(Allocate(nullptr, 8 << 10).ok()) << "others have room";
  file->DecRef(mem);
}

TEST_F(MemAccountTest, NeighboursOfOneRangePayTheirOwn) {
  MemAccount* other = file->NewAccount(top);
  const MemRange a = *Allocate(low, 4 << 10), b = *Allocate(other, 4 << 10);
  if (a.end == b.start) {
    file->DecRef({a.start, b.end});
  } else {
    file->DecRef(a);
    file->DecRef(b);
  }
  EXPECT_EQ(low->usage(), 0u);
  EXPECT_EQ(other->usage(), 0u);
}

TEST_F(MemAccountTest, APlaceIsUsedAgainOnceNothingIsCharged) {
  const MemRange mem = *Allocate(low, 4 << 10);
  low->SetMax(1);
  file->ReleaseAccount(*low);
  MemAccount* second = file->NewAccount(top);
  EXPECT_NE(second, low);
  file->DecRef(mem);
  MemAccount* third = file->NewAccount(top);
  EXPECT_EQ(third, low);
  EXPECT_EQ(third->max(), MemAccount::kNoLimit);
}

TEST_F(MemAccountTest, CallersSeeTheLeastLimit) {
  top->SetMax(8 << 20);
  const MemRange mem = *Allocate(low, 1 << 20);
  FixedCharger charger(low);
  EXPECT_EQ(file->CallerView().limit, 64u << 20);
  const MemChargerScope scope(&charger);
  EXPECT_EQ(file->CallerView().limit, 8u << 20);
  EXPECT_EQ(file->CallerView().free(), 7u << 20);
  file->DecRef(mem);
}

}  // namespace
}  // namespace sentry
