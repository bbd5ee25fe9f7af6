// Mapped files: private and shared, coherence with read and write, truncation.
#include <setjmp.h>
#include <sys/mman.h>

#include "test/syscalls/harness/test.h"

TOUCHES("mmap", "munmap", "msync", "ftruncate")

namespace {

constexpr size_t kPage = 4096;

Fd File(size_t bytes, char fill = 'f', int flags = O_RDWR) {
  st::WriteFile(st::Tmp("f"), std::string(bytes, fill));
  return Fd(MUST(open(st::Tmp("f").c_str(), flags)));
}

char* Map(int fd, size_t bytes, int flags, int prot = PROT_READ | PROT_WRITE, off_t offset = 0) {
  return static_cast<char*>(MUST(mmap(nullptr, bytes, prot, flags, fd, offset)));
}

sigjmp_buf g_jump;
siginfo_t g_info;
void OnFault(int, siginfo_t* i, void*) {
  g_info = *i;
  siglongjmp(g_jump, 1);
}
int ReadFault(volatile char* p) {
  st::OnSignalInfo(SIGSEGV, OnFault);
  st::OnSignalInfo(SIGBUS, OnFault);
  g_info.si_signo = 0;
  if (sigsetjmp(g_jump, 1) == 0) (void)*p;
  return g_info.si_signo;
}

TEST(FileMap, PrivateReadsFileAndKeepsWrites) {
  Fd fd = File(2 * kPage);
  char* p = Map(fd, 2 * kPage, MAP_PRIVATE);
  EXPECT_EQ(p[kPage], 'f');
  p[0] = 'X';
  char c;
  EXPECT_RET(pread(fd, &c, 1, 0), 1);
  EXPECT_EQ(c, 'f');
  EXPECT_EQ(p[1], 'f');
}

TEST(FileMap, SharedWritesReachTheFile) {
  Fd fd = File(kPage);
  char* p = Map(fd, kPage, MAP_SHARED);
  p[10] = 'S';
  char c;
  EXPECT_RET(pread(fd, &c, 1, 10), 1);
  EXPECT_EQ(c, 'S');
  EXPECT_OK(msync(p, kPage, MS_SYNC));
  MUST(munmap(p, kPage));
  EXPECT_EQ(st::ReadFile(st::Tmp("f"))[10], 'S');
}

TEST(FileMap, SharedSeesWrites) {
  Fd fd = File(kPage);
  char* p = Map(fd, kPage, MAP_SHARED, PROT_READ);
  EXPECT_EQ(p[0], 'f');
  MUST(pwrite(fd, "W", 1, 0));
  EXPECT_EQ(p[0], 'W');
}

TEST(FileMap, PrivateSeesWritesUntilCopied) {
  Fd fd = File(2 * kPage);
  char* p = Map(fd, 2 * kPage, MAP_PRIVATE);
  p[kPage] = 'C';
  MUST(pwrite(fd, "WW", 2, kPage));
  EXPECT_EQ(p[kPage], 'C');
  EXPECT_EQ(p[kPage + 1], 'f');  // the whole page is ours now
}

TEST(FileMap, TwoSharedMappingsAreOne) {
  Fd fd = File(kPage);
  char* a = Map(fd, kPage, MAP_SHARED);
  char* b = Map(fd, kPage, MAP_SHARED);
  a[7] = '7';
  EXPECT_EQ(b[7], '7');
  EXPECT_CHILD_OK([&] { b[8] = '8'; });
  EXPECT_EQ(a[8], '8');
}

TEST(FileMap, OffsetMapsThatPage) {
  Fd fd = File(3 * kPage);
  MUST(pwrite(fd, "third", 5, 2 * kPage));
  char* p = Map(fd, kPage, MAP_PRIVATE, PROT_READ, 2 * kPage);
  EXPECT_EQ(std::string(p, 5), "third");
}

TEST(FileMap, TailOfLastPageIsZero) {
  Fd fd = File(100);
  char* p = Map(fd, kPage, MAP_PRIVATE, PROT_READ);
  EXPECT_EQ(p[99], 'f');
  EXPECT_EQ(p[100], 0);
  EXPECT_EQ(p[kPage - 1], 0);
}

TEST(FileMap, BeyondTheEndIsSIGBUS) {
  Fd fd = File(100);
  char* p = Map(fd, 3 * kPage, MAP_SHARED, PROT_READ);
  EXPECT_EQ(ReadFault(p + 50), 0);
  EXPECT_EQ(ReadFault(p + kPage), SIGBUS);
  EXPECT_EQ(g_info.si_code, BUS_ADRERR);
  EXPECT_EQ(g_info.si_addr, static_cast<void*>(p + kPage));
  char* q = Map(fd, 3 * kPage, MAP_PRIVATE);
  EXPECT_EQ(ReadFault(q + 2 * kPage), SIGBUS);
}

TEST(FileMap, TruncateTakesPagesAway) {
  Fd fd = File(2 * kPage);
  char* p = Map(fd, 2 * kPage, MAP_SHARED);
  EXPECT_EQ(p[kPage], 'f');
  MUST(ftruncate(fd, kPage));
  EXPECT_EQ(ReadFault(p + kPage), SIGBUS);
  MUST(ftruncate(fd, 2 * kPage));
  EXPECT_EQ(ReadFault(p + kPage), 0);
  EXPECT_EQ(p[kPage], 0);
}

TEST(FileMap, GrowMakesPagesUsable) {
  Fd fd = File(10);
  char* p = Map(fd, 2 * kPage, MAP_SHARED);
  EXPECT_EQ(ReadFault(p + kPage), SIGBUS);
  MUST(ftruncate(fd, 2 * kPage));
  EXPECT_EQ(ReadFault(p + kPage), 0);
  p[kPage] = 'G';
  char c;
  EXPECT_RET(pread(fd, &c, 1, kPage), 1);
  EXPECT_EQ(c, 'G');
}

TEST(FileMap, SyscallOnLostPageIsEFAULT) {
  Fd fd = File(kPage);
  char* p = Map(fd, 2 * kPage, MAP_SHARED);
  st::Pipe pipe;
  EXPECT_ERR(write(pipe.w, p + kPage, 1), EFAULT);
  MUST(write(pipe.w, "x", 1));
  EXPECT_ERR(read(pipe.r, p + kPage, 1), EFAULT);
}

TEST(FileMap, AccessModes) {
  Fd r = File(kPage, 'f', O_RDONLY);
  EXPECT_ERR(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, r, 0), EACCES);
  EXPECT_OK(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, r, 0));
  Fd w(MUST(open(st::Tmp("f").c_str(), O_WRONLY)));
  EXPECT_ERR(mmap(nullptr, kPage, PROT_READ, MAP_SHARED, w, 0), EACCES);
  EXPECT_ERR(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, w, 0), EACCES);
}

TEST(FileMap, Errors) {
  Fd fd = File(kPage);
  EXPECT_ERR(syscall(SYS_mmap, nullptr, kPage, PROT_READ, MAP_SHARED, static_cast<int>(fd), 100), EINVAL);
  EXPECT_ERR(mmap(nullptr, kPage, PROT_READ, MAP_SHARED, st::BadFd(), 0), EBADF);
  Fd dir(MUST(open(st::Tmp().c_str(), O_RDONLY)));
  EXPECT_ERR(mmap(nullptr, kPage, PROT_READ, MAP_SHARED, dir, 0), ENODEV);
  st::Pipe pipe;
  EXPECT_ERR(mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, pipe.r, 0), ENODEV);
}

TEST(FileMap, LivesOnAfterCloseAndUnlink) {
  Fd fd = File(kPage);
  char* p = Map(fd, kPage, MAP_SHARED);
  fd.reset();
  MUST(unlink(st::Tmp("f").c_str()));
  EXPECT_EQ(p[0], 'f');
  p[0] = 'z';
  EXPECT_EQ(p[0], 'z');
}

TEST(FileMap, ReadIntoMappingOfSameFile) {
  Fd fd = File(2 * kPage);
  char* p = Map(fd, 2 * kPage, MAP_SHARED);
  memset(p, 'a', kPage);
  EXPECT_RET(pread(fd, p + kPage, kPage, 0), kPage);
  EXPECT_EQ(p[2 * kPage - 1], 'a');
  EXPECT_RET(pwrite(fd, p, 100, kPage), 100);
}

TEST(FileMap, DevZeroIsAnonymous) {
  Fd fd(MUST(open("/dev/zero", O_RDWR)));
  char* p = Map(fd, kPage, MAP_PRIVATE);
  EXPECT_EQ(p[5], 0);
  p[5] = 1;
  char* q = Map(fd, kPage, MAP_SHARED);
  EXPECT_CHILD_OK([&] { q[0] = 'z'; });
  EXPECT_EQ(q[0], 'z');
}

}  // namespace
