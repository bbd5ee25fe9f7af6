// Interval timers, alarm and POSIX timers.
#include <sys/time.h>
#include <time.h>

#include "test/syscalls/harness/test.h"

TOUCHES("getitimer", "setitimer", "alarm", "timer_create", "timer_settime", "timer_gettime", "timer_getoverrun",
        "timer_delete")

namespace {

volatile sig_atomic_t g_count;
siginfo_t g_info;
void Count(int) { g_count = g_count + 1; }
void Info(int, siginfo_t* i, void*) {
  g_info = *i;
  g_count = g_count + 1;
}

int Create(int clock, int notify, int sig, int value) {
  struct sigevent e = {};
  e.sigev_notify = notify;
  e.sigev_signo = sig;
  e.sigev_value.sival_int = value;
  e._sigev_un._tid = st::GetTid();
  int id = -1;
  MUST(syscall(SYS_timer_create, clock, &e, &id));
  return id;
}

long Arm(int id, long value_ns, long interval_ns = 0) {
  struct itimerspec s = {{0, interval_ns}, {0, value_ns}};
  return syscall(SYS_timer_settime, id, 0, &s, nullptr);
}

TEST(Itimer, RealSendsAlarm) {
  st::OnSignal(SIGALRM, Count);
  struct itimerval v = {{0, 0}, {0, 5000}};
  EXPECT_OK(setitimer(ITIMER_REAL, &v, nullptr));
  EXPECT_TRUE(st::WaitUntil([] { return g_count == 1; }));
  MUST(getitimer(ITIMER_REAL, &v));
  EXPECT_EQ(v.it_value.tv_sec + v.it_value.tv_usec, 0);
}

TEST(Itimer, IntervalRepeats) {
  st::OnSignal(SIGALRM, Count);
  struct itimerval v = {{0, 2000}, {0, 2000}}, off = {};
  MUST(setitimer(ITIMER_REAL, &v, nullptr));
  EXPECT_TRUE(st::WaitUntil([] { return g_count >= 3; }));
  EXPECT_OK(setitimer(ITIMER_REAL, &off, &v));
  EXPECT_EQ(v.it_interval.tv_usec, 2000);
}

TEST(Itimer, VirtualAndProfCountCpu) {
  st::OnSignal(SIGVTALRM, Count);
  struct itimerval v = {{0, 0}, {0, 10000}};
  MUST(setitimer(ITIMER_VIRTUAL, &v, nullptr));
  int64_t end = st::NowNs() + 5000000000;
  while (g_count == 0 && st::NowNs() < end) {
  }
  EXPECT_EQ(g_count, 1);
  st::OnSignal(SIGPROF, Count);
  MUST(setitimer(ITIMER_PROF, &v, nullptr));
  while (g_count == 1 && st::NowNs() < end) {
  }
  EXPECT_EQ(g_count, 2);
}

TEST(Itimer, Errors) {
  struct itimerval v = {{0, 0}, {0, 1000000}};
  EXPECT_ERR(syscall(SYS_setitimer, ITIMER_REAL, &v, nullptr), EINVAL);
  EXPECT_ERR(syscall(SYS_setitimer, 9, &v, nullptr), EINVAL);
  EXPECT_ERR(syscall(SYS_getitimer, 9, &v), EINVAL);
  EXPECT_ERR(syscall(SYS_setitimer, ITIMER_REAL, st::Bad(), nullptr), EFAULT);
  EXPECT_ERR(syscall(SYS_getitimer, ITIMER_REAL, st::Bad()), EFAULT);
}

TEST(Alarm, ReturnsTimeLeftAndIsNotInherited) {
  EXPECT_RET(syscall(SYS_alarm, 100), 0);
  EXPECT_CHILD_OK([] { EXPECT_RET(syscall(SYS_alarm, 0), 0); });
  long left = syscall(SYS_alarm, 0);
  EXPECT_TRUE(left >= 95 && left <= 100);
  EXPECT_RET(syscall(SYS_alarm, 0), 0);
}

TEST(Alarm, KillsByDefault) {
  EXPECT_SIGNALED(st::RunInChild([] {
                    struct itimerval v = {{0, 0}, {0, 1000}};
                    MUST(setitimer(ITIMER_REAL, &v, nullptr));
                    for (;;) pause();
                  }),
                  SIGALRM);
}

TEST(PosixTimer, SendsSignalWithValue) {
  st::OnSignalInfo(SIGRTMIN + 3, Info);
  int id = Create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 3, 4711);
  EXPECT_OK(Arm(id, 3000000));
  EXPECT_TRUE(st::WaitUntil([] { return g_count == 1; }));
  EXPECT_EQ(g_info.si_code, SI_TIMER);
  EXPECT_EQ(g_info.si_value.sival_int, 4711);
  EXPECT_OK(syscall(SYS_timer_delete, id));
}

TEST(PosixTimer, OverrunsWhileBlocked) {
  st::OnSignalInfo(SIGRTMIN + 3, Info);
  st::BlockSignal(SIGRTMIN + 3);
  int id = Create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 3, 0);
  MUST(Arm(id, 1000000, 1000000));
  st::SleepMs(12);
  st::UnblockSignal(SIGRTMIN + 3);
  EXPECT_TRUE(st::WaitUntil([] { return g_count >= 1; }));
  MUST(Arm(id, 0));
  EXPECT_TRUE(syscall(SYS_timer_getoverrun, id) >= 0);
}

TEST(PosixTimer, ThreadDirected) {
  static volatile pid_t handled;
  st::OnSignal(SIGUSR1, [](int) { handled = st::GetTid(); });
  st::Thread t([] {
    int id = Create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGUSR1, 0);
    MUST(Arm(id, 2000000));
    EXPECT_TRUE(st::WaitUntil([] { return handled != 0; }));
  });
  t.Join();
  EXPECT_EQ(handled, t.tid());
}

TEST(PosixTimer, GettimeAndNone) {
  int id = Create(CLOCK_REALTIME, SIGEV_NONE, 0, 0);
  struct itimerspec s = {{5, 0}, {50, 0}}, now;
  EXPECT_OK(syscall(SYS_timer_settime, id, 0, &s, nullptr));
  EXPECT_OK(syscall(SYS_timer_gettime, id, &now));
  EXPECT_TRUE(now.it_value.tv_sec >= 45 && now.it_value.tv_sec <= 50);
  EXPECT_EQ(now.it_interval.tv_sec, 5);
}

TEST(PosixTimer, AbsoluteTime) {
  st::OnSignal(SIGUSR1, Count);
  int id = Create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
  struct itimerspec s = {};
  MUST(clock_gettime(CLOCK_MONOTONIC, &s.it_value));
  EXPECT_OK(syscall(SYS_timer_settime, id, TIMER_ABSTIME, &s, nullptr));
  EXPECT_TRUE(st::WaitUntil([] { return g_count == 1; }));
}

TEST(PosixTimer, DefaultIsAlarmAndNotInherited) {
  int id = -1;
  EXPECT_OK(syscall(SYS_timer_create, CLOCK_MONOTONIC, nullptr, &id));
  st::OnSignal(SIGALRM, Count);
  MUST(Arm(id, 1000000));
  EXPECT_TRUE(st::WaitUntil([] { return g_count == 1; }));
  EXPECT_CHILD_OK([id] { EXPECT_ERR(Arm(id, 1000000), EINVAL); });
}

TEST(PosixTimer, Errors) {
  int id;
  struct sigevent e = {};
  e.sigev_notify = SIGEV_SIGNAL;
  e.sigev_signo = 99;
  EXPECT_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &id), EINVAL);
  e.sigev_notify = 77;
  e.sigev_signo = SIGUSR1;
  EXPECT_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &id), EINVAL);
  EXPECT_ERR(syscall(SYS_timer_create, 99, nullptr, &id), EINVAL);
  EXPECT_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, st::Bad(), &id), EFAULT);
  struct itimerspec s = {};
  EXPECT_ERR(syscall(SYS_timer_settime, 4321, 0, &s, nullptr), EINVAL);
  EXPECT_ERR(syscall(SYS_timer_gettime, 4321, &s), EINVAL);
  EXPECT_ERR(syscall(SYS_timer_getoverrun, 4321), EINVAL);
  EXPECT_ERR(syscall(SYS_timer_delete, 4321), EINVAL);
}

}  // namespace
