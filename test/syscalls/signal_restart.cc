// What an interrupted call returns; sigtimedwait.
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "test/syscalls/harness/test.h"

TOUCHES("rt_sigtimedwait", "nanosleep", "restart_syscall", "read", "wait4", "rt_sigreturn")

namespace {

volatile sig_atomic_t g_count;
void Count(int) { g_count = g_count + 1; }

// Runs fn in a child that has a handler with these flags, signals it once it sleeps, then calls after.
template <class F, class G>
void Interrupt(int flags, F fn, G after) {
  pid_t child = st::Spawn([&] {
    st::OnSignal(SIGUSR1, Count, flags);
    fn();
    EXPECT_EQ(g_count, 1);
  });
  st::WaitBlocked(child);
  MUST(kill(child, SIGUSR1));
  st::WaitBlocked(child);
  after(child);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}
auto kNothing = [](pid_t) {};

TEST(Restart, ReadIsRestarted) {
  st::Pipe p;
  Interrupt(
      SA_RESTART,
      [&] {
        char c;
        EXPECT_RET(read(p.r, &c, 1), 1);
      },
      [&](pid_t) { MUST(write(p.w, "x", 1)); });
}

TEST(Restart, ReadWithoutFlagIsEINTR) {
  st::Pipe p;
  Interrupt(
      0,
      [&] {
        char c;
        EXPECT_ERR(read(p.r, &c, 1), EINTR);
      },
      kNothing);
}

TEST(Restart, WaitIsRestarted) {
  st::Pipe p;
  Interrupt(
      SA_RESTART,
      [&] {
        pid_t grandchild = st::Spawn([&] {
          p.w.reset();
          char c;
          read(p.r, &c, 1);
          _exit(5);
        });
        p.w.reset();
        int status = 0;
        EXPECT_RET(waitpid(grandchild, &status, 0), grandchild);
        EXPECT_EXITED(status, 5);
      },
      [&](pid_t) { p.w.reset(); });
}

TEST(Restart, NanosleepTellsTimeLeft) {
  Interrupt(
      SA_RESTART,
      [] {
        struct timespec t = {10, 0}, left = {};
        EXPECT_ERR(nanosleep(&t, &left), EINTR);  // a handler always ends it
        EXPECT_TRUE(left.tv_sec >= 5 && left.tv_sec < 10);
      },
      kNothing);
}

TEST(Restart, SleepGoesOnAfterStopAndContinue) {
  pid_t child = st::Spawn([] {
    struct timespec t = {0, 100000000};
    int64_t start = st::NowNs();
    EXPECT_OK(nanosleep(&t, nullptr));  // by restart_syscall: the rest only
    EXPECT_GE(st::NowNs() - start, 100000000);
  });
  st::WaitBlocked(child);
  MUST(kill(child, SIGSTOP));
  int status;
  EXPECT_RET(waitpid(child, &status, WUNTRACED), child);
  MUST(kill(child, SIGCONT));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Restart, PollGoesOnAfterStopAndContinue) {
  st::Pipe p;
  pid_t child = st::Spawn([&] {
    struct pollfd f = {p.r, POLLIN, 0};
    EXPECT_RET(poll(&f, 1, 20000), 1);
  });
  st::WaitBlocked(child);
  MUST(kill(child, SIGSTOP));
  int status;
  EXPECT_RET(waitpid(child, &status, WUNTRACED), child);
  MUST(kill(child, SIGCONT));
  st::WaitBlocked(child);
  MUST(write(p.w, "x", 1));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Restart, IgnoredSignalDoesNotDisturb) {
  st::Pipe p;
  pid_t child = st::Spawn([&] {
    signal(SIGUSR1, SIG_IGN);
    char c;
    EXPECT_RET(read(p.r, &c, 1), 1);
  });
  st::WaitBlocked(child);
  MUST(kill(child, SIGUSR1));
  st::WaitBlocked(child);
  MUST(write(p.w, "x", 1));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Restart, PartialWriteReturnsWhatWentIn) {
  st::Pipe p;
  Interrupt(
      0,
      [&] {
        std::string big(100000, 'x');
        EXPECT_RET(write(p.w, big.data(), big.size()), 65536);
      },
      kNothing);
}

TEST(Restart, SocketTimeoutIsNeverRestarted) {
  st::SockPair s(SOCK_STREAM);
  Interrupt(
      SA_RESTART,
      [&] {
        struct timeval t = {10, 0};
        MUST(setsockopt(s.a, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
        char c;
        EXPECT_ERR(recv(s.a, &c, 1, 0), EINTR);
      },
      kNothing);
}

TEST(Restart, TheCallItself) {
  // Outside of an interrupted call there is nothing to go on with.
  EXPECT_ERR(syscall(SYS_restart_syscall), EINTR);
}

TEST(Sigtimedwait, TakesPendingSignal) {
  st::BlockSignal(SIGUSR1);
  MUST(raise(SIGUSR1));
  sigset_t s;
  sigemptyset(&s);
  sigaddset(&s, SIGUSR1);
  siginfo_t i = {};
  struct timespec zero = {0, 0};
  EXPECT_RET(sigtimedwait(&s, &i, &zero), SIGUSR1);
  EXPECT_EQ(i.si_pid, getpid());
  EXPECT_ERR(sigtimedwait(&s, &i, &zero), EAGAIN);
}

TEST(Sigtimedwait, TimesOut) {
  sigset_t s;
  sigemptyset(&s);
  sigaddset(&s, SIGUSR1);
  struct timespec t = {0, 10000000}, bad = {0, -1};
  int64_t start = st::NowNs();
  EXPECT_ERR(sigtimedwait(&s, nullptr, &t), EAGAIN);
  EXPECT_GE(st::NowNs() - start, 10000000);
  EXPECT_ERR(sigtimedwait(&s, nullptr, &bad), EINVAL);
  EXPECT_ERR(syscall(SYS_rt_sigtimedwait, &s, nullptr, &t, 4), EINVAL);
  EXPECT_ERR(syscall(SYS_rt_sigtimedwait, st::Bad(), nullptr, &t, 8), EFAULT);
}

TEST(Sigtimedwait, WakesOnArrivalAndOnOthers) {
  st::BlockSignal(SIGUSR2);
  sigset_t s;
  sigemptyset(&s);
  sigaddset(&s, SIGUSR2);
  pid_t child = st::Spawn([&] { EXPECT_RET(sigwaitinfo(&s, nullptr), SIGUSR2); });
  st::WaitBlocked(child);
  MUST(kill(child, SIGUSR2));
  EXPECT_EXITED(st::WaitStatus(child), 0);
  Interrupt(
      SA_RESTART, [&] { EXPECT_ERR(sigwaitinfo(&s, nullptr), EINTR); }, kNothing);
}

}  // namespace
