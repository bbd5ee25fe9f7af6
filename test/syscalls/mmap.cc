// Anonymous memory: mmap, munmap, mprotect, brk.
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "test/syscalls/harness/test.h"

TOUCHES("mmap", "munmap", "mprotect", "brk")

namespace {

constexpr size_t kPage = 4096;
constexpr int kAnon = MAP_PRIVATE | MAP_ANONYMOUS;

char* Map(size_t bytes, int prot = PROT_READ | PROT_WRITE, int flags = kAnon) {
  return static_cast<char*>(MUST(mmap(nullptr, bytes, prot, flags, -1, 0)));
}

sigjmp_buf g_jump;
siginfo_t g_info;

void OnFault(int, siginfo_t* i, void*) {
  g_info = *i;
  siglongjmp(g_jump, 1);
}

// The signal that touching p raises, or 0.
template <class F>
int FaultOf(F touch) {
  st::OnSignalInfo(SIGSEGV, OnFault);
  st::OnSignalInfo(SIGBUS, OnFault);
  g_info.si_signo = 0;
  if (sigsetjmp(g_jump, 1) == 0) touch();
  return g_info.si_signo;
}
int ReadFault(volatile char* p) {
  return FaultOf([p] { (void)*p; });
}
int WriteFault(volatile char* p) {
  return FaultOf([p] { *p = 1; });
}

TEST(Mmap, AnonymousIsZeroAndWritable) {
  char* p = Map(64 * kPage);
  for (size_t i = 0; i < 64 * kPage; i += 511) ASSERT_EQ(p[i], 0);
  memset(p, 0xab, 64 * kPage);
  EXPECT_EQ(p[64 * kPage - 1], static_cast<char>(0xab));
  EXPECT_OK(munmap(p, 64 * kPage));
}

TEST(Mmap, Errors) {
  EXPECT_ERR(mmap(nullptr, 0, PROT_READ, kAnon, -1, 0), EINVAL);
  EXPECT_ERR(mmap(nullptr, kPage, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
  EXPECT_ERR(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, -1, 0), EBADF);
  EXPECT_ERR(syscall(SYS_mmap, nullptr, kPage, PROT_READ, kAnon, -1, 12), EINVAL);
  EXPECT_ERR(mmap(reinterpret_cast<void*>(123), kPage, PROT_READ, kAnon | MAP_FIXED, -1, 0), EINVAL);
  EXPECT_ERR(mmap(nullptr, 1ul << 60, PROT_READ, kAnon, -1, 0), ENOMEM);
  EXPECT_ERR(mmap(nullptr, ~0ul - 100, PROT_READ, kAnon, -1, 0), ENOMEM);
}

TEST(Mmap, HintIsTakenWhenFree) {
  char* p = Map(4 * kPage);
  MUST(munmap(p, 4 * kPage));
  EXPECT_EQ(mmap(p + kPage, kPage, PROT_READ, kAnon, -1, 0), static_cast<void*>(p + kPage));
  void* q = MUST(mmap(p + kPage, kPage, PROT_READ, kAnon, -1, 0));  // now it is taken
  EXPECT_NE(q, static_cast<void*>(p + kPage));
}

TEST(Mmap, FixedReplacesAndNoreplaceRefuses) {
  char* p = Map(3 * kPage);
  p[kPage] = 'x';
  p[2 * kPage] = 'y';
  EXPECT_EQ(mmap(p + kPage, kPage, PROT_READ, kAnon | MAP_FIXED, -1, 0), static_cast<void*>(p + kPage));
  EXPECT_EQ(p[kPage], 0);
  EXPECT_EQ(p[2 * kPage], 'y');
  EXPECT_ERR(mmap(p, kPage, PROT_READ, kAnon | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
}

TEST(Mmap, ReadOnlyAndNoneFault) {
  char* r = Map(kPage, PROT_READ);
  EXPECT_EQ(ReadFault(r), 0);
  EXPECT_EQ(WriteFault(r), SIGSEGV);
  EXPECT_EQ(g_info.si_code, SEGV_ACCERR);
  EXPECT_EQ(g_info.si_addr, static_cast<void*>(r));
  char* n = Map(kPage, PROT_NONE);
  EXPECT_EQ(ReadFault(n + 5), SIGSEGV);
  EXPECT_EQ(g_info.si_addr, static_cast<void*>(n + 5));
}

TEST(Mmap, SharedAnonymousReachesChildren) {
  char* p = Map(kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
  EXPECT_CHILD_OK([&] { p[10] = 'c'; });
  EXPECT_EQ(p[10], 'c');
}

TEST(Mmap, PrivateIsCopiedByFork) {
  char* p = Map(8 * kPage);
  memset(p, 'a', 8 * kPage);
  EXPECT_CHILD_OK([&] {
    EXPECT_EQ(p[kPage], 'a');
    memset(p, 'b', 8 * kPage);
  });
  EXPECT_EQ(p[kPage], 'a');
}

TEST(Mmap, BigSparseMapping) {
  size_t size = 4ul << 30;
  char* p = Map(size, PROT_READ | PROT_WRITE, kAnon | MAP_NORESERVE);
  p[0] = 1;
  p[size - 1] = 2;
  p[size / 2] = 3;
  EXPECT_EQ(p[size - 1], 2);
  EXPECT_EQ(p[size / 2 + kPage], 0);
  EXPECT_OK(munmap(p, size));
}

TEST(Mmap, AddressSpaceLimit) {
  EXPECT_CHILD_OK([] {
    struct rlimit r = {256 << 20, 256 << 20};
    MUST(setrlimit(RLIMIT_AS, &r));
    EXPECT_ERR(mmap(nullptr, 512 << 20, PROT_READ, kAnon, -1, 0), ENOMEM);
    EXPECT_OK(mmap(nullptr, 1 << 20, PROT_READ, kAnon, -1, 0));
  });
}

TEST(Mmap, ExecutableCodeRuns) {
  char* p = Map(kPage, PROT_READ | PROT_WRITE);
  const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};  // mov eax, 42; ret
  memcpy(p, code, sizeof code);
  MUST(mprotect(p, kPage, PROT_READ | PROT_EXEC));
  EXPECT_EQ(reinterpret_cast<int (*)()>(p)(), 42);
}

TEST(Munmap, HoleFaultsAndNeighboursStay) {
  char* p = Map(3 * kPage);
  memset(p, 'z', 3 * kPage);
  EXPECT_OK(munmap(p + kPage, 1));  // a part of a page counts whole
  EXPECT_EQ(ReadFault(p + kPage), SIGSEGV);
  EXPECT_EQ(g_info.si_code, SEGV_MAPERR);
  EXPECT_EQ(p[kPage - 1], 'z');
  EXPECT_EQ(p[2 * kPage], 'z');
}

TEST(Munmap, Errors) {
  char* p = Map(kPage);
  EXPECT_ERR(munmap(p + 1, kPage), EINVAL);
  EXPECT_ERR(munmap(p, 0), EINVAL);
  EXPECT_ERR(munmap(p, ~0ul << 12), EINVAL);
  EXPECT_OK(munmap(p, kPage));
  EXPECT_OK(munmap(p, kPage));  // nothing there is no error
}

TEST(Mprotect, ChangesAPart) {
  char* p = Map(3 * kPage);
  memset(p, 'm', 3 * kPage);
  EXPECT_OK(mprotect(p + kPage, kPage, PROT_READ));
  EXPECT_EQ(WriteFault(p + kPage), SIGSEGV);
  EXPECT_EQ(WriteFault(p + 2 * kPage), 0);
  EXPECT_OK(mprotect(p + kPage, kPage, PROT_READ | PROT_WRITE));
  EXPECT_EQ(p[kPage + 1], 'm');
  EXPECT_EQ(WriteFault(p + kPage), 0);
}

TEST(Mprotect, Errors) {
  char* p = Map(2 * kPage);
  EXPECT_ERR(mprotect(p + 1, kPage, PROT_READ), EINVAL);
  EXPECT_ERR(mprotect(p, kPage, 0x100), EINVAL);
  EXPECT_OK(mprotect(p, 0, PROT_READ));
  MUST(munmap(p + kPage, kPage));
  EXPECT_ERR(mprotect(p, 2 * kPage, PROT_READ), ENOMEM);
  st::WriteFile(st::Tmp("f"), std::string(kPage, 'f'));
  Fd fd(MUST(open(st::Tmp("f").c_str(), O_RDONLY)));
  void* q = MUST(mmap(nullptr, kPage, PROT_READ, MAP_SHARED, fd, 0));
  EXPECT_ERR(mprotect(q, kPage, PROT_READ | PROT_WRITE), EACCES);
}

TEST(Mprotect, KernelObeysProtection) {
  char* p = Map(kPage, PROT_READ);
  st::Pipe pipe;
  MUST(write(pipe.w, "x", 1));
  EXPECT_ERR(read(pipe.r, p, 1), EFAULT);
  EXPECT_RET(write(pipe.w, p, 1), 1);
}

TEST(Brk, GrowsShrinksAndRefuses) {
  char* start = reinterpret_cast<char*>(syscall(SYS_brk, 0));
  char* grown = reinterpret_cast<char*>(syscall(SYS_brk, start + 10 * kPage));
  ASSERT_EQ(grown, start + 10 * kPage);
  memset(start, 'b', 10 * kPage);
  EXPECT_RET(syscall(SYS_brk, start), start);
  EXPECT_RET(syscall(SYS_brk, start + 10 * kPage), start + 10 * kPage);
  EXPECT_EQ(start[9 * kPage], 0);  // came back fresh
  EXPECT_RET(syscall(SYS_brk, start + (1ul << 50)), start + 10 * kPage);
  EXPECT_RET(syscall(SYS_brk, 1), start + 10 * kPage);
}

TEST(Brk, DataLimit) {
  EXPECT_CHILD_OK([] {
    char* start = reinterpret_cast<char*>(syscall(SYS_brk, 0));
    struct rlimit r = {0, 0};
    MUST(setrlimit(RLIMIT_DATA, &r));
    EXPECT_RET(syscall(SYS_brk, start + 16 * kPage), start);
  });
}

TEST(Stack, GrowsDownOnTouch) {
  EXPECT_CHILD_OK([] {
    volatile char here = 0;
    volatile char* p = &here;
    for (int i = 1; i <= 500; i++) p[-i * static_cast<long>(kPage)] = 1;  // 2 MB below
    EXPECT_EQ(p[-500 * static_cast<long>(kPage)], 1);
  });
}

TEST(Stack, OverflowIsSIGSEGV) {
  EXPECT_SIGNALED(st::RunInChild([] {
                    struct rlimit r = {1 << 20, 1 << 20};
                    MUST(setrlimit(RLIMIT_STACK, &r));
                    volatile char here = 0;
                    volatile char* p = &here;
                    for (int i = 1; i < 4096; i++) p[-i * static_cast<long>(kPage)] = 1;
                  }),
                  SIGSEGV);
}

TEST_FULL(Mmap, ForkWithManySplitPages) {
  size_t pages = 20000;
  char* p = Map(pages * kPage);
  for (size_t i = 0; i < pages; i++) p[i * kPage] = static_cast<char>(i);
  pid_t child = st::Spawn([&] {
    for (size_t i = 0; i < pages; i += 2) p[i * kPage] = 77;
    for (size_t i = 1; i < pages; i += 2) ASSERT_EQ(p[i * kPage], static_cast<char>(i));
  });
  for (size_t i = 0; i < pages; i += 2) p[i * kPage] = 55;
  EXPECT_EXITED(st::WaitStatus(child), 0);
  for (size_t i = 1; i < pages; i += 2) ASSERT_EQ(p[i * kPage], static_cast<char>(i));
}

}  // namespace
