// Threads: creation, TLS, shared state, arch_prctl, scheduling calls.
#include <asm/prctl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include <vector>

#include "test/syscalls/harness/test.h"

TOUCHES("clone", "futex", "arch_prctl", "sched_yield", "gettid", "sched_getaffinity", "sched_setaffinity", "getcpu",
        "sched_getparam", "sched_setparam", "sched_getscheduler", "sched_setscheduler", "sched_get_priority_max",
        "sched_get_priority_min", "sched_rr_get_interval", "getpriority", "setpriority")

namespace {

TEST(Threads, IdsDifferPidIsOne) {
  pid_t self = getpid();
  st::Thread t([self] {
    EXPECT_EQ(getpid(), self);
    EXPECT_NE(st::GetTid(), self);
  });
  t.Join();
  EXPECT_TRUE(t.tid() > 0);
}

TEST(Threads, LocalStorageIsLocal) {
  static thread_local int value = 5;
  value = 6;
  st::Thread t([] {
    EXPECT_EQ(value, 5);
    value = 7;
  });
  t.Join();
  EXPECT_EQ(value, 6);
}

TEST(Threads, MutexCountsRight) {
  static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
  static long n = 0;
  {
    auto work = [] {
      for (int i = 0; i < 3000; i++) {
        pthread_mutex_lock(&m);
        n = n + 1;
        pthread_mutex_unlock(&m);
      }
    };
    st::Thread a(work), b(work), c(work), d(work);
  }
  EXPECT_EQ(n, 12000);
}

TEST(Threads, ConditionPingPong) {
  static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
  static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
  static int turn = 0;
  auto play = [](int me) {
    for (int i = 0; i < 200; i++) {
      pthread_mutex_lock(&m);
      while (turn % 2 != me) pthread_cond_wait(&c, &m);  // NOLINT(bugprone-infinite-loop): the other one changes it
      turn++;
      pthread_cond_broadcast(&c);
      pthread_mutex_unlock(&m);
    }
  };
  {
    st::Thread a([play] { play(0); }), b([play] { play(1); });
  }
  EXPECT_EQ(turn, 400);
}

TEST(Threads, BarrierMeetsAll) {
  static pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, nullptr, 5);
  static int serial = 0;
  {
    auto wait = [] {
      const int rc = pthread_barrier_wait(&barrier);
      if (rc == PTHREAD_BARRIER_SERIAL_THREAD) __atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
    };
    st::Thread a(wait), b(wait), c(wait), d(wait);
    wait();
  }
  EXPECT_EQ(serial, 1);
}

TEST(Threads, CancelEndsBlockedThread) {
  st::Pipe p;
  st::Thread t([&] {
    char c;
    [[maybe_unused]] ssize_t n = read(p.r, &c, 1);
  });
  st::WaitBlocked(getpid(), t.tid());
  EXPECT_EQ(pthread_cancel(t.handle()), 0);
  t.Join();
}

TEST(Threads, SignalGoesToTheThread) {
  static pid_t handled;
  st::OnSignal(SIGUSR1, [](int) { handled = st::GetTid(); });
  st::Pipe p;
  st::Thread t([&] {
    char c;
    EXPECT_ERR(read(p.r, &c, 1), EINTR);
  });
  st::WaitBlocked(getpid(), t.tid());
  MUST(syscall(SYS_tgkill, getpid(), t.tid(), SIGUSR1));
  t.Join();
  EXPECT_EQ(handled, t.tid());
}

TEST(Threads, ProcessSignalFindsAnUnblockedThread) {
  static volatile pid_t handled;
  st::OnSignal(
      SIGUSR1, [](int) { handled = st::GetTid(); }, SA_RESTART);
  st::Pipe p;
  st::Thread t([&] {
    char c;
    MUST(read(p.r, &c, 1));
  });
  st::WaitBlocked(getpid(), t.tid());
  st::BlockSignal(SIGUSR1);
  MUST(kill(getpid(), SIGUSR1));
  EXPECT_TRUE(st::WaitUntil([] { return handled != 0; }));
  EXPECT_EQ(handled, t.tid());
  MUST(write(p.w, "x", 1));
  t.Join();
}

TEST(Threads, FatalSignalEndsTheProcess) {
  EXPECT_SIGNALED(st::RunInChild([] {
                    st::Thread t([] { *static_cast<volatile char*>(st::Bad()) = 1; });
                    for (;;) pause();
                  }),
                  SIGSEGV);
}

TEST(Threads, ManyShortOnes) {
  for (int i = 0; i < 100; i++) {
    st::Thread t([] {});
  }
  EXPECT_EQ(st::ReadFile("/proc/self/status").find("Threads:\t1\n") != std::string::npos, true);
}

TEST(Threads, RawCloneSharesEverything) {
  static volatile int value;
  static char stack[65536];
  int pid = clone(
      [](void*) {
        value = 42;
        return 3;
      },
      stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD, nullptr);
  EXPECT_EXITED(st::WaitStatus(pid), 3);
  EXPECT_EQ(value, 42);
}

TEST(ArchPrctl, BasesOfSegments) {
  unsigned long fs = 0, gs = 0;
  EXPECT_OK(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
  EXPECT_NE(fs, 0u);
  static long data[2] = {1, 0x1234};
  EXPECT_OK(syscall(SYS_arch_prctl, ARCH_SET_GS, data));
  EXPECT_OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
  EXPECT_EQ(gs, reinterpret_cast<unsigned long>(data));
  long got;
  asm volatile("mov %%gs:8, %0" : "=r"(got));
  EXPECT_EQ(got, 0x1234);
  EXPECT_ERR(syscall(SYS_arch_prctl, ARCH_SET_GS, ~0ul), EPERM);
  EXPECT_ERR(syscall(SYS_arch_prctl, 0x9999, 0), EINVAL);
  EXPECT_ERR(syscall(SYS_arch_prctl, ARCH_GET_FS, st::Bad()), EFAULT);
}

TEST(Sched, Affinity) {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_TRUE(syscall(SYS_sched_getaffinity, 0, sizeof set, &set) > 0);
  EXPECT_GE(CPU_COUNT(&set), 1);
  EXPECT_OK(sched_setaffinity(0, sizeof set, &set));
  cpu_set_t none;
  CPU_ZERO(&none);
  EXPECT_ERR(sched_setaffinity(0, sizeof none, &none), EINVAL);
  EXPECT_ERR(sched_getaffinity(0x3ffffff, sizeof set, &set), ESRCH);
  EXPECT_ERR(syscall(SYS_sched_getaffinity, 0, 3, &set), EINVAL);
  EXPECT_ERR(sched_setaffinity(0, sizeof set, st::Bad<cpu_set_t>()), EFAULT);
}

TEST(Sched, CurrentCpuIsAllowed) {
  unsigned cpu = 9999, node = 9999;
  EXPECT_OK(syscall(SYS_getcpu, &cpu, &node, nullptr));
  cpu_set_t set;
  MUST(sched_getaffinity(0, sizeof set, &set));
  EXPECT_TRUE(CPU_ISSET(cpu, &set));
  EXPECT_ERR(syscall(SYS_getcpu, st::Bad(), nullptr, nullptr), EFAULT);
}

TEST(Sched, PoliciesAndParameters) {
  EXPECT_RET(sched_getscheduler(0), SCHED_OTHER);
  struct sched_param p = {77};
  EXPECT_OK(sched_getparam(0, &p));
  EXPECT_EQ(p.sched_priority, 0);
  EXPECT_OK(sched_setparam(0, &p));
  EXPECT_OK(sched_setscheduler(0, SCHED_BATCH, &p));
  EXPECT_RET(sched_getscheduler(0), SCHED_BATCH);
  p.sched_priority = 5;
  EXPECT_ERR(sched_setscheduler(0, SCHED_OTHER, &p), EINVAL);
  EXPECT_ERR(sched_setparam(0, &p), EINVAL);
  p.sched_priority = 0;
  EXPECT_ERR(sched_setscheduler(0, 99, &p), EINVAL);
  EXPECT_ERR(sched_getscheduler(-1), EINVAL);
  EXPECT_ERR(sched_getscheduler(0x3ffffff), ESRCH);
  EXPECT_ERR(sched_getparam(0x3ffffff, &p), ESRCH);
}

TEST(Sched, PriorityRanges) {
  EXPECT_RET(sched_get_priority_max(SCHED_FIFO), 99);
  EXPECT_RET(sched_get_priority_min(SCHED_FIFO), 1);
  EXPECT_RET(sched_get_priority_max(SCHED_OTHER), 0);
  EXPECT_RET(sched_get_priority_min(SCHED_OTHER), 0);
  EXPECT_ERR(sched_get_priority_max(99), EINVAL);
  EXPECT_ERR(sched_get_priority_min(99), EINVAL);
  struct timespec t = {-1, -1};
  EXPECT_OK(sched_rr_get_interval(0, &t));
  EXPECT_EQ(t.tv_sec, 0);
  EXPECT_ERR(sched_rr_get_interval(-1, &t), EINVAL);
  EXPECT_OK(syscall(SYS_sched_yield));
}

TEST(Nice, RaisesAndReads) {
  EXPECT_CHILD_OK([] {
    long before = MUST(syscall(SYS_getpriority, PRIO_PROCESS, 0));  // 20 - nice
    EXPECT_OK(setpriority(PRIO_PROCESS, 0, 15));
    EXPECT_RET(syscall(SYS_getpriority, PRIO_PROCESS, 0), 5);
    EXPECT_OK(setpriority(PRIO_PROCESS, 0, 100));  // clamped
    EXPECT_RET(syscall(SYS_getpriority, PRIO_PROCESS, 0), 1);
    EXPECT_LE(before, 40);
    EXPECT_ERR(syscall(SYS_getpriority, 77, 0), EINVAL);
    EXPECT_ERR(setpriority(77, 0, 0), EINVAL);
    EXPECT_ERR(syscall(SYS_getpriority, PRIO_PROCESS, 0x3ffffff), ESRCH);
  });
  if (geteuid() != 0) return;
  EXPECT_CHILD_OK([] {
    st::DropToNobody();
    EXPECT_ERR(setpriority(PRIO_PROCESS, 0, -5), EACCES);
  });
}

TEST_FULL(Threads, Thousand) {
  std::vector<st::Thread*> all;
  static int n = 0;
  st::Pipe p;
  for (int i = 0; i < 1000; i++) {
    all.push_back(new st::Thread([&] {
      char c;
      MUST(read(p.r, &c, 1));
      __atomic_add_fetch(&n, 1, __ATOMIC_SEQ_CST);
    }));
  }
  std::string go(1000, 'g');
  MUST(write(p.w, go.data(), go.size()));
  for (st::Thread* t : all) t->Join();
  EXPECT_EQ(n, 1000);
}

}  // namespace
