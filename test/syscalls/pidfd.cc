// pidfd_open, pidfd_send_signal, waiting on a pidfd.
#include <poll.h>

#include "test/syscalls/harness/test.h"

TOUCHES("pidfd_open", "pidfd_send_signal", "waitid", "clone3")

namespace {

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

int Open(pid_t pid, unsigned flags = 0) { return static_cast<int>(syscall(SYS_pidfd_open, pid, flags)); }
long Send(int fd, int sig, void* info = nullptr, unsigned flags = 0) {
  return syscall(SYS_pidfd_send_signal, fd, sig, info, flags);
}

TEST(Pidfd, OpenAndErrors) {
  Fd fd(MUST(Open(getpid())));
  EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  EXPECT_ERR(Open(0), EINVAL);
  EXPECT_ERR(Open(-1), EINVAL);
  EXPECT_ERR(Open(getpid(), 1), EINVAL);
  EXPECT_ERR(Open(0x3ffffff), ESRCH);
  char c;
  EXPECT_ERR(read(fd, &c, 1), EINVAL);
}

TEST(Pidfd, SendsSignals) {
  pid_t child = st::Spawn([] { pause(); });
  Fd fd(MUST(Open(child)));
  EXPECT_OK(Send(fd, 0));
  EXPECT_ERR(Send(fd, 99), EINVAL);
  EXPECT_ERR(Send(fd, SIGTERM, nullptr, 0x80), EINVAL);
  EXPECT_ERR(Send(0, SIGTERM), EBADF);
  EXPECT_OK(Send(fd, SIGTERM));
  EXPECT_SIGNALED(st::WaitStatus(child), SIGTERM);
  EXPECT_ERR(Send(fd, 0), ESRCH);
}

TEST(Pidfd, ProcDirectoryServesToSend) {
  const pid_t child = st::Spawn([] { pause(); });
  const std::string proc = "/proc/" + std::to_string(child);
  const auto open_dir = [](const std::string& path, int flags = 0) {
    return MUST(open(path.c_str(), O_RDONLY | O_DIRECTORY | flags));
  };
  Fd fd(open_dir(proc));
  EXPECT_OK(Send(fd, 0));
  EXPECT_ERR(Send(fd, 99), EINVAL);
  EXPECT_ERR(Send(Fd(open_dir(proc, O_PATH)), 0), EBADF);
  for (const std::string& other : {proc + "/task", proc + "/task/" + std::to_string(child), proc + "/fd",
                                   std::string("/proc"), std::string("/proc/sys"), st::Tmp()}) {
    EXPECT_ERR(Send(Fd(open_dir(other)), 0), EBADF);
  }
  siginfo_t i = {};
  EXPECT_ERR(waitid(static_cast<idtype_t>(P_PIDFD), fd, &i, WEXITED), EBADF);
  EXPECT_OK(Send(fd, SIGTERM));
  EXPECT_SIGNALED(st::WaitStatus(child), SIGTERM);
  EXPECT_ERR(Send(fd, 0), ESRCH);
  EXPECT_ERR(Send(fd, 99), ESRCH);
}

TEST(Pidfd, ErrorsInOrder) {
  const pid_t child = st::Spawn([] { pause(); });
  Fd fd(MUST(Open(child)));
  siginfo_t i = {};
  i.si_signo = SIGUSR1;
  i.si_code = SI_USER;
  EXPECT_ERR(Send(st::BadFd(), 99, st::Bad(), 0x80), EINVAL);
  EXPECT_ERR(Send(st::BadFd(), 99, st::Bad()), EBADF);
  EXPECT_ERR(Send(fd, 99, st::Bad()), EFAULT);
  EXPECT_ERR(Send(fd, SIGUSR2, &i), EINVAL);
  EXPECT_ERR(Send(fd, SIGUSR1, &i), EPERM);
  i.si_code = SI_QUEUE;
  i.si_signo = 99;
  EXPECT_ERR(Send(fd, 99, &i), EINVAL);
  MUST(kill(child, SIGKILL));
  EXPECT_SIGNALED(st::WaitStatus(child), SIGKILL);
  EXPECT_ERR(Send(fd, 99, &i), ESRCH);
}

TEST(Pidfd, OnlyTheLeaderClaimsAnyOrigin) {
  signal(SIGUSR1, SIG_IGN);
  Fd fd(MUST(Open(getpid())));
  siginfo_t i = {};
  i.si_signo = SIGUSR1;
  i.si_code = SI_USER;
  EXPECT_OK(Send(fd, SIGUSR1, &i));
  st::Thread thread([&] {
    EXPECT_ERR(Send(fd, SIGUSR1, &i), EPERM);
    i.si_code = SI_QUEUE;
    EXPECT_OK(Send(fd, SIGUSR1, &i));
  });
}

TEST(Pidfd, PollTellsOfTheEnd) {
  st::Pipe p;
  pid_t child = st::Spawn([&] {
    p.w.reset();
    char c;
    [[maybe_unused]] ssize_t n = read(p.r, &c, 1);
  });
  Fd fd(MUST(Open(child)));
  struct pollfd f = {fd, POLLIN, 0};
  EXPECT_RET(poll(&f, 1, 0), 0);
  p.w.reset();
  EXPECT_RET(poll(&f, 1, 10000), 1);
  EXPECT_TRUE(f.revents & POLLIN);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Pidfd, WaitidOnIt) {
  pid_t child = st::Spawn([] { _exit(19); });
  Fd fd(MUST(Open(child)));
  siginfo_t i = {};
  EXPECT_RET(waitid(static_cast<idtype_t>(P_PIDFD), fd, &i, WEXITED), 0);
  EXPECT_EQ(i.si_pid, child);
  EXPECT_EQ(i.si_status, 19);
  EXPECT_ERR(waitid(static_cast<idtype_t>(P_PIDFD), fd, &i, WEXITED), ECHILD);
  EXPECT_ERR(waitid(static_cast<idtype_t>(P_PIDFD), 0, &i, WEXITED), EBADF);
  EXPECT_ERR(waitid(static_cast<idtype_t>(P_PIDFD), st::BadFd(), &i, WEXITED), EBADF);
}

}  // namespace
