// Clocks, sleeping, usage of time.
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

#include "test/syscalls/harness/test.h"

TOUCHES("clock_gettime", "clock_getres", "clock_settime", "clock_nanosleep", "nanosleep", "gettimeofday",
        "settimeofday", "time", "times", "getrusage")

namespace {

int64_t Raw(int clock) {
  struct timespec t;
  MUST(syscall(SYS_clock_gettime, clock, &t));
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void Burn(int64_t ns) {
  int64_t end = st::NowNs(CLOCK_THREAD_CPUTIME_ID) + ns;
  while (st::NowNs(CLOCK_THREAD_CPUTIME_ID) < end) {
  }
}

TEST(Clocks, MonotonicNeverGoesBack) {
  int64_t last = 0;
  for (int i = 0; i < 2000; i++) {
    int64_t now = i % 2 ? Raw(CLOCK_MONOTONIC) : st::NowNs();  // the call and the vDSO agree
    ASSERT_TRUE(now >= last);
    last = now;
  }
}

TEST(Clocks, RealTimeSourcesAgree) {
  struct timeval tv;
  MUST(syscall(SYS_gettimeofday, &tv, nullptr));
  time_t t = 0;
  EXPECT_RET(syscall(SYS_time, &t), t);
  EXPECT_LE(llabs(Raw(CLOCK_REALTIME) / 1000000000 - tv.tv_sec), 2);
  EXPECT_LE(llabs(t - tv.tv_sec), 2);
  EXPECT_LE(llabs(Raw(CLOCK_REALTIME_COARSE) - Raw(CLOCK_REALTIME)), 1000000000);
  EXPECT_LE(llabs(Raw(CLOCK_MONOTONIC_COARSE) - Raw(CLOCK_MONOTONIC)), 1000000000);
  EXPECT_TRUE(Raw(CLOCK_REALTIME) > 1600000000ll * 1000000000);
}

TEST(Clocks, BoottimeIsNotBehindMonotonic) {
  int64_t m = Raw(CLOCK_MONOTONIC);
  EXPECT_GE(Raw(CLOCK_BOOTTIME), m);
  EXPECT_TRUE(Raw(CLOCK_MONOTONIC_RAW) > 0);
}

TEST(Clocks, CpuClocksCountWork) {
  int64_t p = Raw(CLOCK_PROCESS_CPUTIME_ID), t = Raw(CLOCK_THREAD_CPUTIME_ID);
  volatile unsigned x = 0;
  while (Raw(CLOCK_THREAD_CPUTIME_ID) - t < 20000000) x = x + 1;
  EXPECT_GE(Raw(CLOCK_PROCESS_CPUTIME_ID) - p, 15000000);
  struct timespec pause = {0, 50000000};
  t = Raw(CLOCK_THREAD_CPUTIME_ID);
  MUST(nanosleep(&pause, nullptr));
  EXPECT_LT(Raw(CLOCK_THREAD_CPUTIME_ID) - t, 40000000);  // sleep is free
}

TEST(Clocks, Errors) {
  struct timespec t;
  EXPECT_ERR(syscall(SYS_clock_gettime, 99, &t), EINVAL);
  EXPECT_ERR(syscall(SYS_clock_gettime, CLOCK_REALTIME, st::Bad()), EFAULT);
  EXPECT_ERR(syscall(SYS_clock_getres, 99, &t), EINVAL);
  EXPECT_ERR(syscall(SYS_gettimeofday, st::Bad(), nullptr), EFAULT);
  EXPECT_ERR(syscall(SYS_time, st::Bad()), EFAULT);
}

TEST(Clocks, Resolution) {
  struct timespec t = {9, 9};
  EXPECT_OK(syscall(SYS_clock_getres, CLOCK_MONOTONIC, &t));
  EXPECT_EQ(t.tv_sec, 0);
  EXPECT_TRUE(t.tv_nsec >= 1 && t.tv_nsec <= 10000000);
  EXPECT_OK(syscall(SYS_clock_getres, CLOCK_MONOTONIC, nullptr));
}

TEST(Clocks, SettingIsRefused) {
  struct timespec t = {0, -1};
  struct timeval tv = {0, 2000000};
  EXPECT_ERR(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &t), EINVAL);
  EXPECT_ERR(syscall(SYS_clock_settime, CLOCK_REALTIME, &t), EINVAL);
  EXPECT_ERR(syscall(SYS_clock_settime, CLOCK_REALTIME, st::Bad<timespec>()), EFAULT);
  EXPECT_ERR(syscall(SYS_settimeofday, &tv, nullptr), EINVAL);
  EXPECT_ERR(syscall(SYS_settimeofday, st::Bad(), nullptr), EFAULT);
  if (geteuid() != 0) return;
  EXPECT_CHILD_OK([] {
    st::DropToNobody();
    struct timeval now;
    MUST(gettimeofday(&now, nullptr));
    EXPECT_ERR(syscall(SYS_settimeofday, &now, nullptr), EPERM);
    struct timespec n = {now.tv_sec, 0};
    EXPECT_ERR(syscall(SYS_clock_settime, CLOCK_REALTIME, &n), EPERM);
  });
}

TEST(Nanosleep, SleepsLongEnough) {
  struct timespec t = {0, 15000000};
  int64_t start = Raw(CLOCK_MONOTONIC);
  EXPECT_OK(syscall(SYS_nanosleep, &t, nullptr));
  EXPECT_GE(Raw(CLOCK_MONOTONIC) - start, 15000000);
}

TEST(Nanosleep, Errors) {
  struct timespec a = {0, 1000000000}, b = {-1, 0};
  EXPECT_ERR(nanosleep(&a, nullptr), EINVAL);
  EXPECT_ERR(nanosleep(&b, nullptr), EINVAL);
  EXPECT_ERR(nanosleep(st::Bad<timespec>(), nullptr), EFAULT);
}

TEST(ClockNanosleep, AbsoluteAndRelative) {
  struct timespec t;
  MUST(clock_gettime(CLOCK_MONOTONIC, &t));
  EXPECT_RET(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr), 0);  // past
  int64_t until = t.tv_sec * 1000000000LL + t.tv_nsec + 20000000;
  t.tv_sec = until / 1000000000;
  t.tv_nsec = until % 1000000000;
  EXPECT_RET(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr), 0);
  EXPECT_GE(Raw(CLOCK_MONOTONIC), until);
  t = {0, 1000000};
  EXPECT_RET(syscall(SYS_clock_nanosleep, CLOCK_REALTIME, 0, &t, nullptr), 0);
}

TEST(ClockNanosleep, Errors) {
  struct timespec t = {0, 1000}, bad = {0, -5};
  EXPECT_ERR(syscall(SYS_clock_nanosleep, 99, 0, &t, nullptr), EINVAL);
  EXPECT_ERR(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &bad, nullptr), EINVAL);
  EXPECT_ERR(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &t, nullptr), EOPNOTSUPP);
}

TEST(Usage, SelfAndChildren) {
  struct rusage r;
  Burn(20000000);
  EXPECT_OK(getrusage(RUSAGE_SELF, &r));
  EXPECT_TRUE(r.ru_utime.tv_sec + r.ru_stime.tv_sec + r.ru_utime.tv_usec + r.ru_stime.tv_usec > 0);
  EXPECT_TRUE(r.ru_maxrss > 0);
  EXPECT_OK(getrusage(RUSAGE_THREAD, &r));
  EXPECT_OK(getrusage(RUSAGE_CHILDREN, &r));
  EXPECT_EQ(r.ru_utime.tv_sec, 0);
  EXPECT_ERR(getrusage(77, &r), EINVAL);
  EXPECT_ERR(getrusage(RUSAGE_SELF, st::Bad<rusage>()), EFAULT);
}

TEST(Usage, ChildrenCountOnceWaited) {
  pid_t child = st::Spawn([] { Burn(60000000); });
  siginfo_t i;
  MUST(waitid(P_PID, child, &i, WEXITED | WNOWAIT));
  struct tms before, after;
  EXPECT_OK(times(&before));
  st::WaitStatus(child);
  EXPECT_OK(times(&after));
  EXPECT_GE(after.tms_cutime + after.tms_cstime, before.tms_cutime + before.tms_cstime + 2);
  EXPECT_ERR(syscall(SYS_times, st::Bad()), EFAULT);
  EXPECT_TRUE(syscall(SYS_times, nullptr) != -1 || errno == 0);
}

}  // namespace
