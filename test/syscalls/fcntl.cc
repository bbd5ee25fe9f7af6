// fcntl on descriptors, dup and its kin, close_range.
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "test/syscalls/harness/test.h"

TOUCHES("fcntl", "dup", "dup2", "dup3", "close", "close_range", "ioctl")

namespace {

using st::Pipe;

TEST(Dup, SharesOffsetAndFlagsNotCloexec) {
  Fd a(MUST(open(st::Tmp("f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
  Fd b(MUST(dup(a)));
  EXPECT_EQ(fcntl(b, F_GETFD), 0);
  MUST(write(a, "abc", 3));
  EXPECT_RET(lseek(b, 0, SEEK_CUR), 3);
  MUST(fcntl(b, F_SETFL, O_APPEND));
  EXPECT_TRUE(fcntl(a, F_GETFL) & O_APPEND);
}

TEST(Dup, Errors) {
  EXPECT_ERR(dup(st::BadFd()), EBADF);
  EXPECT_ERR(dup(-1), EBADF);
  EXPECT_ERR(syscall(SYS_dup2, 0, -1), EBADF);
  EXPECT_ERR(syscall(SYS_dup2, st::BadFd(), 5), EBADF);
  struct rlimit r = {32, 32};
  MUST(setrlimit(RLIMIT_NOFILE, &r));
  EXPECT_ERR(syscall(SYS_dup2, 0, 32), EBADF);
  EXPECT_RET(syscall(SYS_dup2, 0, 31), 31);
  EXPECT_ERR(fcntl(0, F_DUPFD, 32), EINVAL);
  while (dup(0) >= 0) {
  }
  EXPECT_EQ(errno, EMFILE);
}

TEST(Dup2, ReplacesAndSameIsNoop) {
  Pipe p;
  EXPECT_RET(syscall(SYS_dup2, p.r.operator int(), 50), 50);
  EXPECT_RET(syscall(SYS_dup2, p.w.operator int(), 50), 50);  // closes what was there
  EXPECT_EQ(fcntl(50, F_GETFL) & O_ACCMODE, O_WRONLY);
  MUST(fcntl(50, F_SETFD, FD_CLOEXEC));
  EXPECT_RET(syscall(SYS_dup2, 50, 50), 50);
  EXPECT_EQ(fcntl(50, F_GETFD), FD_CLOEXEC);
}

TEST(Dup3, FlagsAndErrors) {
  EXPECT_RET(dup3(0, 60, O_CLOEXEC), 60);
  EXPECT_EQ(fcntl(60, F_GETFD), FD_CLOEXEC);
  EXPECT_ERR(dup3(0, 0, 0), EINVAL);
  EXPECT_ERR(dup3(0, 61, O_NONBLOCK), EINVAL);
  EXPECT_ERR(dup3(st::BadFd(), 61, 0), EBADF);
}

TEST(Fcntl, DupfdTakesLowestFrom) {
  Fd a(MUST(fcntl(0, F_DUPFD, 100)));
  EXPECT_EQ(static_cast<int>(a), 100);
  Fd b(MUST(fcntl(0, F_DUPFD_CLOEXEC, 100)));
  EXPECT_EQ(static_cast<int>(b), 101);
  EXPECT_EQ(fcntl(b, F_GETFD), FD_CLOEXEC);
  EXPECT_ERR(fcntl(0, F_DUPFD, -1), EINVAL);
}

TEST(Fcntl, FlagsThatCanAndCannotChange) {
  Fd a(MUST(open(st::Tmp("f").c_str(), O_RDWR | O_CREAT, 0600)));
  MUST(fcntl(a, F_SETFL, O_RDONLY | O_APPEND | O_NONBLOCK | O_EXCL | O_TRUNC));
  int fl = MUST(fcntl(a, F_GETFL));
  EXPECT_EQ(fl & O_ACCMODE, O_RDWR);
  EXPECT_EQ(fl & (O_APPEND | O_NONBLOCK), O_APPEND | O_NONBLOCK);
  EXPECT_EQ(fl & (O_EXCL | O_TRUNC), 0);
  MUST(fcntl(a, F_SETFL, 0));
  EXPECT_EQ(fcntl(a, F_GETFL) & (O_APPEND | O_NONBLOCK), 0);
}

TEST(Fcntl, Errors) {
  EXPECT_ERR(fcntl(st::BadFd(), F_GETFD), EBADF);
  EXPECT_ERR(fcntl(0, 9999), EINVAL);
  Fd path(MUST(open(st::Tmp().c_str(), O_PATH)));
  EXPECT_ERR(fcntl(path, F_SETFL, O_APPEND), EBADF);
  EXPECT_OK(fcntl(path, F_GETFD));
  EXPECT_TRUE(fcntl(path, F_GETFL) & O_PATH);
}

TEST(Fcntl, OwnerIsRemembered) {
  Pipe p;
  EXPECT_RET(fcntl(p.r, F_GETOWN), 0);
  EXPECT_OK(fcntl(p.r, F_SETOWN, getpid()));
  EXPECT_RET(fcntl(p.r, F_GETOWN), getpid());
}

TEST(Ioctl, NonblockAndCloexec) {
  Pipe p;
  int on = 1;
  EXPECT_OK(ioctl(p.r, FIONBIO, &on));
  EXPECT_TRUE(fcntl(p.r, F_GETFL) & O_NONBLOCK);
  EXPECT_OK(ioctl(p.r, FIOCLEX));
  EXPECT_EQ(fcntl(p.r, F_GETFD), FD_CLOEXEC);
  EXPECT_OK(ioctl(p.r, FIONCLEX));
  EXPECT_EQ(fcntl(p.r, F_GETFD), 0);
  EXPECT_ERR(ioctl(p.r, TCGETS, st::Bad()), ENOTTY);
  EXPECT_ERR(ioctl(st::BadFd(), FIONBIO, &on), EBADF);
}

TEST(CloseRange, ClosesOnlyTheRange) {
  for (int fd = 200; fd < 210; fd++) MUST(dup2(0, fd));
  EXPECT_RET(syscall(SYS_close_range, 202, 205, 0), 0);
  EXPECT_ERR(fcntl(202, F_GETFD), EBADF);
  EXPECT_ERR(fcntl(205, F_GETFD), EBADF);
  EXPECT_OK(fcntl(201, F_GETFD));
  EXPECT_OK(fcntl(206, F_GETFD));
  EXPECT_RET(syscall(SYS_close_range, 206, 208, 4 /*CLOEXEC*/), 0);
  EXPECT_RET(fcntl(206, F_GETFD), FD_CLOEXEC);
  EXPECT_RET(syscall(SYS_close_range, 100, ~0u, 0), 0);
  EXPECT_ERR(fcntl(209, F_GETFD), EBADF);
}

TEST(CloseRange, ErrorsAndUnshare) {
  EXPECT_ERR(syscall(SYS_close_range, 5, 4, 0), EINVAL);
  EXPECT_ERR(syscall(SYS_close_range, 5, 6, 64), EINVAL);
  Fd a(MUST(dup(0)));
  st::Thread t([&] {
    EXPECT_RET(syscall(SYS_close_range, static_cast<int>(a), ~0u, 2 /*UNSHARE*/), 0);
    EXPECT_ERR(fcntl(a, F_GETFD), EBADF);
  });
  t.Join();
  EXPECT_OK(fcntl(a, F_GETFD));
}

TEST(Close, Errors) {
  EXPECT_ERR(close(st::BadFd()), EBADF);
  EXPECT_ERR(close(-1), EBADF);
  int fd = MUST(dup(0));
  EXPECT_OK(close(fd));
  EXPECT_ERR(close(fd), EBADF);
}

}  // namespace
