// Resource limits, uname, sysinfo, getrandom, prctl, personality, syslog, host names.
#include <sys/klog.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "test/syscalls/harness/test.h"

TOUCHES("getrlimit", "setrlimit", "prlimit64", "uname", "sysinfo", "getrandom", "prctl", "personality", "syslog",
        "sethostname", "setdomainname")

namespace {

TEST(Rlimit, FormsAgreeAndPersist) {
  EXPECT_CHILD_OK([] {
    struct rlimit r = {100, 200}, got = {};
    EXPECT_OK(syscall(SYS_setrlimit, RLIMIT_NOFILE, &r));
    EXPECT_OK(syscall(SYS_getrlimit, RLIMIT_NOFILE, &got));
    EXPECT_TRUE(got.rlim_cur == 100 && got.rlim_max == 200);
    struct rlimit next = {50, 200};
    EXPECT_OK(prlimit(0, RLIMIT_NOFILE, &next, &got));
    EXPECT_EQ(got.rlim_cur, 100u);
    EXPECT_CHILD_OK([] {
      struct rlimit g;
      MUST(getrlimit(RLIMIT_NOFILE, &g));
      EXPECT_EQ(g.rlim_cur, 50u);
    });
  });
}

TEST(Rlimit, Errors) {
  struct rlimit r = {10, 5};
  EXPECT_ERR(setrlimit(RLIMIT_CORE, &r), EINVAL);
  EXPECT_ERR(syscall(SYS_getrlimit, 99, &r), EINVAL);
  EXPECT_ERR(syscall(SYS_setrlimit, 99, &r), EINVAL);
  EXPECT_ERR(syscall(SYS_getrlimit, RLIMIT_CORE, st::Bad()), EFAULT);
  EXPECT_ERR(prlimit(0x3ffffff, RLIMIT_CORE, nullptr, &r), ESRCH);
}

TEST(Rlimit, HardLimitOnlyFalls) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    struct rlimit r = {10, 20};
    MUST(setrlimit(RLIMIT_NOFILE, &r));
    st::DropToNobody();
    r = {10, 21};
    EXPECT_ERR(setrlimit(RLIMIT_NOFILE, &r), EPERM);
    r = {15, 15};
    EXPECT_OK(setrlimit(RLIMIT_NOFILE, &r));
  });
}

TEST(Rlimit, NofileBindsOpen) {
  EXPECT_CHILD_OK([] {
    struct rlimit r = {8, 8};
    MUST(setrlimit(RLIMIT_NOFILE, &r));
    int last = -1, fd;
    while ((fd = open("/dev/null", O_RDONLY)) >= 0) last = fd;
    EXPECT_EQ(errno, EMFILE);
    EXPECT_EQ(last, 7);
    int p[2];
    EXPECT_ERR(pipe(p), EMFILE);
  });
}

TEST(Rlimit, CpuSendsXcpuThenKills) {
  EXPECT_SIGNALED(st::RunInChild([] {
                    struct rlimit r = {1, 2};
                    MUST(setrlimit(RLIMIT_CPU, &r));
                    for (volatile unsigned x = 0;;) x = x + 1;
                  }),
                  SIGXCPU);
}

TEST(Rlimit, ProcessesBindFork) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    MUST(setresgid(54321, 54321, 54321));
    MUST(setresuid(54321, 54321, 54321));
    struct rlimit r = {1, 1};
    MUST(setrlimit(RLIMIT_NPROC, &r));
    EXPECT_ERR(fork(), EAGAIN);
  });
}

TEST(Uname, Fields) {
  struct utsname u;
  EXPECT_OK(uname(&u));
  EXPECT_EQ(std::string(u.sysname), "Linux");
  EXPECT_EQ(std::string(u.machine), "x86_64");
  EXPECT_GE(atoi(u.release), 4);
  char host[65];
  MUST(gethostname(host, sizeof host));
  EXPECT_EQ(std::string(host), std::string(u.nodename));
  EXPECT_ERR(syscall(SYS_uname, st::Bad()), EFAULT);
}

TEST(Hostname, RulesOfSetting) {
  st::NeedRoot();
  EXPECT_ERR(syscall(SYS_sethostname, "x", -1), EINVAL);
  EXPECT_ERR(syscall(SYS_sethostname, st::Bad(), 65), EINVAL);
  EXPECT_ERR(syscall(SYS_setdomainname, "x", 65), EINVAL);
  EXPECT_ERR(syscall(SYS_sethostname, st::Bad(), 5), EFAULT);
  EXPECT_ERR(syscall(SYS_setdomainname, st::Bad(), 5), EFAULT);
  EXPECT_CHILD_OK([] {
    st::DropToNobody();
    EXPECT_ERR(sethostname("x", 1), EPERM);
    EXPECT_ERR(setdomainname("x", 1), EPERM);
  });
}

TEST(Sysinfo, Plausible) {
  struct sysinfo s;
  EXPECT_OK(sysinfo(&s));
  EXPECT_TRUE(s.totalram > 0 && s.freeram <= s.totalram);
  EXPECT_TRUE(s.mem_unit >= 1);
  EXPECT_TRUE(s.procs >= 1);
  EXPECT_TRUE(s.uptime >= 0);
  EXPECT_ERR(syscall(SYS_sysinfo, st::Bad()), EFAULT);
}

TEST(Getrandom, FillsAndErrors) {
  unsigned char a[32] = {}, b[32] = {};
  EXPECT_RET(getrandom(a, 32, 0), 32);
  EXPECT_RET(getrandom(b, 32, GRND_NONBLOCK), 32);
  EXPECT_NE(memcmp(a, b, 32), 0);
  EXPECT_RET(getrandom(a, 0, 0), 0);
  EXPECT_ERR(getrandom(a, 32, 0x100), EINVAL);
  EXPECT_ERR(getrandom(a, 32, GRND_RANDOM | 4), EINVAL);
  EXPECT_ERR(getrandom(st::Bad(), 32, 0), EFAULT);
}

TEST(Prctl, Name) {
  char name[17] = {};
  EXPECT_OK(prctl(PR_SET_NAME, "a-long-name-that-is-cut"));
  EXPECT_OK(prctl(PR_GET_NAME, name));
  EXPECT_EQ(std::string(name), "a-long-name-tha");
  EXPECT_EQ(st::ReadFile("/proc/self/comm"), "a-long-name-tha\n");
  EXPECT_ERR(prctl(PR_SET_NAME, st::Bad()), EFAULT);
  EXPECT_ERR(prctl(99999), EINVAL);
}

TEST(Prctl, ParentDeathSignal) {
  int sig = -1;
  EXPECT_OK(prctl(PR_SET_PDEATHSIG, SIGUSR1));
  EXPECT_OK(prctl(PR_GET_PDEATHSIG, &sig));
  EXPECT_EQ(sig, SIGUSR1);
  EXPECT_CHILD_OK([] {
    int inherited = -1;
    MUST(prctl(PR_GET_PDEATHSIG, &inherited));
    EXPECT_EQ(inherited, 0);
  });
  EXPECT_ERR(prctl(PR_SET_PDEATHSIG, 99), EINVAL);
  st::Pipe p, alive;
  pid_t middle = st::Spawn([&] {
    st::Spawn([&] {
      p.r.reset();
      MUST(prctl(PR_SET_PDEATHSIG, SIGKILL));
      MUST(write(alive.w, "x", 1));
      for (;;) pause();
    });
    char c;
    MUST(read(alive.r, &c, 1));
  });
  EXPECT_EXITED(st::WaitStatus(middle), 0);
  p.w.reset();
  char c;
  EXPECT_RET(read(p.r, &c, 1), 0);  // the grandchild, last holder of the other end, is dead
}

TEST(Prctl, Subreaper) {
  MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
  int on = 0;
  EXPECT_OK(prctl(PR_GET_CHILD_SUBREAPER, &on));
  EXPECT_EQ(on, 1);
  pid_t self = getpid();
  pid_t child = st::Spawn([self] {
    pid_t me = getpid();
    st::Spawn([self, me] {
      st::WaitUntil([me] { return getppid() != me; });
      _exit(getppid() == self ? 31 : 32);
    });
  });
  EXPECT_EXITED(st::WaitStatus(child), 0);
  int status = 0;
  EXPECT_TRUE(waitpid(-1, &status, 0) > 0);
  EXPECT_EXITED(status, 31);
}

TEST(Prctl, FlagsOfTheProcess) {
  EXPECT_CHILD_OK([] {
    EXPECT_RET(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
    EXPECT_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    EXPECT_RET(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    EXPECT_ERR(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
    EXPECT_RET(prctl(PR_GET_DUMPABLE), 1);
    EXPECT_OK(prctl(PR_SET_DUMPABLE, 0));
    EXPECT_RET(prctl(PR_GET_DUMPABLE), 0);
    EXPECT_ERR(prctl(PR_SET_DUMPABLE, 7), EINVAL);
    EXPECT_RET(prctl(PR_GET_KEEPCAPS), 0);
    EXPECT_RET(prctl(PR_GET_SECCOMP), 0);
  });
}

TEST(Personality, IsLinux) {
  EXPECT_RET(personality(0xffffffff), 0);
  EXPECT_RET(personality(0), 0);
}

TEST(Syslog, SizesAndErrors) {
  st::NeedRoot();
  EXPECT_ERR(klogctl(99, nullptr, 0), EINVAL);
  EXPECT_TRUE(klogctl(10, nullptr, 0) > 0 || errno == EPERM);
  EXPECT_CHILD_OK([] {
    st::DropToNobody();
    char b[16];
    EXPECT_ERR(klogctl(2, b, 16), EPERM);
  });
}

}  // namespace
