// Signal delivery: handlers, masks, queueing, alternate stacks.
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "test/syscalls/harness/test.h"

TOUCHES("rt_sigaction", "rt_sigprocmask", "rt_sigpending", "rt_sigsuspend", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
        "sigaltstack", "kill", "tkill", "tgkill", "rt_sigreturn", "pause")

namespace {

volatile sig_atomic_t g_count, g_depth, g_max_depth;
siginfo_t g_info;
int g_order[16];
int g_orders;

void Count(int) { g_count = g_count + 1; }
void Info(int, siginfo_t* i, void*) {
  g_info = *i;
  g_count = g_count + 1;
}
void Order(int s) { g_order[g_orders++ % 16] = s; }

bool Blocked(int sig) {
  sigset_t m;
  MUST(sigprocmask(SIG_BLOCK, nullptr, &m));
  return sigismember(&m, sig);
}

bool Pending(int sig) {
  sigset_t m;
  MUST(sigpending(&m));
  return sigismember(&m, sig);
}

TEST(Signals, HandlerRunsBeforeKillReturns) {
  st::OnSignal(SIGUSR1, Count);
  EXPECT_OK(kill(getpid(), SIGUSR1));
  EXPECT_EQ(g_count, 1);
}

TEST(Signals, InfoOfKill) {
  st::OnSignalInfo(SIGUSR1, Info);
  MUST(kill(getpid(), SIGUSR1));
  EXPECT_EQ(g_info.si_signo, SIGUSR1);
  EXPECT_EQ(g_info.si_code, SI_USER);
  EXPECT_EQ(g_info.si_pid, getpid());
  EXPECT_EQ(g_info.si_uid, getuid());
  MUST(syscall(SYS_tgkill, getpid(), st::GetTid(), SIGUSR1));
  EXPECT_EQ(g_info.si_code, SI_TKILL);
}

TEST(Signals, ActionIsReadBack) {
  struct sigaction a = {}, b = {};
  a.sa_handler = Count;
  a.sa_flags = SA_RESTART | SA_NODEFER;
  sigaddset(&a.sa_mask, SIGUSR2);
  MUST(sigaction(SIGUSR1, &a, nullptr));
  MUST(sigaction(SIGUSR1, nullptr, &b));
  EXPECT_TRUE(b.sa_handler == Count);
  EXPECT_EQ(b.sa_flags & (SA_RESTART | SA_NODEFER), SA_RESTART | SA_NODEFER);
  EXPECT_TRUE(sigismember(&b.sa_mask, SIGUSR2));
}

TEST(Signals, ActionErrors) {
  struct sigaction a = {};
  a.sa_handler = SIG_IGN;
  EXPECT_ERR(sigaction(SIGKILL, &a, nullptr), EINVAL);
  EXPECT_ERR(sigaction(SIGSTOP, &a, nullptr), EINVAL);
  EXPECT_ERR(syscall(SYS_rt_sigaction, 0, nullptr, nullptr, 8), EINVAL);
  EXPECT_ERR(syscall(SYS_rt_sigaction, 65, nullptr, nullptr, 8), EINVAL);
  EXPECT_ERR(syscall(SYS_rt_sigaction, SIGUSR1, nullptr, nullptr, 4), EINVAL);
  EXPECT_ERR(syscall(SYS_rt_sigaction, SIGUSR1, st::Bad(), nullptr, 8), EFAULT);
}

TEST(Signals, BlockedStaysPendingOnce) {
  st::OnSignal(SIGUSR1, Count);
  st::BlockSignal(SIGUSR1);
  for (int i = 0; i < 3; i++) MUST(raise(SIGUSR1));
  EXPECT_EQ(g_count, 0);
  EXPECT_TRUE(Pending(SIGUSR1));
  st::UnblockSignal(SIGUSR1);
  EXPECT_EQ(g_count, 1);  // standard signals do not queue
  EXPECT_FALSE(Pending(SIGUSR1));
}

TEST(Signals, RealTimeSignalsQueueInOrder) {
  static int values[4];
  static int n;
  st::OnSignalInfo(SIGRTMIN + 1, [](int, siginfo_t* i, void*) { values[n++ % 4] = i->si_value.sival_int; });
  st::BlockSignal(SIGRTMIN + 1);
  for (int i = 1; i <= 3; i++) {
    sigval v;
    v.sival_int = i * 11;
    MUST(sigqueue(getpid(), SIGRTMIN + 1, v));
  }
  st::UnblockSignal(SIGRTMIN + 1);
  EXPECT_EQ(n, 3);
  EXPECT_EQ(values[0], 11);
  EXPECT_EQ(values[2], 33);
}

TEST(Signals, LowestNumberFirst) {
  sigset_t s;
  sigemptyset(&s);
  for (int sig : {SIGRTMIN + 5, SIGUSR2, SIGRTMIN + 2, SIGUSR1}) {
    struct sigaction a = {};
    a.sa_handler = Order;
    sigfillset(&a.sa_mask);
    MUST(sigaction(sig, &a, nullptr));
    sigaddset(&s, sig);
  }
  MUST(sigprocmask(SIG_BLOCK, &s, nullptr));
  for (int sig : {SIGRTMIN + 5, SIGUSR2, SIGRTMIN + 2, SIGUSR1}) MUST(raise(sig));
  // Each frame is pushed on the one before, so the last pushed runs first unless masks forbid it.
  MUST(sigprocmask(SIG_UNBLOCK, &s, nullptr));
  ASSERT_EQ(g_orders, 4);
  EXPECT_EQ(g_order[0], SIGUSR1);
  EXPECT_EQ(g_order[1], SIGUSR2);
  EXPECT_EQ(g_order[3], SIGRTMIN + 5);
}

TEST(Signals, MaskDuringHandler) {
  static bool self, other;
  struct sigaction a = {};
  a.sa_handler = [](int) {
    self = Blocked(SIGUSR1);
    other = Blocked(SIGUSR2);
  };
  sigaddset(&a.sa_mask, SIGUSR2);
  MUST(sigaction(SIGUSR1, &a, nullptr));
  MUST(raise(SIGUSR1));
  EXPECT_TRUE(self);
  EXPECT_TRUE(other);
  EXPECT_FALSE(Blocked(SIGUSR1));
  EXPECT_FALSE(Blocked(SIGUSR2));
}

TEST(Signals, NodeferNests) {
  st::OnSignal(
      SIGUSR1,
      [](int) {
        g_depth = g_depth + 1;
        if (g_depth > g_max_depth) g_max_depth = g_depth;
        if (g_depth < 5) raise(SIGUSR1);
        g_depth = g_depth - 1;
      },
      SA_NODEFER);
  MUST(raise(SIGUSR1));
  EXPECT_EQ(g_max_depth, 5);
}

TEST(Signals, ResethandRunsOnce) {
  st::OnSignal(SIGUSR1, Count, static_cast<int>(SA_RESETHAND));
  MUST(raise(SIGUSR1));
  struct sigaction a;
  MUST(sigaction(SIGUSR1, nullptr, &a));
  EXPECT_TRUE(a.sa_handler == SIG_DFL);
}

TEST(Signals, DefaultActions) {
  EXPECT_SIGNALED(st::RunInChild([] { raise(SIGTERM); }), SIGTERM);
  EXPECT_SIGNALED(st::RunInChild([] { raise(SIGRTMIN); }), SIGRTMIN);
  EXPECT_CHILD_OK([] {
    raise(SIGCHLD);
    raise(SIGURG);
    raise(SIGWINCH);
    raise(SIGCONT);
  });
}

TEST(Signals, IgnoringDropsPending) {
  st::BlockSignal(SIGUSR1);
  MUST(raise(SIGUSR1));
  signal(SIGUSR1, SIG_IGN);
  EXPECT_FALSE(Pending(SIGUSR1));
}

TEST(Signals, KillAndStopCannotBeBlocked) {
  sigset_t s, m;
  sigfillset(&s);
  MUST(sigprocmask(SIG_SETMASK, &s, nullptr));
  MUST(sigprocmask(SIG_SETMASK, nullptr, &m));
  EXPECT_FALSE(sigismember(&m, SIGKILL));
  EXPECT_FALSE(sigismember(&m, SIGSTOP));
  EXPECT_TRUE(sigismember(&m, SIGTERM));
}

TEST(Signals, MaskErrors) {
  sigset_t s;
  sigemptyset(&s);
  EXPECT_ERR(syscall(SYS_rt_sigprocmask, 77, &s, nullptr, 8), EINVAL);
  EXPECT_ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &s, nullptr, 16), EINVAL);
  EXPECT_ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, st::Bad(), nullptr, 8), EFAULT);
  EXPECT_OK(syscall(SYS_rt_sigprocmask, 77, nullptr, &s, 8));  // how is not read without a set
  EXPECT_ERR(syscall(SYS_rt_sigpending, &s, 9), EINVAL);
}

TEST(Signals, KillErrorsAndProbe) {
  EXPECT_OK(kill(getpid(), 0));
  EXPECT_ERR(kill(getpid(), 65), EINVAL);
  EXPECT_ERR(kill(getpid(), -1), EINVAL);
  EXPECT_ERR(kill(0x3ffffff, SIGTERM), ESRCH);
  EXPECT_ERR(syscall(SYS_tkill, -1, 0), EINVAL);
  EXPECT_ERR(syscall(SYS_tgkill, 1, 0, 0), EINVAL);
  EXPECT_ERR(syscall(SYS_tgkill, getpid(), 0x3ffffff, 0), ESRCH);
  EXPECT_OK(syscall(SYS_tkill, st::GetTid(), 0));
}

TEST(Signals, SuspendSwapsMaskAtomically) {
  st::OnSignal(SIGUSR1, Count);
  st::BlockSignal(SIGUSR1);
  MUST(raise(SIGUSR1));
  sigset_t none;
  sigemptyset(&none);
  EXPECT_ERR(sigsuspend(&none), EINTR);
  EXPECT_EQ(g_count, 1);
  EXPECT_TRUE(Blocked(SIGUSR1));
  EXPECT_ERR(syscall(SYS_rt_sigsuspend, &none, 4), EINVAL);
}

TEST(Signals, PauseReturnsAfterHandler) {
  pid_t child = st::Spawn([] {
    st::OnSignal(SIGUSR1, Count, SA_RESTART);
    EXPECT_ERR(syscall(SYS_pause), EINTR);
    EXPECT_EQ(g_count, 1);
  });
  st::WaitBlocked(child);
  MUST(kill(child, SIGUSR1));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Signals, QueueinfoRules) {
  st::OnSignalInfo(SIGUSR1, Info);
  siginfo_t i = {};
  i.si_code = SI_QUEUE;
  i.si_value.sival_int = 5;
  EXPECT_OK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &i));
  EXPECT_EQ(g_info.si_value.sival_int, 5);
  EXPECT_OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), st::GetTid(), SIGUSR1, &i));
  EXPECT_EQ(g_count, 2);
  pid_t child = st::Spawn([] { pause(); });
  i.si_code = SI_USER;  // may not pretend to be the kernel, nor kill
  EXPECT_ERR(syscall(SYS_rt_sigqueueinfo, child, SIGUSR1, &i), EPERM);
  MUST(kill(child, SIGKILL));
  st::WaitStatus(child);
}

TEST(Altstack, HandlerRunsOnIt) {
  static char* base = static_cast<char*>(st::MapShared(65536));
  static bool inside, on_stack;
  stack_t s = {base, 0, 65536}, old = {};
  EXPECT_OK(sigaltstack(&s, nullptr));
  st::OnSignal(
      SIGUSR1,
      [](int) {
        char here;
        inside = &here > base && &here < base + 65536;
        stack_t now;
        sigaltstack(nullptr, &now);
        on_stack = now.ss_flags == SS_ONSTACK;
        stack_t other = {base, 0, 65536};
        EXPECT_ERR(sigaltstack(&other, nullptr), EPERM);
      },
      SA_ONSTACK);
  MUST(raise(SIGUSR1));
  EXPECT_TRUE(inside);
  EXPECT_TRUE(on_stack);
  s.ss_flags = SS_DISABLE;
  EXPECT_OK(sigaltstack(&s, &old));
  EXPECT_EQ(old.ss_sp, static_cast<void*>(base));
  EXPECT_OK(sigaltstack(nullptr, &old));
  EXPECT_EQ(old.ss_flags, SS_DISABLE);
}

TEST(Altstack, Errors) {
  stack_t s = {st::BadAddr(), 0, 100};
  EXPECT_ERR(sigaltstack(&s, nullptr), ENOMEM);
  s.ss_size = 65536;
  s.ss_flags = 0x77;
  EXPECT_ERR(sigaltstack(&s, nullptr), EINVAL);
  EXPECT_ERR(sigaltstack(st::Bad<stack_t>(), nullptr), EFAULT);
}

TEST(Altstack, CatchesStackOverflow) {
  EXPECT_EXITED(st::RunInChild([] {
                  static char stack[65536];
                  stack_t s = {stack, 0, sizeof stack};
                  MUST(sigaltstack(&s, nullptr));
                  st::OnSignal(
                      SIGSEGV, [](int) { _exit(17); }, SA_ONSTACK);
                  volatile char here = 0;
                  for (volatile char* p = &here;; p -= 4096) *p = 1;
                }),
                17);
}

TEST(SignalFrame, ContextCanBeChanged) {
  st::OnSignalInfo(SIGSEGV, [](int, siginfo_t*, void* c) {
    auto* u = static_cast<ucontext_t*>(c);
    u->uc_mcontext.gregs[REG_RIP] += 2;  // over the two-byte load below
    u->uc_mcontext.gregs[REG_RAX] = 99;
  });
  long value = reinterpret_cast<long>(st::BadAddr());
  asm volatile(".byte 0x8b, 0x00" : "+a"(value) : : "memory");  // mov (%rax), %eax
  EXPECT_EQ(value, 99);
}

TEST(SignalFrame, FaultInfo) {
  static sigjmp_buf jump;
  st::OnSignalInfo(SIGILL, [](int, siginfo_t* i, void*) {
    g_info = *i;
    siglongjmp(jump, 1);
  });
  st::OnSignalInfo(SIGFPE, [](int, siginfo_t* i, void*) {
    g_info = *i;
    siglongjmp(jump, 1);
  });
  if (sigsetjmp(jump, 1) == 0) asm volatile("ud2");
  EXPECT_EQ(g_info.si_signo, SIGILL);
  EXPECT_EQ(g_info.si_code, ILL_ILLOPN);
  if (sigsetjmp(jump, 1) == 0)
    asm volatile("xor %%edx, %%edx; mov $1, %%eax; xor %%ecx, %%ecx; div %%ecx" ::: "eax", "ecx", "edx");
  EXPECT_EQ(g_info.si_signo, SIGFPE);
  EXPECT_EQ(g_info.si_code, FPE_INTDIV);
}

TEST(SignalFrame, BlockedFaultKills) {
  EXPECT_SIGNALED(st::RunInChild([] {
                    st::OnSignal(SIGSEGV, Count);
                    st::BlockSignal(SIGSEGV);
                    *static_cast<volatile char*>(st::Bad()) = 1;
                  }),
                  SIGSEGV);
}

TEST(Signals, PermissionToKill) {
  st::NeedRoot();
  pid_t child = st::Spawn([] { pause(); });
  EXPECT_CHILD_OK([child] {
    st::DropToNobody();
    EXPECT_ERR(kill(child, SIGTERM), EPERM);
    EXPECT_ERR(kill(child, 0), EPERM);
  });
  MUST(kill(child, SIGKILL));
  st::WaitStatus(child);
}

}  // namespace
