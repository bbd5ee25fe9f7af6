#include <csignal>
#include <thread>

#include "sentry/abi/mman.h"
#include "sentry/mm/mm_test_util.h"

namespace sentry {
namespace {

using FaultTest = MmTest;

void ExpectFailure(const std::optional<FaultFailure>& f, int signo, int code) {
  ASSERT_TRUE(f.has_value());
  EXPECT_EQ(f->signo, signo);
  EXPECT_EQ(f->code, code);
}

TEST_F(FaultTest, AnonymousReadsZeroAndKeepsStores) {
  Guest g = NewGuest();
  const UserAddr a = g.Map(1 * kMiB);
  EXPECT_EQ(g.Get(a + 5000), 0);
  EXPECT_TRUE(g.Put(a + 5000, 42));
  EXPECT_EQ(g.Get(a + 5000), 42);
  EXPECT_EQ(g.faults, 1u);  // the read fault mapped it writable
}

TEST_F(FaultTest, DenseAccessFaultsSeldom) {
  Guest g = NewGuest();
  const UserAddr a = g.Map(64 * kMiB);
  for (uint64_t at = 0; at < 64 * kMiB; at += kPageSize) ASSERT_TRUE(g.Put(a + at, 1));
  EXPECT_LE(g.faults, 45u);  // 2 MiB each, once it is seen to be dense
  Guest sparse = NewGuest();
  const UserAddr b = sparse.Map(1 * kGiB);
  for (uint64_t at = 0; at < 1 * kGiB; at += 16 * kMiB) ASSERT_TRUE(sparse.Put(b + at, 1));
  EXPECT_LE(sparse->usage().resident_bytes, 64 * 64 * kKiB);
}

TEST_F(FaultTest, BadAccesses) {
  Guest g = NewGuest();
  const UserAddr a = g.Map(64 * kKiB, {.prot = kProtRead});
  char c;
  ExpectFailure(g.Load(UserAddr(0x5000000), &c), SIGSEGV, abi::kSegvMapErr);
  ExpectFailure(g.Store(a, 1), SIGSEGV, abi::kSegvAccErr);
  ExpectFailure(g->HandleFault(a, {.execute = true}), SIGSEGV, abi::kSegvAccErr);
  EXPECT_EQ(g.Get(a), 0);
  ASSERT_TRUE(g->Mprotect(a, 64 * kKiB, kProtNone, false).ok());
  ExpectFailure(g.Load(a, &c), SIGSEGV, abi::kSegvAccErr);
}

TEST_F(FaultTest, StackGrowsDownToItsLimitAndKeepsAGap) {
  Guest g = NewGuest();
  const UserAddr top(40 * kGiB);
  const UserAddr a =
      g.Map(128 * kKiB,
            {.addr = top - 128 * kKiB, .placement = MmapRequest::Placement::kFixed, .grows_down = true, .stack = true});
  EXPECT_TRUE(g.Put(a - 100 * kKiB, 1));
  EXPECT_TRUE(g.Put(top - 8 * kMiB, 1));
  ExpectFailure(g.Store(top - 8 * kMiB - 1, 1), SIGSEGV, abi::kSegvMapErr);
  EXPECT_EQ(g->usage().stack_bytes, 8 * kMiB);
  g->SetLimits({.stack = 64 * kMiB});
  g.Map(4 * kKiB, {.addr = top - 10 * kMiB, .placement = MmapRequest::Placement::kFixed});
  ExpectFailure(g.Store(top - 10 * kMiB + 8 * kKiB, 1), SIGSEGV, abi::kSegvMapErr);
  EXPECT_TRUE(g.Put(top - 10 * kMiB + 4 * kKiB + (1 * kMiB), 1));
}

TEST_F(FaultTest, MemoryLimitIsASigbusAndTheRestLivesOn) {
  UseMemory(1 * kMiB);
  Guest g = NewGuest();
  const UserAddr a = g.Map(1 * kMiB), b = g.Map(1 * kMiB);
  for (uint64_t at = 0; at < 1 * kMiB; at += kPageSize) ASSERT_TRUE(g.Put(a + at, 7));
  ExpectFailure(g.Store(b, 1), SIGBUS, abi::kBusAdrErr);
  EXPECT_EQ(g.Get(a + 1 * kMiB - 1), 0);
  EXPECT_TRUE(g->CopyOut(b, Bytes("x")).Is(Errno::kEFAULT));
  ASSERT_TRUE(g->Munmap(a, 64 * kKiB).ok());
  EXPECT_TRUE(g.Put(b, 1));
  EXPECT_TRUE(g->Mmap({.length = 1 * kGiB, .prot = kProtReadWrite}).Is(Errno::kENOMEM));
  EXPECT_TRUE(g->Mmap({.length = 1 * kGiB, .prot = kProtReadWrite, .no_reserve = true}).ok());
}

class FileFaultTest : public MmTest, public testing::WithParamInterface<TestFile::Kind> {};

TEST_P(FileFaultTest, PrivateMappingReadsTheFileAndCopiesOnWrite) {
  Guest g = NewGuest();
  auto file = MakeRef<TestFile>(*mf, 1 * kMiB, GetParam());
  for (uint64_t i = 0; i < 1 * kMiB; i += kPageSize) file->At(i) = static_cast<char>(i / kPageSize);
  const UserAddr a = g.Map(1 * kMiB, {.mappable = file});
  for (uint64_t i = 0; i < 256; ++i) ASSERT_EQ(g.Get(a + i * kPageSize), static_cast<int>(i));
  EXPECT_EQ(g.faults, 1u);
  EXPECT_TRUE(g.Put(a + 20 * kPageSize, 99));
  EXPECT_EQ(file->At(20 * kPageSize), 20);
  EXPECT_EQ(g.Get(a + 20 * kPageSize), 99);
  for (uint64_t i = 16; i < 32; ++i) ASSERT_EQ(g.Get(a + i * kPageSize), i == 20 ? 99 : static_cast<int>(i));
  file->At(100 * kPageSize) = 55;  // not copied: still the file's
  EXPECT_EQ(g.Get(a + 100 * kPageSize), 55);
  EXPECT_EQ(file->write_translations, 0);
  EXPECT_EQ(g->usage().resident_anon, 64 * kKiB);
}

TEST_P(FileFaultTest, SharedMappingWritesTheFile) {
  Guest g = NewGuest();
  auto file = MakeRef<TestFile>(*mf, 1 * kMiB, GetParam());
  const UserAddr a = g.Map(1 * kMiB, {.shared = true, .mappable = file});
  EXPECT_EQ(file->shared_writable_mappings(), 1u);
  EXPECT_EQ(g.Get(a), 0);
  EXPECT_EQ(file->write_translations, 0);
  EXPECT_TRUE(g.Put(a + 10, 5));
  EXPECT_EQ(file->write_translations, 1);
  EXPECT_EQ(file->At(10), 5);
  ASSERT_EQ(g->CopyOut(a + 20, Bytes("hello")).value(), 5u);
  EXPECT_EQ(memcmp(&file->At(20), "hello", 5), 0);
  char buf[5];
  ASSERT_EQ(g->CopyIn(a + 20, std::as_writable_bytes(std::span(buf))).value(), 5u);
  EXPECT_EQ(memcmp(buf, "hello", 5), 0);
  ASSERT_TRUE(g->Msync(a + kPageSize, kPageSize, abi::kMsSync).ok());
  EXPECT_EQ(file->synced, std::make_pair(kPageSize, kPageSize));
  ASSERT_TRUE(g->Munmap(a, 1 * kMiB).ok());
  EXPECT_EQ(file->shared_writable_mappings(), 0u);
}

TEST_P(FileFaultTest, BeyondTheEndIsSigbus) {
  Guest g = NewGuest();
  auto file = MakeRef<TestFile>(*mf, 2 * kPageSize + 100, GetParam());
  const UserAddr a = g.Map(1 * kMiB, {.mappable = file});
  EXPECT_EQ(g.Get(a + 2 * kPageSize + 200), 0);
  char c;
  ExpectFailure(g.Load(a + 3 * kPageSize, &c), SIGBUS, abi::kBusAdrErr);
  ExpectFailure(g.Store(a + 3 * kPageSize, 1), SIGBUS, abi::kBusAdrErr);
  std::vector<std::byte> buf(4 * kPageSize);
  EXPECT_EQ(g->CopyIn(a, buf).value(), 3 * kPageSize);
  EXPECT_TRUE(g->CopyIn(a + 3 * kPageSize, buf).Is(Errno::kEFAULT));
}

TEST_P(FileFaultTest, TruncationDropsPagesAndCopies) {
  Guest g = NewGuest();
  auto file = MakeRef<TestFile>(*mf, 1 * kMiB, GetParam());
  const UserAddr a = g.Map(1 * kMiB, {.mappable = file});
  EXPECT_TRUE(g.Put(a, 1));
  EXPECT_TRUE(g.Put(a + 512 * kKiB, 1));
  EXPECT_EQ(g.Get(a + 900 * kKiB), 0);
  file->Truncate(256 * kKiB);
  EXPECT_EQ(g.Get(a), 1);
  char c;
  ExpectFailure(g.Load(a + 512 * kKiB, &c), SIGBUS, abi::kBusAdrErr);
  ExpectFailure(g.Load(a + 900 * kKiB, &c), SIGBUS, abi::kBusAdrErr);
}

TEST_P(FileFaultTest, InvalidationDuringATranslationStartsOver) {
  Guest g = NewGuest();
  auto file = MakeRef<TestFile>(*mf, 1 * kMiB, GetParam());
  const UserAddr a = g.Map(1 * kMiB, {.mappable = file});
  int times = 2;
  file->hook = [&] {
    if (times-- > 0) file->InvalidateAll(0, UINT64_MAX, MappingSpace::Copies::kKeep);
  };
  EXPECT_TRUE(g.Put(a + 5, 3));
  EXPECT_EQ(g.Get(a + 5), 3);
  EXPECT_GE(file->translations, 3);
}

TEST_P(FileFaultTest, UnmappedDuringATranslation) {
  Guest g = NewGuest();
  auto file = MakeRef<TestFile>(*mf, 1 * kMiB, GetParam());
  const UserAddr a = g.Map(1 * kMiB, {.mappable = file});
  file->hook = [&] { (void)g->Munmap(a, 1 * kMiB); };
  char c;
  ExpectFailure(g.Load(a, &c), SIGSEGV, abi::kSegvMapErr);
  EXPECT_EQ(g->usage().resident_bytes, 0u);
}

INSTANTIATE_TEST_SUITE_P(Kinds, FileFaultTest,
                         testing::Values(TestFile::Kind::kHost, TestFile::Kind::kHostNoView, TestFile::Kind::kMemory));

TEST_P(FileFaultTest, HostTruncationUnderAMappingIsSigbusAndEfault) {
  if (GetParam() == TestFile::Kind::kMemory) return;
  Guest g = NewGuest();
  auto file = MakeRef<TestFile>(*mf, 1 * kMiB, GetParam());
  const UserAddr a = g.Map(1 * kMiB, {.mappable = file});
  EXPECT_EQ(g.Get(a + 512 * kKiB), 0);
  file->HostTruncate(4 * kKiB);  // nobody tells us
  char c;
  ExpectFailure(g.Load(a + 512 * kKiB, &c), SIGBUS, abi::kBusAdrErr);
  std::vector<std::byte> buf(64 * kKiB);
  EXPECT_EQ(g->CopyIn(a, buf).value(), 4 * kKiB);
  EXPECT_TRUE(g->CopyIn(a + 256 * kKiB, buf).Is(Errno::kEFAULT));
}

TEST_F(FaultTest, ThreadsFaultTheSamePages) {
  Guest g = NewGuest();
  const UserAddr a = g.Map(32 * kMiB);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Guest mine(RefPtr<MemoryManager>(&g.mm()));
      for (uint64_t at = t; at < 32 * kMiB; at += kPageSize) ASSERT_TRUE(mine.Put(a + at, static_cast<char>(t + 1)));
    });
  }
  for (std::thread& t : threads) t.join();
  for (uint64_t at = 0; at < 32 * kMiB; at += kPageSize) {
    for (uint64_t t = 0; t < 4; ++t) ASSERT_EQ(g.Get(a + at + t), static_cast<int>(t + 1));
  }
}

TEST_F(FaultTest, EverythingIsGivenBack) {
  {
    Guest g = NewGuest();
    auto file = MakeRef<TestFile>(*mf, 1 * kMiB, TestFile::Kind::kMemory);
    const UserAddr a = g.Map(16 * kMiB), b = g.Map(1 * kMiB, {.shared = true});
    const UserAddr c = g.Map(1 * kMiB, {.mappable = file});
    for (UserAddr at : {a, b, c}) ASSERT_TRUE(g.Put(at + 100, 1));
    Guest child = Fork(g);
    for (UserAddr at : {a, b, c}) ASSERT_TRUE(child.Put(at + 100, 2));
  }
  EXPECT_EQ(used(), 0u);
}

}  // namespace
}  // namespace sentry
