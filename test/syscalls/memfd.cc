// memfd_create, its seals, and sparse files: fallocate, SEEK_DATA, truncate.
#include <sys/mman.h>
#include <sys/resource.h>

#include "test/syscalls/harness/test.h"

TOUCHES("memfd_create", "fallocate", "lseek", "ftruncate", "fcntl", "fadvise64", "readahead", "sync_file_range",
        "syncfs")

namespace {

TEST(Memfd, IsAFile) {
  Fd fd(MUST(memfd_create("name", MFD_CLOEXEC)));
  EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  EXPECT_RET(write(fd, "hello", 5), 5);
  char b[8];
  EXPECT_RET(pread(fd, b, 8, 0), 5);
  struct stat s;
  MUST(fstat(fd, &s));
  EXPECT_TRUE(S_ISREG(s.st_mode));
  EXPECT_EQ(s.st_size, 5);
  EXPECT_EQ(s.st_nlink, 0u);
  char link[64] = {};
  std::string path = "/proc/self/fd/" + std::to_string(static_cast<int>(fd));
  EXPECT_OK(readlink(path.c_str(), link, sizeof link - 1));
  EXPECT_EQ(std::string(link), "/memfd:name (deleted)");
}

TEST(Memfd, Errors) {
  EXPECT_ERR(memfd_create("x", 0x100000), EINVAL);
  EXPECT_ERR(memfd_create(std::string(250, 'n').c_str(), 0), EINVAL);
  EXPECT_ERR(memfd_create(st::Bad<char>(), 0), EFAULT);
}

TEST(Memfd, SealsBind) {
  Fd fd(MUST(memfd_create("s", MFD_ALLOW_SEALING)));
  MUST(ftruncate(fd, 8192));
  EXPECT_RET(fcntl(fd, F_GET_SEALS), 0);
  EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
  EXPECT_ERR(ftruncate(fd, 100), EPERM);
  EXPECT_OK(ftruncate(fd, 10000));
  EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
  EXPECT_ERR(ftruncate(fd, 20000), EPERM);
  EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  EXPECT_ERR(write(fd, "x", 1), EPERM);
  EXPECT_ERR(mmap(nullptr, 4096, PROT_WRITE, MAP_SHARED, fd, 0), EPERM);
  EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
  EXPECT_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), EPERM);
  EXPECT_RET(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
}

TEST(Memfd, WriteSealNeedsNoWritableMapping) {
  Fd fd(MUST(memfd_create("s", MFD_ALLOW_SEALING)));
  MUST(ftruncate(fd, 4096));
  void* p = MUST(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  EXPECT_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
  MUST(munmap(p, 4096));
  EXPECT_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
}

TEST(Memfd, WithoutSealingAllowed) {
  Fd fd(MUST(memfd_create("s", 0)));
  EXPECT_RET(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
  EXPECT_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
  Fd file(MUST(open(st::Tmp("f").c_str(), O_RDWR | O_CREAT, 0600)));
  st::Pipe p;
  EXPECT_ERR(fcntl(p.r, F_GET_SEALS), EINVAL);
}

TEST(Sparse, FallocateGrowsAndKeeps) {
  Fd fd(MUST(memfd_create("s", 0)));
  EXPECT_OK(fallocate(fd, 0, 0, 10000));
  struct stat s;
  MUST(fstat(fd, &s));
  EXPECT_EQ(s.st_size, 10000);
  EXPECT_OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 20000));
  MUST(fstat(fd, &s));
  EXPECT_EQ(s.st_size, 10000);
}

TEST(Sparse, PunchHoleReadsZero) {
  Fd fd(MUST(memfd_create("s", 0)));
  std::string data(12288, 'd');
  MUST(write(fd, data.data(), data.size()));
  EXPECT_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096));
  char b[2];
  MUST(pread(fd, b, 2, 4095));
  EXPECT_EQ(b[0], 'd');
  EXPECT_EQ(b[1], 0);
  EXPECT_ERR(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096), EOPNOTSUPP);
}

TEST(Sparse, FallocateErrors) {
  Fd fd(MUST(memfd_create("s", 0)));
  EXPECT_ERR(fallocate(fd, 0, -1, 10), EINVAL);
  EXPECT_ERR(fallocate(fd, 0, 0, 0), EINVAL);
  EXPECT_ERR(fallocate(fd, 0x4000, 0, 10), EOPNOTSUPP);
  EXPECT_ERR(fallocate(fd, 0, INT64_MAX, 10), EFBIG);
  EXPECT_ERR(fallocate(st::BadFd(), 0, 0, 10), EBADF);
  st::Pipe p;
  EXPECT_ERR(fallocate(p.w, 0, 0, 10), ESPIPE);
  Fd r(MUST(open("/dev/null", O_RDONLY)));
  EXPECT_ERR(fallocate(r, 0, 0, 10), EBADF);
}

TEST(Sparse, SeekDataAndHole) {
  Fd fd(MUST(memfd_create("s", 0)));
  MUST(ftruncate(fd, 64 * 4096));
  MUST(pwrite(fd, "x", 1, 16 * 4096));
  EXPECT_RET(lseek(fd, 0, SEEK_DATA), 16 * 4096);
  EXPECT_RET(lseek(fd, 0, SEEK_HOLE), 0);
  EXPECT_RET(lseek(fd, 16 * 4096 + 5, SEEK_DATA), 16 * 4096 + 5);
  EXPECT_RET(lseek(fd, 16 * 4096, SEEK_HOLE), 17 * 4096);
  EXPECT_ERR(lseek(fd, 64 * 4096, SEEK_DATA), ENXIO);
  EXPECT_ERR(lseek(fd, 20 * 4096, SEEK_DATA), ENXIO);
}

TEST(Sparse, FileSizeLimit) {
  EXPECT_CHILD_OK([] {
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit r = {1000, 1000};
    MUST(setrlimit(RLIMIT_FSIZE, &r));
    Fd fd(MUST(open(st::Tmp("f").c_str(), O_RDWR | O_CREAT, 0600)));
    std::string data(1500, 'x');
    EXPECT_RET(write(fd, data.data(), 1500), 1000);
    EXPECT_ERR(write(fd, "x", 1), EFBIG);
    EXPECT_ERR(ftruncate(fd, 1001), EFBIG);
  });
  EXPECT_SIGNALED(st::RunInChild([] {
                    struct rlimit r = {10, 10};
                    MUST(setrlimit(RLIMIT_FSIZE, &r));
                    Fd fd(MUST(open(st::Tmp("g").c_str(), O_RDWR | O_CREAT, 0600)));
                    MUST(pwrite(fd, "x", 1, 10));
                  }),
                  SIGXFSZ);
}

TEST(Advice, FadviseAndReadahead) {
  Fd fd(MUST(open(st::Tmp("f").c_str(), O_RDWR | O_CREAT, 0600)));
  EXPECT_RET(syscall(SYS_fadvise64, static_cast<int>(fd), 0, 0, POSIX_FADV_WILLNEED), 0);
  EXPECT_ERR(syscall(SYS_fadvise64, static_cast<int>(fd), 0, 0, 99), EINVAL);
  EXPECT_ERR(syscall(SYS_fadvise64, static_cast<int>(fd), 0, -1L, 0), EINVAL);
  EXPECT_ERR(syscall(SYS_fadvise64, st::BadFd(), 0, 0, 0), EBADF);
  st::Pipe p;
  EXPECT_ERR(syscall(SYS_fadvise64, static_cast<int>(p.r), 0, 0, 0), ESPIPE);
  EXPECT_RET(readahead(fd, 0, 4096), 0);
  EXPECT_ERR(readahead(st::BadFd(), 0, 10), EBADF);
  EXPECT_ERR(readahead(p.r, 0, 10), EINVAL);
}

TEST(Advice, SyncRangeAndFileSystem) {
  Fd fd(MUST(open(st::Tmp("f").c_str(), O_RDWR | O_CREAT, 0600)));
  EXPECT_OK(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
  EXPECT_ERR(sync_file_range(fd, 0, 0, 64), EINVAL);
  EXPECT_ERR(sync_file_range(fd, -1, 0, 0), EINVAL);
  st::Pipe p;
  EXPECT_ERR(sync_file_range(p.r, 0, 0, 0), ESPIPE);
  EXPECT_OK(syncfs(fd));
  EXPECT_ERR(syncfs(st::BadFd()), EBADF);
}

}  // namespace
