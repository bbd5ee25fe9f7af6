// poll, ppoll, select, pselect6.
#include <poll.h>
#include <sys/resource.h>
#include <sys/select.h>

#include "test/syscalls/harness/test.h"

TOUCHES("poll", "ppoll", "select", "pselect6")

namespace {

using st::Bad;
using st::Pipe;

TEST(Poll, ReadyEvents) {
  Pipe p;
  struct pollfd f[2] = {{p.r, POLLIN, 0}, {p.w, POLLOUT, 0}};
  EXPECT_RET(poll(f, 2, 0), 1);
  EXPECT_EQ(f[0].revents, 0);
  EXPECT_EQ(f[1].revents, POLLOUT);
  MUST(write(p.w, "x", 1));
  EXPECT_RET(poll(f, 2, -1), 2);
  EXPECT_EQ(f[0].revents, POLLIN);
}

TEST(Poll, NegativeIsIgnoredAndBadIsNval) {
  struct pollfd f[2] = {{-1, POLLIN, 77}, {st::BadFd(), POLLIN, 0}};
  EXPECT_RET(poll(f, 2, -1), 1);
  EXPECT_EQ(f[0].revents, 0);
  EXPECT_EQ(f[1].revents, POLLNVAL);
}

TEST(Poll, HangupAndErrorAlwaysReported) {
  Pipe p;
  struct pollfd r = {p.r, 0, 0};
  p.w.reset();
  EXPECT_RET(poll(&r, 1, 0), 1);
  EXPECT_EQ(r.revents, POLLHUP);
  Pipe q;
  q.r.reset();
  struct pollfd w = {q.w, POLLOUT, 0};
  EXPECT_RET(poll(&w, 1, 0), 1);
  EXPECT_EQ(w.revents, POLLOUT | POLLERR);
}

TEST(Poll, RegularFileIsAlwaysReady) {
  Fd fd(MUST(open(st::Tmp("f").c_str(), O_RDWR | O_CREAT, 0600)));
  struct pollfd f = {fd, POLLIN | POLLOUT, 0};
  EXPECT_RET(poll(&f, 1, 0), 1);
  EXPECT_EQ(f.revents, POLLIN | POLLOUT);
}

TEST(Poll, TimesOutAfterAtLeastItsTime) {
  Pipe p;
  struct pollfd f = {p.r, POLLIN, 0};
  int64_t start = st::NowNs();
  EXPECT_RET(poll(&f, 1, 30), 0);
  EXPECT_GE(st::NowNs() - start, 30000000);
  EXPECT_RET(poll(nullptr, 0, 1), 0);
}

TEST(Poll, WakesWhenDataComes) {
  Pipe p;
  pid_t child = st::Spawn([&] {
    struct pollfd f = {p.r, POLLIN, 0};
    EXPECT_RET(poll(&f, 1, 10000), 1);
  });
  st::WaitBlocked(child);
  MUST(write(p.w, "x", 1));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Poll, SignalInterrupts) {
  pid_t child = st::Spawn([&] {
    st::OnSignal(
        SIGUSR1, [](int) {}, SA_RESTART);
    EXPECT_ERR(poll(nullptr, 0, 10000), EINTR);  // never restarted
  });
  st::WaitBlocked(child);
  MUST(kill(child, SIGUSR1));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Poll, Errors) {
  EXPECT_ERR(poll(Bad<pollfd>(), 1, 0), EFAULT);
  struct rlimit r = {16, 16};
  MUST(setrlimit(RLIMIT_NOFILE, &r));
  struct pollfd f[17] = {};
  for (auto& x : f) x.fd = -1;
  EXPECT_ERR(poll(f, 17, 0), EINVAL);
  EXPECT_RET(poll(f, 16, 0), 0);
}

TEST(Ppoll, MaskIsSwappedAndRestored) {
  static volatile sig_atomic_t seen;
  st::OnSignal(SIGUSR1, [](int) { seen = 1; });
  st::BlockSignal(SIGUSR1);
  MUST(raise(SIGUSR1));
  EXPECT_EQ(seen, 0);
  sigset_t none;
  sigemptyset(&none);
  EXPECT_ERR(ppoll(nullptr, 0, nullptr, &none), EINTR);
  EXPECT_EQ(seen, 1);
  sigset_t now;
  MUST(sigprocmask(SIG_BLOCK, nullptr, &now));
  EXPECT_TRUE(sigismember(&now, SIGUSR1));
}

TEST(Ppoll, TimeoutAndErrors) {
  struct timespec t = {0, 1000000}, bad = {0, 1000000000};
  EXPECT_RET(syscall(SYS_ppoll, nullptr, 0, &t, nullptr, 8), 0);
  EXPECT_EQ(t.tv_nsec, 0);  // the time left is written back
  EXPECT_ERR(syscall(SYS_ppoll, nullptr, 0, &bad, nullptr, 8), EINVAL);
  sigset_t none;
  sigemptyset(&none);
  EXPECT_ERR(syscall(SYS_ppoll, nullptr, 0, &t, &none, 4), EINVAL);
  EXPECT_ERR(syscall(SYS_ppoll, nullptr, 0, Bad(), nullptr, 8), EFAULT);
}

TEST(Select, ReportsReadySets) {
  Pipe p;
  MUST(write(p.w, "x", 1));
  fd_set r, w;
  FD_ZERO(&r);
  FD_ZERO(&w);
  FD_SET(p.r, &r);
  FD_SET(p.w, &w);
  EXPECT_RET(syscall(SYS_select, p.w + 1, &r, &w, nullptr, nullptr), 2);
  EXPECT_TRUE(FD_ISSET(p.r, &r));
  EXPECT_TRUE(FD_ISSET(p.w, &w));
}

TEST(Select, TimeoutClearsSetsAndWritesTimeLeft) {
  Pipe p;
  fd_set r;
  FD_ZERO(&r);
  FD_SET(p.r, &r);
  struct timeval t = {0, 2000};
  EXPECT_RET(syscall(SYS_select, p.r + 1, &r, nullptr, nullptr, &t), 0);
  EXPECT_FALSE(FD_ISSET(p.r, &r));
  EXPECT_EQ(t.tv_sec, 0);
  EXPECT_EQ(t.tv_usec, 0);
}

TEST(Select, Errors) {
  fd_set r;
  FD_ZERO(&r);
  FD_SET(40, &r);
  struct timeval zero = {0, 0}, bad = {-1, 0};
  EXPECT_ERR(syscall(SYS_select, 41, &r, nullptr, nullptr, &zero), EBADF);
  EXPECT_ERR(syscall(SYS_select, -1, nullptr, nullptr, nullptr, &zero), EINVAL);
  EXPECT_ERR(syscall(SYS_select, 0, nullptr, nullptr, nullptr, &bad), EINVAL);
  Pipe p;
  EXPECT_ERR(syscall(SYS_select, p.w + 1, Bad(), nullptr, nullptr, &zero), EFAULT);
}

TEST(Select, HangupCountsAsReadable) {
  Pipe p;
  p.w.reset();
  fd_set r;
  FD_ZERO(&r);
  FD_SET(p.r, &r);
  EXPECT_RET(select(p.r + 1, &r, nullptr, nullptr, nullptr), 1);
}

TEST(Pselect, MaskAndTimeout) {
  static volatile sig_atomic_t seen;
  st::OnSignal(SIGUSR1, [](int) { seen = 1; });
  st::BlockSignal(SIGUSR1);
  MUST(raise(SIGUSR1));
  struct {
    const uint64_t* mask;
    size_t size;
  } arg;
  uint64_t none = 0;
  arg = {&none, 8};
  EXPECT_ERR(syscall(SYS_pselect6, 0, nullptr, nullptr, nullptr, nullptr, &arg), EINTR);
  EXPECT_EQ(seen, 1);
  struct timespec t = {0, 1000000};
  EXPECT_RET(syscall(SYS_pselect6, 0, nullptr, nullptr, nullptr, &t, nullptr), 0);
  arg.size = 3;
  EXPECT_ERR(syscall(SYS_pselect6, 0, nullptr, nullptr, nullptr, &t, &arg), EINVAL);
}

}  // namespace
