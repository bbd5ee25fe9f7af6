// signalfd.
#include <poll.h>
#include <sys/signalfd.h>

#include "test/syscalls/harness/test.h"

TOUCHES("signalfd", "signalfd4")

namespace {

sigset_t Set(int sig) {
  sigset_t s;
  sigemptyset(&s);
  sigaddset(&s, sig);
  return s;
}

TEST(Signalfd, ReadsBlockedSignal) {
  st::BlockSignal(SIGUSR1);
  sigset_t s = Set(SIGUSR1);
  Fd fd(MUST(signalfd(-1, &s, SFD_CLOEXEC | SFD_NONBLOCK)));
  struct signalfd_siginfo i;
  EXPECT_ERR(read(fd, &i, sizeof i), EAGAIN);
  MUST(kill(getpid(), SIGUSR1));
  struct pollfd f = {fd, POLLIN, 0};
  EXPECT_RET(poll(&f, 1, 1000), 1);
  ASSERT_RET(read(fd, &i, sizeof i), sizeof i);
  EXPECT_EQ(i.ssi_signo, static_cast<uint32_t>(SIGUSR1));
  EXPECT_EQ(i.ssi_pid, static_cast<uint32_t>(getpid()));
  EXPECT_EQ(i.ssi_code, SI_USER);
  EXPECT_ERR(read(fd, &i, sizeof i), EAGAIN);
}

TEST(Signalfd, QueuedValueArrives) {
  st::BlockSignal(SIGRTMIN);
  sigset_t s = Set(SIGRTMIN);
  Fd fd(MUST(syscall(SYS_signalfd, -1, &s, 8)));
  sigval v;
  v.sival_int = 77;
  MUST(sigqueue(getpid(), SIGRTMIN, v));
  v.sival_int = 78;
  MUST(sigqueue(getpid(), SIGRTMIN, v));
  struct signalfd_siginfo i[3];
  ASSERT_RET(read(fd, i, sizeof i), 2 * sizeof i[0]);
  EXPECT_EQ(i[0].ssi_int, 77);
  EXPECT_EQ(i[1].ssi_int, 78);
  EXPECT_EQ(i[0].ssi_code, SI_QUEUE);
}

TEST(Signalfd, MaskCanBeReplaced) {
  st::BlockSignal(SIGUSR1);
  st::BlockSignal(SIGUSR2);
  sigset_t one = Set(SIGUSR1), two = Set(SIGUSR2);
  Fd fd(MUST(signalfd(-1, &one, SFD_NONBLOCK)));
  MUST(raise(SIGUSR2));
  struct signalfd_siginfo i;
  EXPECT_ERR(read(fd, &i, sizeof i), EAGAIN);
  EXPECT_RET(signalfd(fd, &two, 0), static_cast<int>(fd));
  EXPECT_RET(read(fd, &i, sizeof i), sizeof i);
}

TEST(Signalfd, BlockedReadWakes) {
  st::BlockSignal(SIGUSR1);
  sigset_t s = Set(SIGUSR1);
  pid_t child = st::Spawn([&] {
    Fd fd(MUST(signalfd(-1, &s, 0)));
    struct signalfd_siginfo i;
    EXPECT_RET(read(fd, &i, sizeof i), sizeof i);
  });
  st::WaitBlocked(child);
  MUST(kill(child, SIGUSR1));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Signalfd, Errors) {
  sigset_t s = Set(SIGUSR1);
  EXPECT_ERR(syscall(SYS_signalfd4, -1, &s, 8, 12345), EINVAL);
  EXPECT_ERR(syscall(SYS_signalfd4, -1, &s, 4, 0), EINVAL);
  EXPECT_ERR(syscall(SYS_signalfd4, 0, &s, 8, 0), EINVAL);
  EXPECT_ERR(syscall(SYS_signalfd4, st::BadFd(), &s, 8, 0), EBADF);
  EXPECT_ERR(syscall(SYS_signalfd4, -1, st::Bad(), 8, 0), EFAULT);
  Fd fd(MUST(signalfd(-1, &s, SFD_NONBLOCK)));
  char small[8];
  EXPECT_ERR(read(fd, small, 8), EINVAL);
}

TEST(Signalfd, ChildExitIsReadable) {
  st::BlockSignal(SIGCHLD);
  sigset_t s = Set(SIGCHLD);
  Fd fd(MUST(signalfd(-1, &s, 0)));
  pid_t child = st::Spawn([] { _exit(5); });
  struct signalfd_siginfo i;
  ASSERT_RET(read(fd, &i, sizeof i), sizeof i);
  EXPECT_EQ(i.ssi_pid, static_cast<uint32_t>(child));
  EXPECT_EQ(i.ssi_code, CLD_EXITED);
  EXPECT_EQ(i.ssi_status, 5);
  EXPECT_EXITED(st::WaitStatus(child), 5);
}

}  // namespace
