// timerfd.
#include <poll.h>
#include <sys/timerfd.h>

#include "test/syscalls/harness/test.h"

TOUCHES("timerfd_create", "timerfd_settime", "timerfd_gettime")

namespace {

TEST(Timerfd, ExpiresOnce) {
  Fd t(MUST(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)));
  struct itimerspec s = {{0, 0}, {0, 5000000}};
  int64_t start = st::NowNs();
  MUST(timerfd_settime(t, 0, &s, nullptr));
  uint64_t n = 0;
  EXPECT_RET(read(t, &n, 8), 8);
  EXPECT_EQ(n, 1u);
  EXPECT_GE(st::NowNs() - start, 5000000);
  EXPECT_EQ(fcntl(t, F_GETFD), FD_CLOEXEC);
}

TEST(Timerfd, IntervalCountsMissedTicks) {
  Fd t(MUST(timerfd_create(CLOCK_MONOTONIC, 0)));
  struct itimerspec s = {{0, 2000000}, {0, 2000000}};
  MUST(timerfd_settime(t, 0, &s, nullptr));
  st::SleepMs(15);
  uint64_t n = 0;
  EXPECT_RET(read(t, &n, 8), 8);
  EXPECT_GE(n, 7u);
}

TEST(Timerfd, DisarmedBlocksAndNonblockIsEAGAIN) {
  Fd t(MUST(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK)));
  uint64_t n;
  EXPECT_ERR(read(t, &n, 8), EAGAIN);
  EXPECT_ERR(read(t, &n, 4), EINVAL);
  struct pollfd f = {t, POLLIN, 0};
  EXPECT_RET(poll(&f, 1, 0), 0);
}

TEST(Timerfd, GettimeShowsRest) {
  Fd t(MUST(timerfd_create(CLOCK_MONOTONIC, 0)));
  struct itimerspec s = {{7, 0}, {100, 0}}, now, old;
  MUST(timerfd_settime(t, 0, &s, nullptr));
  MUST(timerfd_gettime(t, &now));
  EXPECT_LE(now.it_value.tv_sec, 100);
  EXPECT_GE(now.it_value.tv_sec, 90);
  EXPECT_EQ(now.it_interval.tv_sec, 7);
  s = {};
  MUST(timerfd_settime(t, 0, &s, &old));
  EXPECT_EQ(old.it_interval.tv_sec, 7);
  MUST(timerfd_gettime(t, &now));
  EXPECT_EQ(now.it_value.tv_sec, 0);
}

TEST(Timerfd, AbsoluteInThePastFiresNow) {
  Fd t(MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)));
  struct itimerspec s = {{0, 0}, {0, 1}};
  MUST(timerfd_settime(t, TFD_TIMER_ABSTIME, &s, nullptr));
  struct pollfd f = {t, POLLIN, 0};
  EXPECT_RET(poll(&f, 1, 5000), 1);
  uint64_t n;
  EXPECT_RET(read(t, &n, 8), 8);
}

TEST(Timerfd, Errors) {
  EXPECT_ERR(timerfd_create(1234, 0), EINVAL);
  EXPECT_ERR(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL);
  EXPECT_ERR(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
  Fd t(MUST(timerfd_create(CLOCK_MONOTONIC, 0)));
  struct itimerspec s = {{0, 0}, {0, 1000000000}};
  EXPECT_ERR(timerfd_settime(t, 0, &s, nullptr), EINVAL);
  s = {};
  EXPECT_ERR(timerfd_settime(0, 0, &s, nullptr), EINVAL);
  EXPECT_ERR(timerfd_settime(st::BadFd(), 0, &s, nullptr), EBADF);
  EXPECT_ERR(timerfd_settime(t, 0, st::Bad<itimerspec>(), nullptr), EFAULT);
  EXPECT_ERR(timerfd_gettime(0, &s), EINVAL);
  EXPECT_ERR(write(t, "12345678", 8), EINVAL);
}

}  // namespace
