// mremap, madvise, mincore, mlock, msync.
#include <sys/mman.h>
#include <sys/resource.h>

#include "test/syscalls/harness/test.h"

TOUCHES("mremap", "madvise", "mincore", "mlock", "mlock2", "munlock", "mlockall", "munlockall", "msync", "membarrier")

namespace {

constexpr size_t kPage = 4096;

char* Map(size_t bytes, int flags = MAP_PRIVATE | MAP_ANONYMOUS) {
  return static_cast<char*>(MUST(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, -1, 0)));
}

TEST(Mremap, GrowsByMoving) {
  char* p = Map(4 * kPage);
  memset(p, 'x', 4 * kPage);
  mprotect(p + kPage, kPage, PROT_READ | PROT_WRITE);
  char* q = static_cast<char*>(MUST(mremap(p, 4 * kPage, 64 * kPage, MREMAP_MAYMOVE)));
  EXPECT_EQ(q[0], 'x');
  EXPECT_EQ(q[4 * kPage - 1], 'x');
  EXPECT_EQ(q[4 * kPage], 0);
  q[64 * kPage - 1] = 'y';
}

TEST(Mremap, ShrinksInPlace) {
  char* p = Map(4 * kPage);
  p[0] = 'a';
  EXPECT_RET(mremap(p, 4 * kPage, kPage, 0), p);
  EXPECT_EQ(p[0], 'a');
  unsigned char v;
  EXPECT_ERR(mincore(p + kPage, kPage, &v), ENOMEM);
}

TEST(Mremap, CannotGrowInPlaceIsENOMEM) {
  char* p = Map(2 * kPage);
  // The neighbour above is taken, by a mapping that cannot merge.
  MUST(mprotect(p + kPage, kPage, PROT_READ));
  EXPECT_ERR(mremap(p, kPage, 2 * kPage, 0), ENOMEM);
}

TEST(Mremap, FixedMovesOverOldMapping) {
  char* p = Map(kPage);
  char* target = Map(kPage);
  p[3] = 'p';
  target[3] = 't';
  EXPECT_RET(mremap(p, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, target), target);
  EXPECT_EQ(target[3], 'p');
}

TEST(Mremap, DontunmapLeavesEmptyPages) {
  char* p = Map(kPage);
  p[0] = 'd';
  char* q = static_cast<char*>(MUST(mremap(p, kPage, kPage, MREMAP_MAYMOVE | 4 /*DONTUNMAP*/, nullptr)));
  EXPECT_NE(p, q);
  EXPECT_EQ(q[0], 'd');
  EXPECT_EQ(p[0], 0);
}

TEST(Mremap, SharedOldSizeZeroDuplicates) {
  char* p = Map(kPage, MAP_SHARED | MAP_ANONYMOUS);
  char* q = static_cast<char*>(MUST(mremap(p, 0, kPage, MREMAP_MAYMOVE)));
  q[0] = 's';
  EXPECT_EQ(p[0], 's');
}

TEST(Mremap, Errors) {
  char* p = Map(2 * kPage);
  EXPECT_ERR(mremap(p + 1, kPage, kPage, 0), EINVAL);
  EXPECT_ERR(mremap(p, kPage, 0, 0), EINVAL);
  EXPECT_ERR(mremap(p, kPage, kPage, 64), EINVAL);
  EXPECT_ERR(mremap(p, kPage, kPage, MREMAP_FIXED, p), EINVAL);
  EXPECT_ERR(mremap(p, 2 * kPage, kPage, MREMAP_FIXED | MREMAP_MAYMOVE, p + kPage), EINVAL);
  MUST(munmap(p + kPage, kPage));
  EXPECT_ERR(mremap(p + kPage, kPage, 2 * kPage, MREMAP_MAYMOVE), EFAULT);
}

TEST(Madvise, DontneedZeroesPrivate) {
  char* p = Map(3 * kPage);
  memset(p, 'x', 3 * kPage);
  EXPECT_OK(madvise(p + kPage, kPage, MADV_DONTNEED));
  EXPECT_EQ(p[0], 'x');
  EXPECT_EQ(p[kPage], 0);
  EXPECT_EQ(p[2 * kPage], 'x');
}

TEST(Madvise, DontneedKeepsShared) {
  char* p = Map(kPage, MAP_SHARED | MAP_ANONYMOUS);
  p[0] = 's';
  EXPECT_OK(madvise(p, kPage, MADV_DONTNEED));
  EXPECT_EQ(p[0], 's');
  EXPECT_OK(madvise(p, kPage, MADV_REMOVE));
  EXPECT_EQ(p[0], 0);
}

TEST(Madvise, HintsAndErrors) {
  char* p = Map(2 * kPage);
  for (int advice : {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_FREE}) {
    EXPECT_OK(madvise(p, kPage, advice));
  }
  EXPECT_ERR(madvise(p + 1, kPage, MADV_NORMAL), EINVAL);
  EXPECT_ERR(madvise(p, kPage, 9999), EINVAL);
  EXPECT_OK(madvise(p, 0, MADV_NORMAL));
  MUST(munmap(p + kPage, kPage));
  EXPECT_ERR(madvise(p, 2 * kPage, MADV_NORMAL), ENOMEM);
}

TEST(Madvise, DontforkHidesFromChild) {
  char* p = Map(kPage);
  EXPECT_OK(madvise(p, kPage, MADV_DONTFORK));
  EXPECT_CHILD_OK([&] {
    unsigned char v;
    EXPECT_ERR(mincore(p, kPage, &v), ENOMEM);
  });
  char* w = Map(kPage);
  w[0] = 'w';
  EXPECT_OK(madvise(w, kPage, MADV_WIPEONFORK));
  EXPECT_CHILD_OK([&] { EXPECT_EQ(w[0], 0); });
  EXPECT_EQ(w[0], 'w');
}

TEST(Mincore, TouchedPagesAreResident) {
  char* p = Map(4 * kPage);
  p[2 * kPage] = 1;
  unsigned char v[4] = {};
  EXPECT_OK(mincore(p, 4 * kPage, v));
  EXPECT_EQ(v[2] & 1, 1);
  EXPECT_ERR(mincore(p + 1, kPage, v), EINVAL);
  EXPECT_ERR(mincore(p, kPage, st::Bad<unsigned char>()), EFAULT);
  MUST(munmap(p + kPage, kPage));
  EXPECT_ERR(mincore(p, 4 * kPage, v), ENOMEM);
}

TEST(Mlock, LocksAndUnlocks) {
  char* p = Map(2 * kPage);
  EXPECT_OK(mlock(p + 5, kPage));
  unsigned char v[2] = {};
  EXPECT_OK(mincore(p, 2 * kPage, v));
  EXPECT_EQ(v[0] & 1, 1);
  EXPECT_OK(munlock(p, 2 * kPage));
  EXPECT_OK(mlock2(p, kPage, MLOCK_ONFAULT));
  EXPECT_ERR(mlock2(p, kPage, 77), EINVAL);
  MUST(munmap(p + kPage, kPage));
  EXPECT_ERR(mlock(p, 2 * kPage), ENOMEM);
  EXPECT_ERR(munlock(p, 2 * kPage), ENOMEM);
}

TEST(Mlock, AllAndErrors) {
  EXPECT_ERR(mlockall(0), EINVAL);
  EXPECT_ERR(mlockall(64), EINVAL);
  EXPECT_OK(munlockall());
}

TEST(Mlock, LimitBindsTheUnprivileged) {
  st::NeedRoot();
  char* p = Map(16 * kPage);
  EXPECT_CHILD_OK([&] {
    struct rlimit r = {4 * kPage, 4 * kPage};
    MUST(setrlimit(RLIMIT_MEMLOCK, &r));
    st::DropToNobody();
    EXPECT_ERR(mlock(p, 16 * kPage), ENOMEM);
    EXPECT_OK(mlock(p, 2 * kPage));
    r = {0, 0};
    MUST(setrlimit(RLIMIT_MEMLOCK, &r));
    EXPECT_ERR(mlock(p, kPage), EPERM);
  });
}

TEST(Msync, FlagsAndHoles) {
  char* p = Map(2 * kPage, MAP_SHARED | MAP_ANONYMOUS);
  EXPECT_OK(msync(p, kPage, MS_SYNC));
  EXPECT_OK(msync(p, kPage, MS_ASYNC | MS_INVALIDATE));
  EXPECT_ERR(msync(p, kPage, MS_SYNC | MS_ASYNC), EINVAL);
  EXPECT_ERR(msync(p + 1, kPage, MS_SYNC), EINVAL);
  EXPECT_ERR(msync(p, kPage, 64), EINVAL);
  EXPECT_OK(msync(p, 0, MS_SYNC));
  MUST(munmap(p + kPage, kPage));
  EXPECT_ERR(msync(p, 2 * kPage, MS_SYNC), ENOMEM);
}

TEST(Membarrier, QueryAndPrivate) {
  long commands = MUST(syscall(SYS_membarrier, 0, 0, 0));
  EXPECT_TRUE(commands & 1);  // GLOBAL
  EXPECT_OK(syscall(SYS_membarrier, 1, 0, 0));
  if (commands & 8) {                                     // PRIVATE_EXPEDITED
    EXPECT_ERR(syscall(SYS_membarrier, 8, 0, 0), EPERM);  // not registered
    EXPECT_OK(syscall(SYS_membarrier, 16, 0, 0));
    EXPECT_OK(syscall(SYS_membarrier, 8, 0, 0));
  }
  EXPECT_ERR(syscall(SYS_membarrier, 1 << 30, 0, 0), EINVAL);
  EXPECT_ERR(syscall(SYS_membarrier, 0, 5, 0), EINVAL);
}

}  // namespace
