// wait4, waitid, exit codes, reparenting.
#include <sys/resource.h>
#include <time.h>

#include "test/syscalls/harness/test.h"

TOUCHES("wait4", "waitid", "exit", "exit_group", "kill")

namespace {

TEST(Wait, ExitCodeIsEightBits) {
  EXPECT_EXITED(st::RunInChild([] { _exit(0x1234); }), 0x34);
  EXPECT_EXITED(st::RunInChild([] { syscall(SYS_exit, 7); }), 7);
  EXPECT_EXITED(st::RunInChild([] { syscall(SYS_exit_group, -1); }), 255);
}

TEST(Wait, SignalStatus) {
  int status = st::RunInChild([] {
    kill(getpid(), SIGKILL);
    pause();
  });
  EXPECT_SIGNALED(status, SIGKILL);
  EXPECT_SIGNALED(st::RunInChild([] { abort(); }), SIGABRT);
}

TEST(Wait, NohangAndNoChildren) {
  EXPECT_ERR(wait4(-1, nullptr, 0, nullptr), ECHILD);
  st::Pipe p;
  pid_t child = st::Spawn([&] {
    p.w.reset();
    char c;
    read(p.r, &c, 1);
  });
  EXPECT_RET(wait4(child, nullptr, WNOHANG, nullptr), 0);
  EXPECT_ERR(wait4(child, nullptr, 0x4000, nullptr), EINVAL);
  EXPECT_ERR(wait4(getppid(), nullptr, WNOHANG, nullptr), ECHILD);
  p.w.reset();
  EXPECT_RET(wait4(child, nullptr, 0, nullptr), child);
  EXPECT_ERR(wait4(child, nullptr, 0, nullptr), ECHILD);
}

TEST(Wait, StoppedAndContinued) {
  pid_t child = st::Spawn([] {
    raise(SIGSTOP);
    pause();
  });
  int status = 0;
  EXPECT_RET(waitpid(child, &status, WUNTRACED), child);
  EXPECT_TRUE(WIFSTOPPED(status));
  EXPECT_EQ(WSTOPSIG(status), SIGSTOP);
  EXPECT_RET(waitpid(child, &status, WUNTRACED | WNOHANG), 0);  // told once
  MUST(kill(child, SIGCONT));
  EXPECT_RET(waitpid(child, &status, WCONTINUED), child);
  EXPECT_TRUE(WIFCONTINUED(status));
  MUST(kill(child, SIGKILL));
  EXPECT_SIGNALED(st::WaitStatus(child), SIGKILL);
}

TEST(Wait, ProcessGroupSelectors) {
  pid_t a = st::Spawn([] { _exit(1); });
  pid_t b = st::Spawn([] {
    setpgid(0, 0);
    _exit(2);
  });
  setpgid(b, b);  // whoever comes first
  int status = 0;
  EXPECT_RET(waitpid(0, &status, 0), a);  // those of our own group
  EXPECT_RET(waitpid(-b, &status, 0), b);
  EXPECT_EXITED(status, 2);
  EXPECT_ERR(waitpid(-b, &status, 0), ECHILD);
}

TEST(Wait, UsageIsFilled) {
  pid_t child = st::Spawn([] {
    volatile unsigned x = 0;
    int64_t end = st::NowNs(CLOCK_PROCESS_CPUTIME_ID) + 20000000;
    while (st::NowNs(CLOCK_PROCESS_CPUTIME_ID) < end) x = x + 1;
    _exit(0);
  });
  struct rusage r = {};
  EXPECT_RET(wait4(child, nullptr, 0, &r), child);
  EXPECT_GE(r.ru_utime.tv_sec * 1000000 + r.ru_utime.tv_usec + r.ru_stime.tv_sec * 1000000 + r.ru_stime.tv_usec, 9000);
  EXPECT_EQ(r.ru_utime.tv_sec < 10, true);
}

TEST(Wait, BadStatusPointerReapsAnyway) {
  pid_t child = st::Spawn([] { _exit(0); });
  EXPECT_ERR(wait4(child, st::Bad<int>(), 0, nullptr), EFAULT);
  EXPECT_ERR(wait4(child, nullptr, 0, nullptr), ECHILD);
}

TEST(Wait, InterruptedBySignal) {
  pid_t child = st::Spawn([] {
    pid_t grandchild = st::Spawn([] { pause(); });
    st::OnSignal(SIGUSR1, [](int) {});
    EXPECT_ERR(waitpid(grandchild, nullptr, 0), EINTR);
    kill(grandchild, SIGKILL);
  });
  st::WaitBlocked(child);
  MUST(kill(child, SIGUSR1));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Waitid, InfoOfExit) {
  pid_t child = st::Spawn([] { _exit(33); });
  siginfo_t i = {};
  EXPECT_RET(waitid(P_PID, child, &i, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(i.si_pid, child);
  EXPECT_EQ(i.si_signo, SIGCHLD);
  EXPECT_EQ(i.si_code, CLD_EXITED);
  EXPECT_EQ(i.si_status, 33);
  EXPECT_EQ(i.si_uid, getuid());
  i = {};
  EXPECT_RET(waitid(P_ALL, 0, &i, WEXITED), 0);  // still there after WNOWAIT
  EXPECT_EQ(i.si_pid, child);
  EXPECT_ERR(waitid(P_ALL, 0, &i, WEXITED), ECHILD);
}

TEST(Waitid, InfoOfKillAndStop) {
  pid_t child = st::Spawn([] {
    raise(SIGSTOP);
    pause();
  });
  siginfo_t i = {};
  EXPECT_RET(waitid(P_PID, child, &i, WSTOPPED), 0);
  EXPECT_EQ(i.si_code, CLD_STOPPED);
  EXPECT_EQ(i.si_status, SIGSTOP);
  MUST(kill(child, SIGCONT));
  EXPECT_RET(waitid(P_PID, child, &i, WCONTINUED), 0);
  EXPECT_EQ(i.si_code, CLD_CONTINUED);
  MUST(kill(child, SIGTERM));
  EXPECT_RET(waitid(P_PID, child, &i, WEXITED), 0);
  EXPECT_EQ(i.si_code, CLD_KILLED);
  EXPECT_EQ(i.si_status, SIGTERM);
}

TEST(Waitid, NohangLeavesInfoEmpty) {
  pid_t child = st::Spawn([] { pause(); });
  siginfo_t i;
  memset(&i, 0xff, sizeof i);
  EXPECT_RET(waitid(P_ALL, 0, &i, WEXITED | WNOHANG), 0);
  EXPECT_EQ(i.si_pid, 0);
  EXPECT_EQ(i.si_signo, 0);
  MUST(kill(child, SIGKILL));
  st::WaitStatus(child);
}

TEST(Waitid, Errors) {
  siginfo_t i;
  EXPECT_ERR(waitid(P_ALL, 0, &i, 0), EINVAL);
  EXPECT_ERR(waitid(static_cast<idtype_t>(77), 0, &i, WEXITED), EINVAL);
  EXPECT_ERR(waitid(P_PID, 0, &i, WEXITED), EINVAL);
  EXPECT_ERR(waitid(P_ALL, 0, &i, WEXITED), ECHILD);
}

TEST(Wait, IgnoredSigchldReapsItself) {
  signal(SIGCHLD, SIG_IGN);
  pid_t child = st::Spawn([] { _exit(0); });
  EXPECT_ERR(waitpid(child, nullptr, 0), ECHILD);  // waits until it is gone
}

TEST(Wait, OrphanIsReparented) {
  st::Pipe p;
  pid_t child = st::Spawn([&] {
    pid_t me = getpid();
    st::Spawn([&p, me] {
      st::WaitUntil([me] { return getppid() != me; });
      char c = getppid() != me ? 'y' : 'n';
      MUST(write(p.w, &c, 1));
    });
  });
  EXPECT_EXITED(st::WaitStatus(child), 0);
  char c = 0;
  MUST(read(p.r, &c, 1));
  EXPECT_EQ(c, 'y');
}

TEST(Wait, ThreadsMayWaitForEachOthersChildren) {
  pid_t child = st::Spawn([] { _exit(4); });
  st::Thread t([child] { EXPECT_EXITED(st::WaitStatus(child), 4); });
  t.Join();
  st::Thread maker([] {
    pid_t c = st::Spawn([] { _exit(0); });
    EXPECT_RET(waitpid(c, nullptr, __WNOTHREAD), c);
  });
  maker.Join();
}

TEST(Exit, GroupEndsAllThreads) {
  EXPECT_EXITED(st::RunInChild([] {
                  st::Thread t([] { _exit(12); });
                  for (;;) pause();
                }),
                12);
}

TEST(Exit, MainThreadMayGoFirst) {
  EXPECT_EXITED(st::RunInChild([] {
                  auto* t = new st::Thread([] {
                    st::SleepMs(20);
                    _exit(21);
                  });
                  (void)t;
                  syscall(SYS_exit, 3);
                }),
                21);
}

}  // namespace
