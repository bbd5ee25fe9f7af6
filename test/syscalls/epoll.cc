// epoll: interest lists, triggers, nesting.
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "test/syscalls/harness/test.h"

TOUCHES("epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2")

namespace {

using st::Bad;
using st::Pipe;

void Add(int ep, int fd, uint32_t events, uint64_t data = 0) {
  struct epoll_event e = {};
  e.events = events;
  e.data.u64 = data;
  MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
}

TEST(Epoll, CreateFlags) {
  Fd a(MUST(syscall(SYS_epoll_create, 1)));
  EXPECT_EQ(fcntl(a, F_GETFD), 0);
  Fd b(MUST(epoll_create1(EPOLL_CLOEXEC)));
  EXPECT_EQ(fcntl(b, F_GETFD), FD_CLOEXEC);
  EXPECT_ERR(syscall(SYS_epoll_create, 0), EINVAL);
  EXPECT_ERR(epoll_create1(12345), EINVAL);
}

TEST(Epoll, LevelTriggeredRepeats) {
  Fd ep(MUST(epoll_create1(0)));
  Pipe p;
  Add(ep, p.r, EPOLLIN, 42);
  struct epoll_event e[4];
  EXPECT_RET(epoll_wait(ep, e, 4, 0), 0);
  MUST(write(p.w, "x", 1));
  for (int i = 0; i < 2; i++) {
    ASSERT_RET(epoll_wait(ep, e, 4, -1), 1);
    EXPECT_EQ(e[0].data.u64, 42u);
    EXPECT_EQ(e[0].events, static_cast<uint32_t>(EPOLLIN));
  }
  char c;
  MUST(read(p.r, &c, 1));
  EXPECT_RET(epoll_wait(ep, e, 4, 0), 0);
}

TEST(Epoll, EdgeTriggeredOnceAnArrival) {
  Fd ep(MUST(epoll_create1(0)));
  Pipe p;
  Add(ep, p.r, EPOLLIN | EPOLLET);
  struct epoll_event e[4];
  MUST(write(p.w, "x", 1));
  EXPECT_RET(epoll_wait(ep, e, 4, 0), 1);
  EXPECT_RET(epoll_wait(ep, e, 4, 0), 0);
  MUST(write(p.w, "y", 1));
  EXPECT_RET(epoll_wait(ep, e, 4, 0), 1);
}

TEST(Epoll, OneShotNeedsRearming) {
  Fd ep(MUST(epoll_create1(0)));
  Pipe p;
  Add(ep, p.r, EPOLLIN | EPOLLONESHOT);
  struct epoll_event e[4];
  MUST(write(p.w, "x", 1));
  EXPECT_RET(epoll_wait(ep, e, 4, 0), 1);
  EXPECT_RET(epoll_wait(ep, e, 4, 0), 0);
  struct epoll_event again = {};
  again.events = EPOLLIN | EPOLLONESHOT;
  MUST(epoll_ctl(ep, EPOLL_CTL_MOD, p.r, &again));
  EXPECT_RET(epoll_wait(ep, e, 4, 0), 1);
}

TEST(Epoll, ControlErrors) {
  Fd ep(MUST(epoll_create1(0)));
  Pipe p;
  Add(ep, p.r, EPOLLIN);
  struct epoll_event e = {};
  e.events = EPOLLIN;
  EXPECT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, p.r, &e), EEXIST);
  EXPECT_ERR(epoll_ctl(ep, EPOLL_CTL_MOD, p.w, &e), ENOENT);
  EXPECT_ERR(epoll_ctl(ep, EPOLL_CTL_DEL, p.w, nullptr), ENOENT);
  EXPECT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &e), EINVAL);
  EXPECT_ERR(epoll_ctl(ep, 99, p.w, &e), EINVAL);
  EXPECT_ERR(epoll_ctl(p.r, EPOLL_CTL_ADD, p.w, &e), EINVAL);
  EXPECT_ERR(epoll_ctl(st::BadFd(), EPOLL_CTL_ADD, p.w, &e), EBADF);
  EXPECT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, st::BadFd(), &e), EBADF);
  EXPECT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, p.w, Bad<epoll_event>()), EFAULT);
  Fd file(MUST(open(st::Tmp("f").c_str(), O_RDWR | O_CREAT, 0600)));
  EXPECT_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, file, &e), EPERM);
}

TEST(Epoll, WaitErrors) {
  Fd ep(MUST(epoll_create1(0)));
  struct epoll_event e;
  EXPECT_ERR(epoll_wait(ep, &e, 0, 0), EINVAL);
  EXPECT_ERR(epoll_wait(ep, &e, -1, 0), EINVAL);
  EXPECT_ERR(epoll_wait(0, &e, 1, 0), EINVAL);
  EXPECT_ERR(epoll_wait(st::BadFd(), &e, 1, 0), EBADF);
}

TEST(Epoll, HangupAndErrorUnasked) {
  Fd ep(MUST(epoll_create1(0)));
  Pipe p;
  Add(ep, p.r, 0, 1);
  p.w.reset();
  struct epoll_event e;
  ASSERT_RET(epoll_wait(ep, &e, 1, 0), 1);
  EXPECT_EQ(e.events, static_cast<uint32_t>(EPOLLHUP));
}

TEST(Epoll, CloseRemovesOnlyWithTheLastDescriptor) {
  Fd ep(MUST(epoll_create1(0)));
  Pipe p;
  Add(ep, p.r, EPOLLIN, 7);
  MUST(write(p.w, "x", 1));
  Fd copy(MUST(dup(p.r)));
  p.r.reset();
  struct epoll_event e;
  EXPECT_RET(epoll_wait(ep, &e, 1, 0), 1);
  copy.reset();
  EXPECT_RET(epoll_wait(ep, &e, 1, 0), 0);
}

TEST(Epoll, MaxEventsRotates) {
  Fd ep(MUST(epoll_create1(0)));
  Fd a(MUST(eventfd(1, 0))), b(MUST(eventfd(1, 0)));
  Add(ep, a, EPOLLIN, 1);
  Add(ep, b, EPOLLIN, 2);
  struct epoll_event e;
  uint64_t seen = 0;
  for (int i = 0; i < 2; i++) {
    ASSERT_RET(epoll_wait(ep, &e, 1, 0), 1);
    seen |= e.data.u64;
  }
  EXPECT_EQ(seen, 3u);  // no starving
}

TEST(Epoll, IsItselfPollable) {
  Fd outer(MUST(epoll_create1(0))), inner(MUST(epoll_create1(0)));
  Pipe p;
  Add(inner, p.r, EPOLLIN);
  Add(outer, inner, EPOLLIN, 5);
  struct epoll_event e = {};
  EXPECT_RET(epoll_wait(outer, &e, 1, 0), 0);
  MUST(write(p.w, "x", 1));
  ASSERT_RET(epoll_wait(outer, &e, 1, 1000), 1);
  EXPECT_EQ(e.data.u64, 5u);
  e.events = EPOLLIN;
  EXPECT_ERR(epoll_ctl(inner, EPOLL_CTL_ADD, outer, &e), ELOOP);
}

TEST(Epoll, BlockedWaitWakesOnAdd) {
  Fd ep(MUST(epoll_create1(0)));
  Pipe p;
  MUST(write(p.w, "x", 1));
  st::Thread t([&] {
    struct epoll_event e;
    EXPECT_RET(epoll_wait(ep, &e, 1, 10000), 1);
  });
  st::WaitBlocked(getpid(), t.tid());
  Add(ep, p.r, EPOLLIN);
  t.Join();
}

TEST(Epoll, PwaitSwapsMask) {
  static volatile sig_atomic_t seen;
  st::OnSignal(SIGUSR1, [](int) { seen = 1; });
  st::BlockSignal(SIGUSR1);
  MUST(raise(SIGUSR1));
  Fd ep(MUST(epoll_create1(0)));
  sigset_t none;
  sigemptyset(&none);
  struct epoll_event e;
  EXPECT_ERR(epoll_pwait(ep, &e, 1, -1, &none), EINTR);
  EXPECT_EQ(seen, 1);
}

TEST(Epoll, Pwait2TakesNanoseconds) {
  Fd ep(MUST(epoll_create1(0)));
  struct epoll_event e;
  struct timespec t = {0, 2000000}, bad = {0, -1};
  int64_t start = st::NowNs();
  EXPECT_RET(syscall(SYS_epoll_pwait2, static_cast<int>(ep), &e, 1, &t, nullptr, 0), 0);
  EXPECT_GE(st::NowNs() - start, 2000000);
  EXPECT_ERR(syscall(SYS_epoll_pwait2, static_cast<int>(ep), &e, 1, &bad, nullptr, 0), EINVAL);
}

}  // namespace
