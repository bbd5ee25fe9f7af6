#include <chrono>
#include <random>

#include "sentry/abi/mman.h"
#include "sentry/mm/mm_test_util.h"

namespace sentry {
namespace {

using ForkTest = MmTest;

TEST_F(ForkTest, ParentAndChildSeeTheirOwnStores) {
  Guest parent = NewGuest();
  const UserAddr a = parent.Map(1 * kMiB);
  for (uint64_t i = 0; i < 256; ++i) ASSERT_TRUE(parent.Put(a + i * kPageSize, 1));
  Guest child = Fork(parent);
  EXPECT_EQ(child.Get(a), 1);
  EXPECT_TRUE(parent.Put(a, 2));
  EXPECT_EQ(child.Get(a), 1);
  EXPECT_TRUE(child.Put(a + 17 * kPageSize, 3));
  EXPECT_EQ(parent.Get(a + 17 * kPageSize), 1);
  EXPECT_EQ(parent.Get(a), 2);
  EXPECT_EQ(child.Get(a + 18 * kPageSize), 1);
}

TEST_F(ForkTest, TheSoleOwnerCopiesNothing) {
  Guest parent = NewGuest();
  const UserAddr a = parent.Map(16 * kMiB);
  for (uint64_t i = 0; i < 16 * kMiB; i += kPageSize) ASSERT_TRUE(parent.Put(a + i, 1));
  const uint64_t before = used();
  Guest child = Fork(parent);
  child.Drop();
  parent.faults = 0;
  for (uint64_t i = 0; i < 16 * kMiB; i += kPageSize) ASSERT_TRUE(parent.Put(a + i, 2));
  EXPECT_EQ(used(), before);
  EXPECT_LE(parent.faults, 8 * 3u);
}

TEST_F(ForkTest, CopiesOfTheSentryBreakTheSharingToo) {
  Guest parent = NewGuest();
  const UserAddr a = parent.Map(64 * kKiB);
  ASSERT_TRUE(parent.Put(a, 'p'));
  Guest child = Fork(parent);
  EXPECT_EQ(parent.Get(a), 'p');  // mapped, read-only
  ASSERT_EQ(parent->CopyOut(a, Bytes("x")).value(), 1u);
  EXPECT_EQ(parent.Get(a), 'x');
  EXPECT_EQ(child.Get(a), 'p');
  ASSERT_EQ(child->CompareExchangeU32(a, 'p', 'c').value(), static_cast<uint32_t>('p'));
  EXPECT_EQ(child.Get(a), 'c');
  EXPECT_EQ(parent.Get(a), 'x');
}

TEST_F(ForkTest, SharedMemoryStaysShared) {
  Guest parent = NewGuest();
  const UserAddr a = parent.Map(1 * kMiB, {.shared = true});
  ASSERT_TRUE(parent.Put(a + 500 * kKiB, 1));
  Guest child = Fork(parent);
  EXPECT_EQ(child.Get(a + 500 * kKiB), 1);
  ASSERT_TRUE(child.Put(a + 500 * kKiB, 2));
  ASSERT_TRUE(child.Put(a + 100, 3));
  EXPECT_EQ(parent.Get(a + 500 * kKiB), 2);
  EXPECT_EQ(parent.Get(a + 100), 3);
  const auto kp = parent->FutexKey(a + 8), kc = child->FutexKey(a + 8);
  ASSERT_TRUE(kp.ok() && kc.ok());
  EXPECT_EQ(kp->object, kc->object);
  EXPECT_EQ(kp->offset, kc->offset);
  EXPECT_EQ(parent->Vmas().front().name, "/dev/zero (deleted)");
  ASSERT_TRUE(parent->Madvise(a, 1 * kMiB, abi::kMadvRemove).ok());
  EXPECT_EQ(child.Get(a + 100), 0);
}

TEST_F(ForkTest, AdviceHolds) {
  Guest parent = NewGuest();
  const UserAddr gone = parent.Map(64 * kKiB), wiped = parent.Map(64 * kKiB, {.addr = gone - 1 * kMiB});
  ASSERT_TRUE(parent.Put(gone, 1));
  ASSERT_TRUE(parent.Put(wiped, 1));
  ASSERT_TRUE(parent->Madvise(gone, 64 * kKiB, abi::kMadvDontFork).ok());
  ASSERT_TRUE(parent->Madvise(wiped, 64 * kKiB, abi::kMadvWipeOnFork).ok());
  Guest child = Fork(parent);
  EXPECT_EQ(child.Get(gone), -1);
  EXPECT_EQ(child.Get(wiped), 0);
  EXPECT_EQ(parent.Get(gone), 1);
  EXPECT_TRUE(parent.Put(gone, 2));
}

TEST_F(ForkTest, FailureOfTheProtectionFallsBackToUnmapping) {
  Guest parent = NewGuest();
  const UserAddr a = parent.Map(64 * kKiB);
  ASSERT_TRUE(parent.Put(a, 1));
  parent.space().fail_next = 1;
  Guest child = Fork(parent);
  ASSERT_TRUE(parent.Put(a, 2));
  EXPECT_EQ(child.Get(a), 1);
  EXPECT_EQ(parent.Get(a), 2);
  parent.space().dead = true;
  EXPECT_TRUE(parent->CopyIn(a, std::span<std::byte>()).ok());
}

// DESIGN 4: the great fork.
TEST_F(ForkTest, EverySecondPageOfAGibibyteInParentAndChild) {
  const auto start = std::chrono::steady_clock::now();
  Guest parent = NewGuest();
  const UserAddr a = parent.Map(1 * kGiB);
  for (uint64_t i = 0; i < 1 * kGiB; i += kPageSize) ASSERT_TRUE(parent.Put(a + i, 1));
  Guest child = Fork(parent);
  for (uint64_t i = 0; i < 1 * kGiB; i += 2 * kPageSize) {
    ASSERT_TRUE(parent.Put(a + i, 2));
    ASSERT_TRUE(child.Put(a + i, 3));
  }
  EXPECT_LE(used(), 5 * kGiB / 2);
  for (uint64_t i = 0; i < 1 * kGiB; i += 333 * kPageSize) {
    ASSERT_EQ(parent.Get(a + i), (i / kPageSize) % 2 == 0 ? 2 : 1);
    ASSERT_EQ(child.Get(a + i), (i / kPageSize) % 2 == 0 ? 3 : 1);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  RecordProperty("seconds", std::to_string(took.count()));
  printf("faults: parent %zu, child %zu; %.1f s\n", parent.faults, child.faults, took.count());
}

// Scattered copies make mappings; past the budget ranges are compacted.
TEST_F(ForkTest, TheBudgetOfMappingsHolds) {
  Guest parent = NewGuest();
  parent.space().budget = 200;
  const UserAddr a = parent.Map(128 * kMiB);
  for (uint64_t i = 0; i < 128 * kMiB; i += kPageSize) ASSERT_TRUE(parent.Put(a + i, static_cast<char>(i / kPageSize)));
  std::vector<Guest> children;
  std::mt19937 rng(5);
  children.push_back(Fork(parent));
  std::vector<bool> wrote(128 * kMiB / kPageSize);
  for (int i = 0; i < 3000; ++i) {
    const uint64_t page = rng() % wrote.size();
    wrote[page] = true;
    ASSERT_TRUE(parent.Put(a + page * kPageSize, 77));
  }
  for (size_t page = 0; page < wrote.size(); ++page) {
    const int old = static_cast<unsigned char>(static_cast<char>(page));
    ASSERT_EQ(parent.Get(a + page * kPageSize), wrote[page] ? 77 : old) << page;
    ASSERT_EQ(children[0].Get(a + page * kPageSize), old) << page;
  }
}

}  // namespace
}  // namespace sentry
