// The mapping calls: placement, errors in Linux's order, limits, accounts.
#include "sentry/abi/mman.h"
#include "sentry/mm/mm_test_util.h"

namespace sentry {
namespace {

using MappingTest = MmTest;
using Placement = MmapRequest::Placement;
using Move = MremapRequest::Move;

MmapRequest At(UserAddr addr, Placement placement, uint64_t length) {
  MmapRequest rq;
  rq.addr = addr;
  rq.length = length;
  rq.placement = placement;
  rq.prot = kProtReadWrite;
  return rq;
}

MmapRequest Anon(uint64_t length) { return At(UserAddr(), Placement::kHint, length); }

TEST_F(MappingTest, PlacesTopDownAndMerges) {
  Guest g = NewGuest();
  const UserAddr a = g.Map(64 * kKiB), b = g.Map(64 * kKiB);
  EXPECT_EQ(a + 64 * kKiB, UserAddr(48 * kGiB));
  EXPECT_EQ(b + 64 * kKiB, a);
  ASSERT_EQ(g->Vmas().size(), 1u);
  EXPECT_EQ(g->Vmas()[0].range.size(), 128 * kKiB);
}

TEST_F(MappingTest, HintsAndFixed) {
  Guest g = NewGuest();
  const UserAddr at(1 * kGiB);
  EXPECT_EQ(g->Mmap(At(at + 123, Placement::kHint, 100)).value(), at);
  EXPECT_NE(g->Mmap(At(at, Placement::kHint, 100)).value(), at);
  EXPECT_TRUE(g->Mmap(At(at, Placement::kFixedNoReplace, 100)).Is(Errno::kEEXIST));
  ASSERT_TRUE(g.Put(at, 1));
  EXPECT_EQ(g->Mmap(At(at, Placement::kFixed, 100)).value(), at);
  EXPECT_EQ(g.Get(at), 0);
  EXPECT_TRUE(g->Mmap(At(at + 1, Placement::kFixed, 100)).Is(Errno::kEINVAL));
  EXPECT_TRUE(g->Mmap(At(UserAddr(0), Placement::kFixed, 100)).Is(Errno::kEPERM));
  EXPECT_TRUE(g->Mmap(At(kMaxUserAddr, Placement::kFixed, 100)).Is(Errno::kENOMEM));
  EXPECT_TRUE(g->Mmap(At(at, Placement::kFixed, UINT64_MAX - 10)).Is(Errno::kENOMEM));
  EXPECT_TRUE(g->Mmap(Anon(0)).Is(Errno::kEINVAL));
  MmapRequest low = Anon(64 * kKiB);
  low.below_4g = true;
  EXPECT_EQ(g->Mmap(low).value(), UserAddr(0x40001000));  // behind `at`'s page
}

TEST_F(MappingTest, UnmapInTheMiddle) {
  Guest g = NewGuest();
  const UserAddr a = g.Map(12 * kPageSize);
  for (int i = 0; i < 12; ++i) ASSERT_TRUE(g.Put(a + static_cast<uint64_t>(i) * kPageSize, 1));
  ASSERT_TRUE(g->Munmap(a + 4 * kPageSize, 4 * kPageSize).ok());
  EXPECT_EQ(g.Get(a + 4 * kPageSize), -1);
  EXPECT_EQ(g.Get(a + 3 * kPageSize), 1);
  EXPECT_EQ(g.Get(a + 8 * kPageSize), 1);
  EXPECT_EQ(g->Vmas().size(), 2u);
  EXPECT_TRUE(g->Munmap(a + 1, kPageSize).Is(Errno::kEINVAL));
  EXPECT_TRUE(g->Munmap(a, 0).Is(Errno::kEINVAL));
  EXPECT_TRUE(g->Munmap(a, UINT64_MAX).Is(Errno::kEINVAL));
  EXPECT_TRUE(g->Munmap(UserAddr(2 * kGiB), kPageSize).ok());  // nothing there: no error
}

TEST_F(MappingTest, Mprotect) {
  Guest g = NewGuest();
  const UserAddr a = g.Map(3 * kPageSize);
  ASSERT_TRUE(g.Put(a, 1));
  ASSERT_TRUE(g->Mprotect(a + kPageSize, kPageSize, kProtRead, false).ok());
  EXPECT_EQ(g->Vmas().size(), 3u);
  EXPECT_FALSE(g.Put(a + kPageSize, 1));
  EXPECT_TRUE(g.Put(a + 2 * kPageSize, 1));
  ASSERT_TRUE(g->Mprotect(a + kPageSize, kPageSize, kProtReadWrite, false).ok());
  EXPECT_EQ(g->Vmas().size(), 1u);
  EXPECT_TRUE(g.Put(a + kPageSize, 1));
  EXPECT_TRUE(g->Mprotect(a + 1, kPageSize, kProtRead, false).Is(Errno::kEINVAL));
  EXPECT_TRUE(g->Mprotect(a, 0, kProtRead, false).ok());
  EXPECT_TRUE(g->Mprotect(a, 4 * kPageSize, kProtRead, false).Is(Errno::kENOMEM));
  EXPECT_FALSE(g.Put(a, 1));  // what lies before the hole was changed
  EXPECT_TRUE(g->Mprotect(a, kPageSize, kProtRead, true).Is(Errno::kEINVAL));
  auto file = MakeRef<TestFile>(*mf, kPageSize);
  MmapRequest rq = Anon(kPageSize);
  rq.prot = kProtRead;
  rq.max_prot = kProtRead;
  rq.shared = true;
  rq.mappable = file;
  const UserAddr b = g->Mmap(rq).value();
  EXPECT_TRUE(g->Mprotect(b, kPageSize, kProtReadWrite, false).Is(Errno::kEACCES));
  EXPECT_EQ(file->shared_writable_mappings(), 0u);
}

TEST_F(MappingTest, ProtectionNoneKeepsContent) {
  Guest g = NewGuest();
  const UserAddr a = g.Map(kPageSize);
  ASSERT_TRUE(g.Put(a, 9));
  ASSERT_TRUE(g->Mprotect(a, kPageSize, kProtNone, false).ok());
  EXPECT_EQ(g.Get(a), -1);
  std::byte b;
  EXPECT_TRUE(g->CopyIn(a, std::span(&b, 1)).Is(Errno::kEFAULT));
  EXPECT_EQ(g->CopyInForced(a, std::span(&b, 1)).value(), 1u);
  EXPECT_EQ(b, std::byte{9});
  ASSERT_TRUE(g->Mprotect(a, kPageSize, kProtReadWrite, false).ok());
  EXPECT_EQ(g.Get(a), 9);
}

TEST_F(MappingTest, MremapGrowsShrinksAndMoves) {
  Guest g = NewGuest();
  const UserAddr a(1 * kGiB);
  ASSERT_TRUE(g->Mmap(At(a, Placement::kFixed, 2 * kPageSize)).ok());
  ASSERT_TRUE(g.Put(a + kPageSize, 5));
  EXPECT_EQ(g->Mremap({.old_addr = a, .old_size = 2 * kPageSize, .new_size = 8 * kPageSize}).value(), a);
  ASSERT_TRUE(g->Mmap(At(a + 8 * kPageSize, Placement::kFixed, kPageSize)).ok());
  ASSERT_TRUE(g->Mprotect(a + 8 * kPageSize, kPageSize, kProtRead, false).ok());
  EXPECT_TRUE(g->Mremap({.old_addr = a, .old_size = 8 * kPageSize, .new_size = 9 * kPageSize}).Is(Errno::kENOMEM));
  const UserAddr b =
      g->Mremap({.old_addr = a, .old_size = 8 * kPageSize, .new_size = 9 * kPageSize, .move = Move::kMayMove}).value();
  EXPECT_NE(b, a);
  EXPECT_EQ(g.Get(b + kPageSize), 5);
  EXPECT_EQ(g.Get(a + kPageSize), -1);
  const UserAddr c(2 * kGiB);
  ASSERT_TRUE(
      g->Mremap(
           {.old_addr = b, .old_size = 9 * kPageSize, .new_size = 2 * kPageSize, .move = Move::kFixed, .new_addr = c})
          .ok());
  EXPECT_EQ(g.Get(c + kPageSize), 5);
  EXPECT_EQ(g.Get(c + 2 * kPageSize), -1);
  EXPECT_EQ(g.Get(b + 8 * kPageSize), -1);
  const UserAddr d = g->Mremap({.old_addr = c,
                                .old_size = 2 * kPageSize,
                                .new_size = 2 * kPageSize,
                                .move = Move::kMayMove,
                                .keep_old = true})
                         .value();
  EXPECT_EQ(g.Get(d + kPageSize), 5);
  EXPECT_EQ(g.Get(c + kPageSize), 0);
}

TEST_F(MappingTest, MremapErrors) {
  Guest g = NewGuest();
  const UserAddr a = g.Map(4 * kPageSize);
  EXPECT_TRUE(g->Mremap({.old_addr = a + 1, .old_size = kPageSize, .new_size = kPageSize}).Is(Errno::kEINVAL));
  EXPECT_TRUE(g->Mremap({.old_addr = a, .old_size = kPageSize, .new_size = 0}).Is(Errno::kEINVAL));
  EXPECT_TRUE(g->Mremap({.old_addr = UserAddr(kGiB), .old_size = kPageSize, .new_size = kPageSize}).Is(Errno::kEFAULT));
  EXPECT_TRUE(
      g->Mremap({.old_addr = a, .old_size = 0, .new_size = kPageSize, .move = Move::kMayMove}).Is(Errno::kEINVAL));
  EXPECT_TRUE(g->Mremap({.old_addr = a,
                         .old_size = 2 * kPageSize,
                         .new_size = 2 * kPageSize,
                         .move = Move::kFixed,
                         .new_addr = a + kPageSize})
                  .Is(Errno::kEINVAL));
  EXPECT_TRUE(g->Mremap({.old_addr = a, .old_size = 8 * kPageSize, .new_size = 9 * kPageSize, .move = Move::kMayMove})
                  .Is(Errno::kEFAULT));
}

TEST_F(MappingTest, MremapOfASharedMappingTwice) {
  Guest g = NewGuest();
  MmapRequest rq = Anon(kPageSize);
  rq.shared = true;
  const UserAddr a = g->Mmap(rq).value();
  const UserAddr b = g->Mremap({.old_addr = a, .old_size = 0, .new_size = kPageSize, .move = Move::kMayMove}).value();
  ASSERT_TRUE(g.Put(a, 3));
  EXPECT_EQ(g.Get(b), 3);
}

TEST_F(MappingTest, BrkMovesTheHeap) {
  Guest g = NewGuest();
  const UserAddr start(1 * kGiB + 100);
  EXPECT_EQ(g->Brk(UserAddr(0)), UserAddr(0));
  g->SetBrkStart(start);
  EXPECT_EQ(g->Brk(UserAddr(0)), start);
  EXPECT_EQ(g->Brk(start + 100 * kKiB), start + 100 * kKiB);
  EXPECT_TRUE(g.Put(start + 50 * kKiB, 1));
  EXPECT_EQ(g->Brk(start + 200 * kKiB), start + 200 * kKiB);
  ASSERT_EQ(g->Vmas().size(), 1u);
  EXPECT_EQ(g->Vmas()[0].name, "[heap]");
  EXPECT_EQ(g->Brk(start + 4 * kKiB), start + 4 * kKiB);
  EXPECT_EQ(g.Get(start + 50 * kKiB), -1);
  ASSERT_TRUE(g->Mmap(At(UserAddr(1 * kGiB + 1 * kMiB), Placement::kFixed, kPageSize)).ok());
  EXPECT_EQ(g->Brk(start + 2 * kMiB), start + 4 * kKiB);
  g->SetLimits({.data = 64 * kKiB});
  EXPECT_EQ(g->Brk(start + 65 * kKiB), start + 4 * kKiB);
}

TEST_F(MappingTest, Limits) {
  Guest g = NewGuest();
  g->SetLimits({.address_space = 1 * kMiB, .memlock = 64 * kKiB});
  EXPECT_TRUE(g->Mmap(Anon(2 * kMiB)).Is(Errno::kENOMEM));
  const UserAddr a = g.Map(1 * kMiB);
  EXPECT_TRUE(g->Mmap(Anon(kPageSize)).Is(Errno::kENOMEM));
  EXPECT_TRUE(g->Mmap(At(a, Placement::kFixed, 1 * kMiB)).ok());  // replaces: no growth
  EXPECT_TRUE(g->Mlock(a, 128 * kKiB, false).Is(Errno::kENOMEM));
  EXPECT_TRUE(g->Mlock(a, 64 * kKiB, false).ok());
  EXPECT_TRUE(g->Mlock(a, 64 * kKiB, false).ok());  // already: not counted twice
  EXPECT_EQ(g->usage().locked_bytes, 64 * kKiB);
  EXPECT_TRUE(g->Madvise(a, kPageSize, abi::kMadvDontNeed).Is(Errno::kEINVAL));
  std::vector<uint8_t> in_core;
  ASSERT_TRUE(g->Mincore(a, 64 * kKiB, in_core).ok());
  EXPECT_EQ(in_core, std::vector<uint8_t>(16, 1));
  EXPECT_TRUE(g->Munlock(a, 64 * kKiB).ok());
  EXPECT_EQ(g->usage().locked_bytes, 0u);
  g->SetLimits({.data = 1 * kMiB, .memlock = 0});
  EXPECT_TRUE(g->Mlock(a, kPageSize, false).Is(Errno::kEPERM));
  EXPECT_TRUE(g->MlockAll(true, false, false).Is(Errno::kEPERM));
  MmapRequest read_only = Anon(64 * kKiB);
  read_only.prot = kProtRead;
  const UserAddr b = g->Mmap(read_only).value();  // no data
  EXPECT_TRUE(g->Mprotect(b, 64 * kKiB, kProtReadWrite, false).Is(Errno::kENOMEM));
}

TEST_F(MappingTest, MlockAllOfTheFuture) {
  Guest g = NewGuest();
  EXPECT_TRUE(g->MlockAll(false, false, false).Is(Errno::kEINVAL));
  ASSERT_TRUE(g->MlockAll(false, true, false).ok());
  const UserAddr a = g.Map(64 * kKiB);
  EXPECT_TRUE(g->Vmas()[0].locked);
  EXPECT_EQ(g->usage().resident_anon, 64 * kKiB);
  EXPECT_TRUE(g.Put(a, 1));
  EXPECT_EQ(g.faults, 0u);
  g->MunlockAll();
  EXPECT_FALSE(g->Vmas()[0].locked);
}

TEST_F(MappingTest, Madvise) {
  Guest g = NewGuest();
  const UserAddr a = g.Map(64 * kKiB);
  ASSERT_TRUE(g.Put(a, 1));
  ASSERT_TRUE(g->Madvise(a, 64 * kKiB, abi::kMadvDontNeed).ok());
  EXPECT_EQ(g->usage().resident_bytes, 0u);
  EXPECT_EQ(g.Get(a), 0);
  EXPECT_TRUE(g->Madvise(a, 64 * kKiB, abi::kMadvMergeable).Is(Errno::kEINVAL));
  EXPECT_TRUE(g->Madvise(a, 64 * kKiB, 77).Is(Errno::kEINVAL));
  EXPECT_TRUE(g->Madvise(a + 1, 64 * kKiB, abi::kMadvDontNeed).Is(Errno::kEINVAL));
  EXPECT_TRUE(g->Madvise(a, 128 * kKiB, abi::kMadvDontNeed).Is(Errno::kENOMEM));
  EXPECT_TRUE(g->Madvise(a, 0, abi::kMadvDontNeed).ok());
  EXPECT_TRUE(g->Madvise(a, 64 * kKiB, abi::kMadvHugePage).ok());
  EXPECT_TRUE(g->Madvise(a, 64 * kKiB, abi::kMadvRemove).Is(Errno::kEINVAL));
  EXPECT_TRUE(g->Madvise(a, 64 * kKiB, abi::kMadvPopulateWrite).ok());
  const size_t faults = g.faults;
  EXPECT_TRUE(g.Put(a + 60 * kKiB, 1));
  EXPECT_EQ(g.faults, faults);
  ASSERT_TRUE(g->Mprotect(a, 64 * kKiB, kProtRead, false).ok());
  EXPECT_TRUE(g->Madvise(a, 64 * kKiB, abi::kMadvPopulateWrite).Is(Errno::kEINVAL));
  auto file = MakeRef<TestFile>(*mf, 64 * kKiB);
  MmapRequest rq = Anon(64 * kKiB);
  rq.mappable = file;
  const UserAddr b = g->Mmap(rq).value();
  EXPECT_TRUE(g->Madvise(b, 64 * kKiB, abi::kMadvFree).Is(Errno::kEINVAL));
  EXPECT_TRUE(g->Madvise(b, 64 * kKiB, abi::kMadvWipeOnFork).Is(Errno::kEINVAL));
}

TEST_F(MappingTest, MsyncAndMincoreErrors) {
  Guest g = NewGuest();
  const UserAddr a = g.Map(4 * kPageSize);
  EXPECT_TRUE(g->Msync(a, kPageSize, 8).Is(Errno::kEINVAL));
  EXPECT_TRUE(g->Msync(a, kPageSize, abi::kMsAsync | abi::kMsSync).Is(Errno::kEINVAL));
  EXPECT_TRUE(g->Msync(a + 1, kPageSize, abi::kMsSync).Is(Errno::kEINVAL));
  EXPECT_TRUE(g->Msync(a, 8 * kPageSize, abi::kMsSync).Is(Errno::kENOMEM));
  EXPECT_TRUE(g->Msync(a, 4 * kPageSize, abi::kMsSync).ok());
  std::vector<uint8_t> out;
  EXPECT_TRUE(g->Mincore(a + 1, kPageSize, out).Is(Errno::kEINVAL));
  EXPECT_TRUE(g->Mincore(a, 8 * kPageSize, out).Is(Errno::kENOMEM));
  ASSERT_TRUE(g.Put(a + kPageSize, 1));
  ASSERT_TRUE(g->Mincore(a, 4 * kPageSize, out).ok());
  EXPECT_EQ(out, (std::vector<uint8_t>{0, 1, 0, 0}));
}

TEST_F(MappingTest, UnmapThatTheHostRefusesStillUnmaps) {
  Guest g = NewGuest();
  const UserAddr a = g.Map(12 * kPageSize);
  ASSERT_TRUE(g.Put(a, 1));
  g.space().fail_next = 1;
  ASSERT_TRUE(g->Munmap(a + 4 * kPageSize, kPageSize).ok());
  EXPECT_EQ(g.Get(a + 4 * kPageSize), -1);
  EXPECT_EQ(g.Get(a), 1);
}

TEST_F(MappingTest, FindFreeAligns) {
  Guest g = NewGuest();
  const UserAddr a = g->FindFree(100 * kKiB, 2 * kMiB).value();
  EXPECT_EQ(a.value % (2 * kMiB), 0u);
  EXPECT_TRUE(g->FindFree(kMaxUserAddr.value, kPageSize).Is(Errno::kENOMEM));
}

}  // namespace
}  // namespace sentry
