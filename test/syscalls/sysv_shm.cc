// System V shared memory: where segments are attached, and when they go.
#include <limits.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/personality.h>

#include <string>
#include <thread>

#include "test/syscalls/sysv_shm_test_util.h"

TOUCHES("shmget", "shmat", "shmdt")

namespace {

using namespace shm_test;

constexpr mode_t kDest = 01000;

// The line of /proc/self/maps that has `start`.
std::string MapsLine(const void* start) {
  char head[32];
  snprintf(head, sizeof head, "%lx-", reinterpret_cast<long>(start));
  const std::string maps = "\n" + st::ReadFile("/proc/self/maps");
  const size_t at = maps.find("\n" + std::string(head));
  return at == maps.npos ? "" : maps.substr(at + 1, maps.find('\n', at + 1) - at - 1);
}

TEST(SysvShm, Keys) {
  EXPECT_ERR(shmget(OwnKey(), kPage, 0600), ENOENT);
  const int id = MUST(shmget(OwnKey(), kPage, IPC_CREAT | IPC_EXCL | 0600));
  EXPECT_RET(shmget(OwnKey(), 0, 0), id);
  EXPECT_RET(shmget(OwnKey(), kPage, IPC_CREAT | 0600), id);
  EXPECT_ERR(shmget(OwnKey(), kPage + 1, 0), EINVAL);
  EXPECT_ERR(shmget(OwnKey(), kPage + 1, IPC_CREAT | IPC_EXCL), EEXIST);
  EXPECT_RET(shmctl(id, IPC_RMID, nullptr), 0);
  EXPECT_ERR(shmctl(id, IPC_RMID, nullptr), EINVAL);
  EXPECT_ERR(At(id), EINVAL);
}

TEST(SysvShm, Sizes) {
  EXPECT_ERR(shmget(IPC_PRIVATE, 0, 0600), EINVAL);
  EXPECT_ERR(shmget(IPC_PRIVATE, static_cast<size_t>(-1), 0600), EINVAL);
  Segment odd(kPage + 1);
  EXPECT_EQ(StatOf(odd).shm_segsz, kPage + 1);
  char* const p = Attach(odd);
  p[2 * kPage - 1] = 1;  // all of the last page
  const std::string line = MapsLine(p);
  char end[32];
  snprintf(end, sizeof end, "-%lx rw-s 00000000 ", reinterpret_cast<long>(p + 2 * kPage));
  EXPECT_NE(line.find(end), line.npos);
}

TEST(SysvShm, SharedByAll) {
  Segment segment(2 * kPage);
  char* const a = Attach(segment);
  char* const b = Attach(segment);
  EXPECT_NE(st::AsLong(a), st::AsLong(b));
  for (size_t i = 0; i < 2 * kPage; i += 64) EXPECT_EQ(a[i], 0);
  a[kPage] = 7;
  EXPECT_EQ(b[kPage], 7);
  EXPECT_CHILD_OK([&] {
    char* const c = Attach(segment);
    EXPECT_EQ(c[kPage], 7);
    c[0] = 8;
    a[1] = 9;
  });
  EXPECT_EQ(b[0], 8);
  EXPECT_EQ(b[1], 9);
  EXPECT_RET(shmdt(a), 0);
  EXPECT_RET(shmdt(b), 0);
  // It stays.
  EXPECT_EQ(Attach(segment)[kPage], 7);
}

TEST(SysvShm, FutexesAreShared) {
  Segment segment;
  int* const word = reinterpret_cast<int*>(Attach(segment));
  const pid_t child = st::Spawn([&] {
    int* const other = reinterpret_cast<int*>(Attach(segment));
    EXPECT_RET(syscall(SYS_futex, other, FUTEX_WAIT, 0, nullptr, nullptr, 0), 0);
  });
  st::WaitBlocked(child);
  EXPECT_RET(syscall(SYS_futex, word, FUTEX_WAKE, 1, nullptr, nullptr, 0), 1);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(SysvShm, Places) {
  Segment segment(2 * kPage);
  char* const hole = static_cast<char*>(mmap(nullptr, 8 * kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  MUST(munmap(hole, 4 * kPage));
  EXPECT_ERR(At(-1), EINVAL);
  EXPECT_ERR(At(INT_MAX), EINVAL);
  EXPECT_ERR(At(segment, hole + 1), EINVAL);
  EXPECT_ERR(At(segment, nullptr, SHM_REMAP), EINVAL);
  EXPECT_ERR(At(segment, reinterpret_cast<void*>(5), SHM_RND | SHM_REMAP), EINVAL);
  EXPECT_ERR(At(segment, reinterpret_cast<void*>(-kPage)), EINVAL);
  EXPECT_ERR(At(segment, reinterpret_cast<void*>(0x800000000000)), ENOMEM);
  // There is something already.
  EXPECT_ERR(At(segment, hole + 3 * kPage), EINVAL);
  EXPECT_EQ(Attached(segment), 0u);
  EXPECT_RET(At(segment, hole), st::AsLong(hole));
  EXPECT_RET(At(segment, hole + 2 * kPage + 5, SHM_RND), st::AsLong(hole + 2 * kPage));
  hole[0] = 3;
  EXPECT_EQ(hole[2 * kPage], 3);
  EXPECT_RET(At(segment, hole + kPage, SHM_REMAP), st::AsLong(hole + kPage));
  EXPECT_EQ(hole[kPage], 3);
  EXPECT_EQ(Attached(segment), 3u);
}

// Null by rounding is not anywhere.
TEST(SysvShm, RoundedToNull) {
  Segment segment(kPage, 0666);
  EXPECT_CHILD_OK([&] {
    if (geteuid() == 0) st::DropToNobody();
    EXPECT_ERR(At(segment, reinterpret_cast<void*>(5), SHM_RND), EPERM);
  });
}

TEST(SysvShm, Protection) {
  Segment segment;
  char* const rw = Attach(segment);
  char* const ro = Attach(segment, SHM_RDONLY);
  rw[0] = 5;
  EXPECT_EQ(ro[0], 5);
  EXPECT_ERR(mprotect(ro, kPage, PROT_READ | PROT_WRITE), EACCES);
  EXPECT_RET(mprotect(ro, kPage, PROT_READ | PROT_EXEC), 0);
  EXPECT_NE(MapsLine(rw).find(" rw-s "), std::string::npos);
  char* const rx = Attach(segment, SHM_EXEC);
  EXPECT_NE(MapsLine(rx).find(" rwxs "), std::string::npos);
  const pid_t child = st::Spawn([&] { *static_cast<volatile char*>(ro) = 1; });
  EXPECT_SIGNALED(st::WaitStatus(child), SIGSEGV);
}

TEST(SysvShm, ReadImpliesExec) {
  Segment segment;
  MUST(personality(READ_IMPLIES_EXEC));
  char* const p = Attach(segment, SHM_RDONLY);
  EXPECT_NE(MapsLine(p).find(" r-xs "), std::string::npos);
}

TEST(SysvShm, NameInMaps) {
  const int id = MUST(shmget(OwnKey(), kPage, IPC_CREAT | 0600));
  char* const p = Attach(id);
  char name[64];
  snprintf(name, sizeof name, " 00:01 %d", id);
  EXPECT_NE(MapsLine(p).find(name), std::string::npos);
  snprintf(name, sizeof name, "/SYSV%08x (deleted)", OwnKey());
  EXPECT_NE(MapsLine(p).find(name), std::string::npos);
  EXPECT_RET(shmctl(id, IPC_RMID, nullptr), 0);
}

TEST(SysvShm, Detaching) {
  Segment segment(4 * kPage);
  char* const p = Attach(segment);
  EXPECT_ERR(shmdt(p + 1), EINVAL);
  EXPECT_ERR(shmdt(p + kPage), EINVAL);
  EXPECT_ERR(shmdt(nullptr), EINVAL);
  EXPECT_RET(shmdt(p), 0);
  EXPECT_ERR(shmdt(p), EINVAL);
  EXPECT_EQ(Attached(segment), 0u);
  EXPECT_ERR(mprotect(p, kPage, PROT_READ), ENOMEM);
}

// An attachment in pieces counts as so many, and goes at once.
TEST(SysvShm, Pieces) {
  Segment segment(6 * kPage);
  char* const p = Attach(segment);
  MUST(mprotect(p + kPage, kPage, PROT_READ));
  EXPECT_EQ(Attached(segment), 3u);
  // They don't become one again.
  MUST(mprotect(p + kPage, kPage, PROT_READ | PROT_WRITE));
  EXPECT_EQ(Attached(segment), 3u);
  MUST(munmap(p, kPage));
  MUST(munmap(p + 3 * kPage, kPage));
  EXPECT_EQ(Attached(segment), 3u);
  EXPECT_RET(shmdt(p), 0);
  EXPECT_EQ(Attached(segment), 0u);
}

// Another one in a hole of the first is none of it.
TEST(SysvShm, TwoAtOnePlace) {
  Segment segment(3 * kPage), other;
  char* const p = Attach(segment);
  MUST(munmap(p + kPage, kPage));
  EXPECT_RET(At(other, p + kPage), st::AsLong(p + kPage));
  EXPECT_RET(shmdt(p), 0);
  EXPECT_EQ(Attached(other), 1u);
  EXPECT_RET(shmdt(p + kPage), 0);
}

TEST(SysvShm, MovedAttachment) {
  Segment segment(2 * kPage);
  char* const p = Attach(segment);
  p[0] = 4;
  char* const room = static_cast<char*>(mmap(nullptr, 2 * kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  char* const moved = static_cast<char*>(mremap(p, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, room));
  ASSERT_EQ(st::AsLong(moved), st::AsLong(room));
  EXPECT_EQ(moved[0], 4);
  EXPECT_EQ(Attached(segment), 1u);
  EXPECT_RET(shmdt(moved), 0);
}

TEST(SysvShm, BeyondItsEnd) {
  Segment segment;
  char* const p = Attach(segment);
  char* const grown = static_cast<char*>(mremap(p, kPage, 2 * kPage, MREMAP_MAYMOVE));
  MUST(st::AsLong(grown));
  const pid_t child = st::Spawn([&] { static_cast<volatile char*>(grown)[kPage] = 1; });
  EXPECT_SIGNALED(st::WaitStatus(child), SIGBUS);
}

TEST(SysvShm, CountsOverForkExecExit) {
  Segment segment;
  char* const p = Attach(segment);
  EXPECT_EQ(StatOf(segment).shm_lpid, getpid());
  const pid_t child = st::Spawn([&] {
    EXPECT_EQ(Attached(segment), 2u);
    EXPECT_EQ(StatOf(segment).shm_lpid, getppid());
    EXPECT_RET(shmdt(p), 0);
    EXPECT_EQ(StatOf(segment).shm_lpid, getpid());
    Attach(segment);
    Attach(segment);
    EXPECT_EQ(Attached(segment), 3u);
  });
  EXPECT_EXITED(st::WaitStatus(child), 0);
  EXPECT_EQ(Attached(segment), 1u);
  EXPECT_EQ(StatOf(segment).shm_lpid, child);
  const pid_t execed = st::Spawn([&] {
    execl("/bin/true", "true", nullptr);
    _exit(1);
  });
  EXPECT_EXITED(st::WaitStatus(execed), 0);
  EXPECT_EQ(Attached(segment), 1u);
  EXPECT_EQ(StatOf(segment).shm_lpid, execed);
}

TEST(SysvShm, NotForked) {
  Segment segment;
  char* const p = Attach(segment);
  MUST(madvise(p, kPage, MADV_DONTFORK));
  EXPECT_CHILD_OK([&] { EXPECT_EQ(Attached(segment), 1u); });
}

TEST(SysvShm, RemovedWhileAttached) {
  const int id = MUST(shmget(OwnKey(), kPage, IPC_CREAT | 0600));
  char* const p = Attach(id);
  p[0] = 6;
  EXPECT_RET(shmctl(id, IPC_RMID, nullptr), 0);
  EXPECT_ERR(shmget(OwnKey(), 0, 0), ENOENT);
  shmid_ds stat = StatOf(id);
  EXPECT_EQ(stat.shm_perm.mode, kDest | 0600);
  EXPECT_EQ(stat.shm_perm.__key, IPC_PRIVATE);
  // Who knows the number gets in still.
  char* const q = Attach(id);
  EXPECT_EQ(q[0], 6);
  EXPECT_RET(shmctl(id, IPC_RMID, nullptr), 0);
  // A part that goes is not the end.
  EXPECT_RET(shmdt(p), 0);
  EXPECT_EQ(q[0], 6);
  EXPECT_CHILD_OK([&] { EXPECT_EQ(Attached(id), 2u); });
  EXPECT_RET(shmdt(q), 0);
  EXPECT_ERR(shmctl(id, IPC_STAT, &stat), EINVAL);
  EXPECT_ERR(At(id), EINVAL);
}

TEST(SysvShm, MovedAfterRemoval) {
  const int id = MUST(shmget(OwnKey(), kPage, IPC_CREAT | 0600));
  char* const p = Attach(id);
  p[0] = 3;
  EXPECT_RET(shmctl(id, IPC_RMID, nullptr), 0);
  char* const room = static_cast<char*>(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  MUST(st::AsLong(mremap(p, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, room)));
  EXPECT_EQ(Attached(id), 1u);
  char* const again = Attach(id);
  EXPECT_EQ(again[0], 3);
  char name[64];
  snprintf(name, sizeof name, "/SYSV%08x (deleted)", OwnKey());
  EXPECT_NE(MapsLine(again).find(name), std::string::npos);
  EXPECT_RET(shmdt(again), 0);
  EXPECT_RET(shmdt(room), 0);
  EXPECT_ERR(At(id), EINVAL);
}

// A child that is being made keeps what another thread lets go.
TEST(SysvShm, ForkedWhileItGoes) {
  for (int i = 0; i < 50; ++i) {
    const int id = MUST(shmget(IPC_PRIVATE, kPage, 0600));
    char* const p = Attach(id);
    p[0] = 1;
    EXPECT_RET(shmctl(id, IPC_RMID, nullptr), 0);
    std::thread other([&] { EXPECT_RET(shmdt(p), 0); });
    const pid_t child = st::Spawn([&] {
      shmid_ds stat = {};
      // Either it was there, or it had gone.
      const bool mapped = !MapsLine(p).empty();
      EXPECT_EQ(shmctl(id, IPC_STAT, &stat), mapped ? 0 : -1);
    });
    EXPECT_EXITED(st::WaitStatus(child), 0);
    other.join();
  }
}

TEST(SysvShm, SplitAfterRemoval) {
  Segment segment(3 * kPage);
  char* const p = Attach(segment);
  p[2 * kPage] = 1;
  EXPECT_RET(shmctl(segment, IPC_RMID, nullptr), 0);
  MUST(mprotect(p, kPage, PROT_READ));
  EXPECT_EQ(Attached(segment), 2u);
  MUST(munmap(p, kPage));
  EXPECT_EQ(Attached(segment), 1u);
  EXPECT_EQ(p[2 * kPage], 1);
}

}  // namespace
