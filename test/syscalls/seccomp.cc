// seccomp: modes, filters, their actions and how they are passed on.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>

#include <atomic>
#include <vector>

#include "test/syscalls/harness/test.h"

TOUCHES("seccomp", "prctl")

namespace {

using Code = std::vector<sock_filter>;

long Seccomp(unsigned op, unsigned flags, void* arg) { return syscall(SYS_seccomp, op, flags, arg); }

long Install(const Code& code, unsigned flags = 0) {
  sock_fprog program = {static_cast<unsigned short>(code.size()), const_cast<sock_filter*>(code.data())};
  return Seccomp(SECCOMP_SET_MODE_FILTER, flags, &program);
}

// `answer` for one call, for all others ALLOW.
Code Rule(int number, unsigned answer) {
  return {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1), BPF_STMT(BPF_RET | BPF_K, answer),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
}

// `answer` where the low half of an argument is `value`.
Code ArgRule(int number, int arg, unsigned value, unsigned answer) {
  return {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 3),
          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offsetof(seccomp_data, args) + 8 * arg)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
          BPF_STMT(BPF_RET | BPF_K, answer),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
}

void NoNewPrivs() { MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); }

std::string StatusField(const std::string& path, const std::string& name) {
  const std::string text = st::ReadFile(path);
  const size_t at = text.find("\n" + name + ":\t");
  if (at == std::string::npos) return "";
  const size_t start = at + name.size() + 3;
  return text.substr(start, text.find('\n', start) - start);
}
std::string OwnField(const std::string& name) { return StatusField("/proc/thread-self/status", name); }

TEST(Seccomp, ArgumentErrors) {
  unsigned action = SECCOMP_RET_ALLOW;
  EXPECT_ERR(Seccomp(99, 0, nullptr), EINVAL);
  EXPECT_ERR(Seccomp(SECCOMP_SET_MODE_STRICT, 1, nullptr), EINVAL);
  EXPECT_ERR(Seccomp(SECCOMP_SET_MODE_STRICT, 0, &action), EINVAL);
  EXPECT_ERR(Seccomp(SECCOMP_GET_ACTION_AVAIL, 1, &action), EINVAL);
  EXPECT_ERR(Seccomp(SECCOMP_GET_ACTION_AVAIL, 0, st::Bad<>()), EFAULT);
  EXPECT_ERR(Seccomp(SECCOMP_GET_NOTIF_SIZES, 1, &action), EINVAL);
  EXPECT_ERR(Seccomp(SECCOMP_GET_NOTIF_SIZES, 0, st::Bad<>()), EFAULT);
  EXPECT_ERR(prctl(PR_SET_SECCOMP, 0, 0, 0, 0), EINVAL);
  EXPECT_ERR(prctl(PR_SET_SECCOMP, 3, 0, 0, 0), EINVAL);
  EXPECT_RET(prctl(PR_GET_SECCOMP), 0);
}

TEST(Seccomp, ActionsAvailable) {
  for (unsigned action : {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO,
                          SECCOMP_RET_USER_NOTIF, SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW}) {
    EXPECT_RET(Seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action), 0);
  }
  unsigned unknown = 0x10000000;
  EXPECT_ERR(Seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &unknown), EOPNOTSUPP);
  unsigned with_data = SECCOMP_RET_ERRNO | 1;
  EXPECT_ERR(Seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &with_data), EOPNOTSUPP);
  seccomp_notif_sizes sizes = {};
  EXPECT_RET(Seccomp(SECCOMP_GET_NOTIF_SIZES, 0, &sizes), 0);
  EXPECT_EQ(sizes.seccomp_notif, 80);
  EXPECT_EQ(sizes.seccomp_notif_resp, 24);
  EXPECT_EQ(sizes.seccomp_data, 64);
}

TEST(Seccomp, FilterErrors) {
  NoNewPrivs();
  const Code allow = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  EXPECT_ERR(Install(allow, 1u << 30), EINVAL);
  EXPECT_ERR(Install(allow, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_NEW_LISTENER), EINVAL);
  EXPECT_ERR(Install({}), EINVAL);
  EXPECT_ERR(Install(Code(4097, allow[0])), EINVAL);
  EXPECT_ERR(Seccomp(SECCOMP_SET_MODE_FILTER, 0, st::Bad<>()), EFAULT);
  EXPECT_ERR(Seccomp(SECCOMP_SET_MODE_FILTER, 0, nullptr), EFAULT);
  sock_fprog bad = {1, st::Bad<sock_filter>()};
  EXPECT_ERR(Seccomp(SECCOMP_SET_MODE_FILTER, 0, &bad), EFAULT);
  bad.len = 0;
  EXPECT_ERR(Seccomp(SECCOMP_SET_MODE_FILTER, 0, &bad), EINVAL);
  // Flags come before the program.
  EXPECT_ERR(Seccomp(SECCOMP_SET_MODE_FILTER, 1u << 30, st::Bad<>()), EINVAL);
}

TEST(Seccomp, BadPrograms) {
  NoNewPrivs();
  const sock_filter ret = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  for (const sock_filter i :
       {sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2),
        sock_filter BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0),
        sock_filter BPF_STMT(BPF_LD | BPF_MEM, 0), sock_filter BPF_STMT(BPF_ST, 16),
        sock_filter BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), sock_filter BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 1),
        sock_filter BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), sock_filter BPF_STMT(BPF_JMP | BPF_JA, 1),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), sock_filter BPF_STMT(0xffff, 0)}) {
    EXPECT_ERR(Install({i, ret}), EINVAL);
  }
  EXPECT_ERR(Install({BPF_STMT(BPF_LD | BPF_IMM, 0)}), EINVAL);
}

TEST(Seccomp, NeedsNoNewPrivsOrCapability) {
  EXPECT_CHILD_OK([] {
    if (geteuid() == 0) st::DropToNobody();
    const Code allow = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    EXPECT_ERR(Install(allow), EACCES);
    // Before the program is looked at, behind its length.
    sock_fprog bad = {1, st::Bad<sock_filter>()};
    EXPECT_ERR(Seccomp(SECCOMP_SET_MODE_FILTER, 0, &bad), EACCES);
    EXPECT_ERR(Install({}), EINVAL);
    NoNewPrivs();
    EXPECT_RET(Install(allow), 0);
  });
}

TEST(Seccomp, RootNeedsNoNoNewPrivs) {
  st::NeedRoot();
  EXPECT_RET(Install(Rule(SYS_getppid, SECCOMP_RET_ERRNO | EDOM)), 0);
  EXPECT_RET(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
  EXPECT_ERR(syscall(SYS_getppid), EDOM);
}

TEST(Seccomp, ErrnoIsGivenAndCapped) {
  NoNewPrivs();
  EXPECT_RET(Install(Rule(SYS_getppid, SECCOMP_RET_ERRNO | EDOM)), 0);
  EXPECT_ERR(syscall(SYS_getppid), EDOM);
  EXPECT_RET(Install(Rule(SYS_getpgrp, SECCOMP_RET_ERRNO | 0xffff)), 0);
  EXPECT_ERR(syscall(SYS_getpgrp), 4095);
  EXPECT_RET(Install(Rule(SYS_getsid, SECCOMP_RET_ERRNO)), 0);
  EXPECT_RET(syscall(SYS_getsid, 0), 0);
  EXPECT_RET(prctl(PR_GET_SECCOMP), 2);
}

// Calls that have one answer are filtered all the same, however often they were made.
TEST(Seccomp, SteadyAnswersAreFilteredToo) {
  NoNewPrivs();
  const pid_t pid = getpid();
  for (int i = 0; i < 1000; ++i) MUST(syscall(SYS_getpid));
  EXPECT_RET(syscall(SYS_getpid), pid);
  EXPECT_RET(Install(Rule(SYS_getpid, SECCOMP_RET_ERRNO | EDOM)), 0);
  for (int i = 0; i < 100; ++i) EXPECT_ERR(syscall(SYS_getpid), EDOM);
  for (int i = 0; i < 100; ++i) EXPECT_RET(syscall(SYS_getuid), getuid());
}

TEST(Seccomp, SteadyAnswersByArgument) {
  NoNewPrivs();
  EXPECT_RET(Install(ArgRule(SYS_getpid, 0, 7, SECCOMP_RET_ERRNO | EDOM)), 0);
  for (int i = 0; i < 100; ++i) {
    EXPECT_RET(syscall(SYS_getpid, 6), getpid());
    EXPECT_ERR(syscall(SYS_getpid, 7), EDOM);
  }
}

TEST(Seccomp, ArgumentsAreSeen) {
  NoNewPrivs();
  EXPECT_RET(Install(ArgRule(SYS_write, 0, 77, SECCOMP_RET_ERRNO | EDOM)), 0);
  EXPECT_RET(Install(ArgRule(SYS_mmap, 5, 0x5000, SECCOMP_RET_ERRNO | EXDEV)), 0);
  EXPECT_ERR(syscall(SYS_write, 77, "x", 1), EDOM);
  EXPECT_ERR(syscall(SYS_write, -1, "x", 1), EBADF);
  EXPECT_ERR(syscall(SYS_mmap, 1, 2, 3, 4, 5, 0x5000), EXDEV);
}

TEST(Seccomp, LowestActionWins) {
  NoNewPrivs();
  EXPECT_RET(Install(Rule(SYS_getppid, SECCOMP_RET_ERRNO | 1)), 0);
  EXPECT_RET(Install(Rule(SYS_getppid, SECCOMP_RET_ERRNO | 2)), 0);
  EXPECT_RET(Install(Rule(SYS_getppid, SECCOMP_RET_LOG)), 0);
  EXPECT_RET(Install(Rule(SYS_getppid, SECCOMP_RET_TRACE)), 0);
  EXPECT_ERR(syscall(SYS_getppid), 2);
}

TEST(Seccomp, TraceWithoutTracerIsEnosys) {
  NoNewPrivs();
  EXPECT_RET(Install(Rule(SYS_getppid, SECCOMP_RET_TRACE | 5)), 0);
  EXPECT_ERR(syscall(SYS_getppid), ENOSYS);
}

TEST(Seccomp, NotifWithoutListenerIsEnosys) {
  NoNewPrivs();
  EXPECT_RET(Install(Rule(SYS_getppid, SECCOMP_RET_USER_NOTIF)), 0);
  EXPECT_ERR(syscall(SYS_getppid), ENOSYS);
}

TEST(Seccomp, LogAllows) {
  NoNewPrivs();
  EXPECT_RET(Install(Rule(SYS_getppid, SECCOMP_RET_LOG), SECCOMP_FILTER_FLAG_LOG), 0);
  EXPECT_RET(syscall(SYS_getppid), getppid());
}

TEST(Seccomp, UnknownNumbersAreFiltered) {
  NoNewPrivs();
  EXPECT_ERR(syscall(9999), ENOSYS);
  EXPECT_RET(Install(Rule(9999, SECCOMP_RET_ERRNO | EDOM)), 0);
  EXPECT_ERR(syscall(9999), EDOM);
  EXPECT_ERR(syscall(9998), ENOSYS);
}

TEST(Seccomp, DivisionByZeroKills) {
  const int status = st::RunInChild([] {
    NoNewPrivs();
    MUST(Install({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 2), BPF_STMT(BPF_LDX | BPF_IMM, 0),
                  BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}));
    syscall(SYS_getppid);
  });
  EXPECT_SIGNALED(status, SIGSYS);
}

// --- Death ---

TEST(Seccomp, KillProcess) {
  for (unsigned answer : {SECCOMP_RET_KILL_PROCESS, 0x90000000u, 0x10000000u}) {
    const int status = st::RunInChild([answer] {
      NoNewPrivs();
      MUST(Install(Rule(SYS_getppid, answer)));
      st::Thread other([] { syscall(SYS_getppid); });
      other.Join();
      _exit(3);
    });
    EXPECT_SIGNALED(status, SIGSYS);
  }
}

TEST(Seccomp, KillThreadLeavesTheOthers) {
  const int status = st::RunInChild([] {
    NoNewPrivs();
    MUST(Install(Rule(SYS_getppid, SECCOMP_RET_KILL_THREAD)));
    auto* alive = st::SharedValue<std::atomic<int>>();
    *alive = 1;
    // (Not joined: its end by the kernel is not pthread's.)
    auto* other = new st::Thread([&] {
      syscall(SYS_getppid);
      *alive = 2;
    });
    const std::string dir = "/proc/self/task/" + std::to_string(other->tid());
    st::WaitUntil([&] { return !st::Exists(dir); });
    EXPECT_FALSE(st::Exists(dir));
    EXPECT_EQ(alive->load(), 1);
    _exit(st::Failures() != 0 ? 1 : 3);
  });
  EXPECT_EXITED(status, 3);
}

TEST(Seccomp, KillThreadOfTheLastIsSigsys) {
  const int status = st::RunInChild([] {
    NoNewPrivs();
    MUST(Install(Rule(SYS_getppid, SECCOMP_RET_KILL_THREAD)));
    signal(SIGSYS, SIG_IGN);
    syscall(SYS_getppid);
  });
  EXPECT_SIGNALED(status, SIGSYS);
}

// --- Strict mode ---

TEST(Seccomp, StrictAllowsFourCalls) {
  const int status = st::RunInChild([] {
    st::Pipe p;
    MUST(write(p.w, "x", 1));
    MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
    char c = 0;
    if (syscall(SYS_read, static_cast<int>(p.r), &c, 1) != 1) syscall(SYS_exit, 4);
    syscall(SYS_exit, c == 'x' ? 3 : 5);
  });
  EXPECT_EXITED(status, 3);
}

TEST(Seccomp, StrictKillsWithSigkill) {
  EXPECT_SIGNALED(st::RunInChild([] {
                    MUST(Seccomp(SECCOMP_SET_MODE_STRICT, 0, nullptr));
                    syscall(SYS_getpid);
                  }),
                  SIGKILL);
  EXPECT_SIGNALED(st::RunInChild([] {
                    MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
                    syscall(SYS_exit_group, 0);
                  }),
                  SIGKILL);
}

TEST(Seccomp, NoStrictModeBehindFilters) {
  NoNewPrivs();
  EXPECT_RET(Install({BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}), 0);
  EXPECT_ERR(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT), EINVAL);
  EXPECT_ERR(Seccomp(SECCOMP_SET_MODE_STRICT, 0, nullptr), EINVAL);
}

// --- SIGSYS ---

siginfo_t trapped;
greg_t trapped_rax, trapped_rip;

void OnTrap(int, siginfo_t* info, void* context) {
  trapped = *info;
  auto* uc = static_cast<ucontext_t*>(context);
  trapped_rax = uc->uc_mcontext.gregs[REG_RAX];
  trapped_rip = uc->uc_mcontext.gregs[REG_RIP];
  uc->uc_mcontext.gregs[REG_RAX] = 4711;
}

TEST(Seccomp, TrapTellsAndHandlerAnswers) {
  NoNewPrivs();
  st::OnSignalInfo(SIGSYS, OnTrap);
  EXPECT_RET(Install(Rule(SYS_getppid, SECCOMP_RET_TRAP | 0x1234)), 0);
  EXPECT_RET(syscall(SYS_getppid), 4711);
  EXPECT_EQ(trapped.si_signo, SIGSYS);
  EXPECT_EQ(trapped.si_code, 1);  // SYS_SECCOMP
  EXPECT_EQ(trapped.si_errno, 0x1234);
  EXPECT_EQ(trapped.si_syscall, SYS_getppid);
  EXPECT_EQ(trapped.si_arch, static_cast<unsigned>(AUDIT_ARCH_X86_64));
  EXPECT_EQ(trapped_rax, SYS_getppid);
  EXPECT_EQ(reinterpret_cast<greg_t>(trapped.si_call_addr), trapped_rip);
}

TEST(Seccomp, BlockedTrapKills) {
  EXPECT_SIGNALED(st::RunInChild([] {
                    NoNewPrivs();
                    st::OnSignalInfo(SIGSYS, OnTrap);
                    st::BlockSignal(SIGSYS);
                    MUST(Install(Rule(SYS_getppid, SECCOMP_RET_TRAP)));
                    syscall(SYS_getppid);
                  }),
                  SIGSYS);
}

TEST(Seccomp, InstructionPointerIsBehindTheCall) {
  NoNewPrivs();
  st::OnSignalInfo(SIGSYS, OnTrap);
  EXPECT_RET(Install(Rule(SYS_getppid, SECCOMP_RET_TRAP)), 0);
  syscall(SYS_getppid);
  const auto ip = static_cast<uint64_t>(trapped_rip);
  // From that place alone.
  EXPECT_RET(
      Install({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
               BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 3),
               BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, instruction_pointer)),
               BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(ip), 0, 1),
               BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}),
      0);
  EXPECT_SIGNALED(st::RunInChild([] { syscall(SYS_getppid); }), SIGSYS);
}

// --- Inheritance ---

HELPER(seccomp_getppid) {
  if (StatusField("/proc/self/status", "Seccomp") != "2") return 4;
  return syscall(SYS_getppid) == -1 && errno == EDOM ? 3 : 5;
}

TEST(Seccomp, ForkAndExecKeepFilters) {
  NoNewPrivs();
  EXPECT_RET(Install(Rule(SYS_getppid, SECCOMP_RET_ERRNO | EDOM)), 0);
  EXPECT_CHILD_OK([] { EXPECT_ERR(syscall(SYS_getppid), EDOM); });
  st::Thread thread([] { EXPECT_ERR(syscall(SYS_getppid), EDOM); });
  thread.Join();
  const int status = st::RunInChild([] {
    const char* argv[] = {"st-helper:seccomp_getppid", nullptr};
    execv(st::SelfExe(), const_cast<char**>(argv));
  });
  EXPECT_EXITED(status, 3);
}

TEST(Seccomp, ChildsFiltersAreItsOwn) {
  EXPECT_CHILD_OK([] {
    NoNewPrivs();
    EXPECT_RET(Install(Rule(SYS_getppid, SECCOMP_RET_ERRNO | EDOM)), 0);
    EXPECT_ERR(syscall(SYS_getppid), EDOM);
  });
  EXPECT_RET(syscall(SYS_getppid), getppid());
}

TEST(Seccomp, ProcStatus) {
  EXPECT_EQ(OwnField("Seccomp"), std::string("0"));
  EXPECT_EQ(OwnField("Seccomp_filters"), std::string("0"));
  NoNewPrivs();
  EXPECT_RET(Install(Rule(SYS_getppid, SECCOMP_RET_ERRNO)), 0);
  EXPECT_RET(Install(Rule(SYS_getppid, SECCOMP_RET_ERRNO)), 0);
  EXPECT_EQ(OwnField("Seccomp"), std::string("2"));
  EXPECT_EQ(OwnField("Seccomp_filters"), std::string("2"));
}

TEST(Seccomp, SumOfLengthsIsLimited) {
  NoNewPrivs();
  const Code allow(4096, BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  int installed = 0;
  while (installed < 100 && Install(allow) == 0) ++installed;
  EXPECT_EQ(errno, ENOMEM);
  EXPECT_EQ(installed, 3);
}

// --- TSYNC ---

struct Threads {
  std::atomic<int> go{0};
  std::atomic<int> ready{0};
};

TEST(Seccomp, TsyncReachesAllThreads) {
  NoNewPrivs();
  Threads t;
  auto body = [&] {
    syscall(SYS_getppid);
    ++t.ready;
    st::WaitUntil([&] { return t.go.load() != 0; });
    EXPECT_ERR(syscall(SYS_getppid), EDOM);
    EXPECT_EQ(OwnField("Seccomp_filters"), std::string("1"));
  };
  st::Thread a(body), b(body);
  st::WaitUntil([&] { return t.ready.load() == 2; });
  EXPECT_RET(Install(Rule(SYS_getppid, SECCOMP_RET_ERRNO | EDOM), SECCOMP_FILTER_FLAG_TSYNC), 0);
  t.go = 1;
  a.Join();
  b.Join();
}

TEST(Seccomp, TsyncGivesNoNewPrivs) {
  Threads t;
  st::Thread other([&] {
    EXPECT_RET(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
    t.ready = 1;
    st::WaitUntil([&] { return t.go.load() != 0; });
    EXPECT_RET(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
  });
  st::WaitUntil([&] { return t.ready.load() == 1; });
  NoNewPrivs();
  EXPECT_RET(Install(Rule(SYS_getppid, SECCOMP_RET_ERRNO | EDOM), SECCOMP_FILTER_FLAG_TSYNC), 0);
  t.go = 1;
  other.Join();
}

TEST(Seccomp, TsyncFailsWhereFiltersDiffer) {
  NoNewPrivs();
  Threads t;
  st::Thread other([&] {
    EXPECT_RET(Install(Rule(SYS_getppid, SECCOMP_RET_ERRNO | EDOM)), 0);
    t.ready = 1;
    st::WaitUntil([&] { return t.go.load() != 0; });
  });
  st::WaitUntil([&] { return t.ready.load() == 1; });
  const Code rule = Rule(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV);
  EXPECT_RET(Install(rule, SECCOMP_FILTER_FLAG_TSYNC), other.tid());
  EXPECT_ERR(Install(rule, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH), ESRCH);
  EXPECT_RET(syscall(SYS_getppid), getppid());
  t.go = 1;
  other.Join();
}

}  // namespace
