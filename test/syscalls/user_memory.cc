// How calls read and write the caller's memory: strings and structures at the very end of what is mapped.
#include <poll.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

#include <string_view>

#include "test/syscalls/harness/test.h"

TOUCHES("open", "stat", "getcwd", "read", "write", "poll", "uname", "readv")

namespace {

constexpr size_t kPage = 4096;

// The end of a page after which nothing is mapped.
char* End() {
  auto* p =
      static_cast<char*>(MUST(mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
  MUST(munmap(p + kPage, kPage));
  return p + kPage;
}

char* Put(const std::string& s) {  // with its final zero, just before the end
  char* p = End() - s.size() - 1;
  memcpy(p, s.c_str(), s.size() + 1);
  return p;
}

TEST(UserMemory, StringEndsAtPageEnd) {
  st::WriteFile(st::Tmp("f"), "x");
  EXPECT_OK(access(Put(st::Tmp("f")), R_OK));
  EXPECT_ERR(access(Put(st::Tmp("none")), R_OK), ENOENT);
}

TEST(UserMemory, UnterminatedStringIsEFAULT) {
  char* p = End() - 5;
  std::string_view("/proc").copy(p, 5);
  EXPECT_ERR(access(p, R_OK), EFAULT);
  EXPECT_ERR(syscall(SYS_chdir, p), EFAULT);
}

TEST(UserMemory, LongestPath) {
  std::string path = "/";
  while (path.size() < 4094) path += "./";
  path.resize(4095, '/');
  EXPECT_OK(access(Put(path), F_OK));
  EXPECT_ERR(access((path + "/").c_str(), F_OK), ENAMETOOLONG);
}

TEST(UserMemory, StructureMustFitWhole) {
  EXPECT_OK(syscall(SYS_stat, "/", End() - sizeof(struct stat)));
  EXPECT_ERR(syscall(SYS_stat, "/", End() - sizeof(struct stat) + 1), EFAULT);
  EXPECT_OK(syscall(SYS_uname, End() - sizeof(struct utsname)));
  EXPECT_ERR(syscall(SYS_uname, End() - 300), EFAULT);
}

TEST(UserMemory, CwdIsWrittenOnlyAsFarAsItGoes) {
  MUST(chdir("/proc"));
  EXPECT_RET(syscall(SYS_getcwd, End() - 6, 4096), 6);  // the room may be less than the size says
  EXPECT_ERR(syscall(SYS_getcwd, End() - 5, 4096), EFAULT);
  EXPECT_ERR(syscall(SYS_getcwd, End() - 5, 5), ERANGE);
}

TEST(UserMemory, ArrayOfPollfds) {
  auto* f = reinterpret_cast<struct pollfd*>(End()) - 2;
  f[0] = {-1, POLLIN, 1};
  f[1] = {-1, POLLIN, 1};
  EXPECT_RET(poll(f, 2, 0), 0);
  EXPECT_EQ(f[1].revents, 0);
  EXPECT_ERR(poll(f, 3, 0), EFAULT);
}

TEST(UserMemory, ReadOnlyTargetIsEFAULT) {
  static const struct timespec kConst = {};
  EXPECT_ERR(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &kConst), EFAULT);
  auto* code = reinterpret_cast<void*>(&st::Show<int>);
  st::Pipe p;
  MUST(write(p.w, "x", 1));
  EXPECT_ERR(read(p.r, code, 1), EFAULT);
}

TEST(UserMemory, KernelAddressesAreEFAULT) {
  st::Pipe p;
  MUST(write(p.w, "x", 1));
  for (unsigned long a : {0xffff888000000000ul, ~0ul - 4095, 0x8000000000000000ul, 0x0000800000000000ul}) {
    EXPECT_ERR(syscall(SYS_read, static_cast<int>(p.r), a, 1), EFAULT);
    EXPECT_ERR(syscall(SYS_write, static_cast<int>(p.w), a, 1), EFAULT);
    EXPECT_ERR(syscall(SYS_access, a, 0), EFAULT);
  }
}

TEST(UserMemory, CopyOnWriteByTheKernel) {
  auto* p = static_cast<char*>(MUST(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
  memset(p, 'a', kPage);
  st::Pipe in;
  EXPECT_CHILD_OK([&] {
    MUST(write(in.w, "child", 5));
    EXPECT_RET(read(in.r, p, 5), 5);  // lands in the child's own copy
    EXPECT_EQ(std::string(p, 6), "childa");
  });
  EXPECT_EQ(std::string(p, 5), "aaaaa");
}

TEST(UserMemory, FreshPagesAreFilledByTheKernel) {
  auto* p =
      static_cast<char*>(MUST(mmap(nullptr, 64 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
  Fd zero(MUST(open("/dev/urandom", O_RDONLY)));
  EXPECT_RET(read(zero, p, 64 * kPage), 64 * kPage);
  st::WriteFile(st::Tmp("f"), std::string(p, 64 * kPage));
  Fd fd(MUST(open(st::Tmp("f").c_str(), O_RDONLY)));
  auto* q =
      static_cast<char*>(MUST(mmap(nullptr, 64 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
  struct iovec v[2] = {{q + 1, 5 * kPage}, {q + 1 + 5 * kPage, 58 * kPage}};
  EXPECT_RET(readv(fd, v, 2), 63 * kPage);
  EXPECT_EQ(memcmp(p, q + 1, 63 * kPage), 0);
}

TEST(UserMemory, WriteOnlyMappingIsReadable) {
  // x86 can't forbid reading alone, so the kernel may read it too.
  auto* p = static_cast<char*>(MUST(mmap(nullptr, kPage, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
  *p = 'w';
  EXPECT_EQ(*static_cast<volatile char*>(p), 'w');
}

}  // namespace
