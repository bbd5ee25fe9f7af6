// Sessions, process groups, stops, orphaned groups.
#include "test/syscalls/harness/test.h"

TOUCHES("setsid", "getsid", "setpgid", "getpgid", "getpgrp", "kill")

namespace {

TEST(JobControl, CaseLeadsItsSession) {
  EXPECT_EQ(getsid(0), getpid());
  EXPECT_EQ(getpgrp(), getpid());
  EXPECT_RET(syscall(SYS_getpgrp), getpgid(0));
  EXPECT_ERR(setsid(), EPERM);
  EXPECT_ERR(setpgid(0, 0), EPERM);  // a session leader stays
}

TEST(JobControl, ChildInheritsAndMayLeave) {
  pid_t self = getpid();
  EXPECT_CHILD_OK([self] {
    EXPECT_EQ(getsid(0), self);
    EXPECT_EQ(getpgrp(), self);
    EXPECT_RET(setsid(), getpid());
    EXPECT_EQ(getsid(0), getpid());
    EXPECT_EQ(getpgrp(), getpid());
  });
}

TEST(JobControl, SetpgidOfChildAndErrors) {
  pid_t a = st::Spawn([] { pause(); });
  EXPECT_OK(setpgid(a, 0));
  EXPECT_RET(getpgid(a), a);
  pid_t b = st::Spawn([] { pause(); });
  EXPECT_OK(setpgid(b, a));
  EXPECT_RET(getpgid(b), a);
  EXPECT_ERR(setpgid(b, -1), EINVAL);
  EXPECT_ERR(setpgid(0x3ffffff, 0), ESRCH);
  EXPECT_ERR(setpgid(b, 0x3ffffff), EPERM);
  EXPECT_ERR(getpgid(0x3ffffff), ESRCH);
  EXPECT_ERR(getsid(0x3ffffff), ESRCH);
  MUST(kill(-a, SIGKILL));  // both
  EXPECT_SIGNALED(st::WaitStatus(a), SIGKILL);
  EXPECT_SIGNALED(st::WaitStatus(b), SIGKILL);
}

TEST(JobControl, NoSetpgidAfterExec) {
  st::Pipe p;
  pid_t child = st::Spawn([&] {
    MUST(dup2(p.w, 1));
    char* const argv[] = {const_cast<char*>("st-helper:jc_sleep"), nullptr};
    execv(st::SelfExe(), argv);
  });
  char c;
  MUST(read(p.r, &c, 1));
  EXPECT_ERR(setpgid(child, 0), EACCES);
  MUST(kill(child, SIGKILL));
  st::WaitStatus(child);
}

HELPER(jc_sleep) {
  if (write(1, "x", 1) != 1) return 1;
  pause();
  return 0;
}

TEST(JobControl, OtherSessionIsOutOfReach) {
  st::Pipe p;
  pid_t child = st::Spawn([&] {
    MUST(setsid());
    MUST(write(p.w, "x", 1));
    pause();
  });
  char c;
  MUST(read(p.r, &c, 1));
  EXPECT_ERR(setpgid(child, 0), EPERM);
  MUST(kill(child, SIGKILL));
  st::WaitStatus(child);
}

TEST(JobControl, StopAndContinueWholeGroup) {
  pid_t a = st::Spawn([] {
    setpgid(0, 0);
    pause();
  });
  setpgid(a, a);
  pid_t b = st::Spawn([a] {
    setpgid(0, a);
    pause();
  });
  setpgid(b, a);
  MUST(kill(-a, SIGSTOP));
  int status;
  EXPECT_RET(waitpid(a, &status, WUNTRACED), a);
  EXPECT_TRUE(WIFSTOPPED(status));
  EXPECT_RET(waitpid(b, &status, WUNTRACED), b);
  EXPECT_TRUE(WIFSTOPPED(status));
  MUST(kill(-a, SIGCONT));
  EXPECT_RET(waitpid(b, &status, WCONTINUED), b);
  MUST(kill(-a, SIGKILL));
  st::WaitStatus(a);
  st::WaitStatus(b);
}

TEST(JobControl, ContinueRunsHandlerAfterStop) {
  pid_t child = st::Spawn([] {
    st::OnSignal(SIGCONT, [](int) { _exit(8); });
    raise(SIGSTOP);
    pause();
  });
  int status;
  EXPECT_RET(waitpid(child, &status, WUNTRACED), child);
  MUST(kill(child, SIGCONT));
  EXPECT_EXITED(st::WaitStatus(child), 8);
}

TEST(JobControl, KillEndsStoppedProcess) {
  pid_t child = st::Spawn([] { raise(SIGSTOP); });
  int status;
  EXPECT_RET(waitpid(child, &status, WUNTRACED), child);
  MUST(kill(child, SIGTERM));  // stays pending until it continues
  EXPECT_RET(waitpid(child, &status, WNOHANG), 0);
  MUST(kill(child, SIGKILL));
  EXPECT_SIGNALED(st::WaitStatus(child), SIGKILL);
}

TEST(JobControl, ContDropsPendingStops) {
  st::BlockSignal(SIGTSTP);
  MUST(raise(SIGTSTP));
  sigset_t p;
  MUST(sigpending(&p));
  EXPECT_TRUE(sigismember(&p, SIGTSTP));
  MUST(raise(SIGCONT));
  MUST(sigpending(&p));
  EXPECT_FALSE(sigismember(&p, SIGTSTP));
}

TEST(JobControl, TtyStopsIgnoredInOrphanedGroup) {
  // The case's group is orphaned (its parent is in another session): SIGTSTP's default does nothing.
  EXPECT_CHILD_OK([] {
    MUST(setsid());
    raise(SIGTSTP);
    raise(SIGTTIN);
  });
}

TEST(JobControl, NewlyOrphanedStoppedGroupIsHungUp) {
  st::Pipe p, ready;
  pid_t middle = st::Spawn([&] {
    pid_t child = st::Spawn([&] {
      setpgid(0, 0);
      st::OnSignal(SIGHUP, [](int) {});
      st::OnSignal(SIGCONT, [](int) {});
      sigset_t both;
      sigemptyset(&both);
      sigaddset(&both, SIGHUP);
      MUST(sigprocmask(SIG_BLOCK, &both, nullptr));
      raise(SIGSTOP);
      sigset_t pending;
      MUST(sigpending(&pending));
      MUST(write(p.w, sigismember(&pending, SIGHUP) ? "h" : "n", 1));
    });
    int status;
    MUST(waitpid(child, &status, WUNTRACED));
  });
  EXPECT_EXITED(st::WaitStatus(middle), 0);
  p.w.reset();
  char c = 0;
  EXPECT_RET(read(p.r, &c, 1), 1);
  EXPECT_EQ(c, 'h');
}

TEST(JobControl, ChldStopNotification) {
  static volatile sig_atomic_t n;
  st::OnSignal(
      SIGCHLD, [](int) { n = n + 1; }, SA_NOCLDSTOP);
  pid_t child = st::Spawn([] {
    raise(SIGSTOP);
    pause();
  });
  int status;
  while (waitpid(child, &status, WUNTRACED) != child) {
  }
  EXPECT_EQ(n, 0);
  st::OnSignalInfo(SIGCHLD, [](int, siginfo_t* i, void*) { n = i->si_code; });
  MUST(kill(child, SIGCONT));
  EXPECT_TRUE(st::WaitUntil([] { return n == CLD_CONTINUED; }));
  MUST(kill(child, SIGKILL));
  EXPECT_TRUE(st::WaitUntil([] { return n == CLD_KILLED; }));
  st::WaitStatus(child);
}

}  // namespace
