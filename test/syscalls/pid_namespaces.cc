// PID namespaces: numbers, init's privileges and end (man 7 pid_namespaces).
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "test/syscalls/harness/test.h"

TOUCHES("clone", "clone3", "unshare", "getpid", "getppid", "gettid", "getpgid", "getsid", "kill", "wait4", "waitid",
        "pidfd_open", "fcntl")

namespace {

using st::Pipe;

// fork by clone(2) with more flags.
pid_t CloneWith(unsigned long flags) {
  return static_cast<pid_t>(syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

void NeedPidNamespaces() {
  st::NeedRoot();
  const pid_t child = CloneWith(CLONE_NEWPID);
  if (child == 0) _exit(0);
  if (child < 0) SKIP("no pid namespaces here");
  st::WaitStatus(child);
}

// Runs as init of a new namespace; its number outside.
template <class F>
pid_t SpawnInit(F fn, unsigned long more = 0) {
  const pid_t child = MUST(CloneWith(CLONE_NEWPID | more));
  if (child == 0) {
    fn();
    st::ExitChild();
  }
  return child;
}

TEST(PidNs, InitIsNumberOne) {
  NeedPidNamespaces();
  const pid_t child = SpawnInit([] {
    EXPECT_RET(syscall(SYS_getpid), 1);
    EXPECT_RET(syscall(SYS_gettid), 1);
    EXPECT_RET(syscall(SYS_getppid), 0);
    // Group and session are the parent's, which is not seen here.
    EXPECT_RET(getpgid(0), 0);
    EXPECT_RET(getsid(0), 0);
    const pid_t second = MUST(fork());
    if (second == 0) {
      EXPECT_RET(syscall(SYS_getpid), 2);
      EXPECT_RET(syscall(SYS_getppid), 1);
      st::ExitChild();
    }
    EXPECT_EQ(second, 2);
    EXPECT_EXITED(st::WaitStatus(2), 0);
    EXPECT_RET(setsid(), 1);
    EXPECT_RET(getsid(0), 1);
    EXPECT_RET(getpgid(1), 1);
  });
  EXPECT_TRUE(child > 1);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(PidNs, ThreadsAreNumberedInside) {
  NeedPidNamespaces();
  EXPECT_EXITED(st::WaitStatus(SpawnInit([] {
                  pid_t inside = 0;
                  st::Thread t([&] { inside = static_cast<pid_t>(syscall(SYS_gettid)); });
                  t.Join();
                  EXPECT_EQ(inside, 2);
                  EXPECT_EQ(t.tid(), 2);
                })),
                0);
}

TEST(PidNs, OutsideIsNotSeen) {
  NeedPidNamespaces();
  const pid_t outside = getpid();
  EXPECT_EXITED(st::WaitStatus(SpawnInit([outside] {
                  EXPECT_ERR(kill(outside, 0), ESRCH);
                  EXPECT_ERR(getpgid(outside), ESRCH);
                  EXPECT_ERR(getsid(outside), ESRCH);
                  EXPECT_ERR(syscall(SYS_pidfd_open, outside, 0), ESRCH);
                  EXPECT_ERR(kill(-1, 0), ESRCH);  // nobody else is here
                })),
                0);
}

TEST(PidNs, SettidPointersGetNumbersOfTheirSide) {
  NeedPidNamespaces();
  auto* shared = st::SharedValue<int[2]>();
  int parent_tid = 0;
  const pid_t child =
      static_cast<pid_t>(MUST(syscall(SYS_clone, CLONE_NEWPID | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD,
                                      nullptr, &parent_tid, &(*shared)[0], nullptr)));
  if (child == 0) _exit((*shared)[0] == 1 ? 0 : 1);
  EXPECT_EQ(parent_tid, child);
  // Not shared by itself, but the page is.
  EXPECT_EXITED(st::WaitStatus(child), 0);
  EXPECT_EQ((*shared)[0], 1);
}

TEST(PidNs, InitIgnoresWhatItHasNoHandlerFor) {
  NeedPidNamespaces();
  EXPECT_EXITED(st::WaitStatus(SpawnInit([] {
                  const pid_t child = MUST(fork());
                  if (child == 0) {
                    EXPECT_OK(kill(1, SIGKILL));
                    EXPECT_OK(kill(1, SIGTERM));
                    EXPECT_OK(kill(1, SIGSTOP));
                    st::ExitChild();
                  }
                  EXPECT_EXITED(st::WaitStatus(child), 0);
                  EXPECT_OK(kill(1, SIGKILL));
                })),
                0);
}

TEST(PidNs, OnlyKillAndStopReachInitFromOutside) {
  NeedPidNamespaces();
  Pipe ready;
  const pid_t child = SpawnInit([&] {
    MUST(write(ready.w, "x", 1));
    while (true) pause();
  });
  char c;
  MUST(read(ready.r, &c, 1));
  EXPECT_OK(kill(child, SIGTERM));
  EXPECT_OK(kill(child, SIGSTOP));
  int status;
  EXPECT_RET(waitpid(child, &status, WUNTRACED), child);
  EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
  EXPECT_OK(kill(child, SIGCONT));
  EXPECT_OK(kill(child, SIGKILL));
  EXPECT_SIGNALED(st::WaitStatus(child), SIGKILL);
}

pid_t g_sender;
int g_code;
void NoteSender(int, siginfo_t* info, void*) { g_sender = info->si_pid, g_code = info->si_code; }

TEST(PidNs, SenderFromOutsideIsZero) {
  NeedPidNamespaces();
  Pipe ready;
  const pid_t child = SpawnInit([&] {
    st::OnSignalInfo(SIGUSR1, NoteSender);
    st::BlockSignal(SIGUSR1);
    MUST(write(ready.w, "x", 1));
    g_sender = -1;
    sigset_t none;
    sigemptyset(&none);
    sigsuspend(&none);
    EXPECT_EQ(g_sender, 0);
    EXPECT_EQ(g_code, SI_USER);
    EXPECT_OK(kill(1, SIGUSR1));
    st::UnblockSignal(SIGUSR1);
    EXPECT_EQ(g_sender, 1);
  });
  char c;
  MUST(read(ready.r, &c, 1));
  EXPECT_OK(kill(child, SIGUSR1));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(PidNs, ChldSignalHasTheParentsNumber) {
  NeedPidNamespaces();
  st::BlockSignal(SIGCHLD);
  const pid_t child = SpawnInit([] { _exit(7); });
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  siginfo_t info = {};
  EXPECT_RET(sigwaitinfo(&set, &info), SIGCHLD);
  EXPECT_EQ(info.si_pid, child);
  siginfo_t waited = {};
  EXPECT_OK(waitid(P_PID, static_cast<id_t>(child), &waited, WEXITED));
  EXPECT_EQ(waited.si_pid, child);
  EXPECT_EQ(waited.si_status, 7);
}

TEST(PidNs, EndOfInitKillsAll) {
  NeedPidNamespaces();
  Pipe alive;
  const pid_t child = SpawnInit([&] {
    for (int i = 0; i < 3; ++i) {
      if (MUST(fork()) == 0) {
        setsid();
        if (i == 2) (void)fork();
        while (true) pause();
      }
    }
    _exit(5);
  });
  EXPECT_EXITED(st::WaitStatus(child), 5);
  // All of them are gone before init's end is told: so are their ends of the pipe.
  alive.w.reset();
  char c;
  EXPECT_RET(read(alive.r, &c, 1), 0);
}

TEST(PidNs, OrphansGoToInit) {
  NeedPidNamespaces();
  EXPECT_EXITED(st::WaitStatus(SpawnInit([] {
                  Pipe go, told;
                  const pid_t child = MUST(fork());
                  if (child == 0) {
                    if (MUST(fork()) == 0) {
                      char c;
                      MUST(read(go.r, &c, 1));
                      const pid_t parent = getppid();
                      MUST(write(told.w, &parent, sizeof parent));
                      _exit(9);
                    }
                    _exit(0);
                  }
                  EXPECT_EXITED(st::WaitStatus(child), 0);
                  MUST(write(go.w, "x", 1));
                  pid_t parent = -1;
                  MUST(read(told.r, &parent, sizeof parent));
                  EXPECT_EQ(parent, 1);
                  int status;
                  EXPECT_RET(wait(&status), 3);
                  EXPECT_EXITED(status, 9);
                })),
                0);
}

TEST(PidNs, SubreaperOutsideDoesNotAdopt) {
  NeedPidNamespaces();
  EXPECT_CHILD_OK([] {
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
    EXPECT_EXITED(st::WaitStatus(SpawnInit([] {
                    const pid_t child = MUST(fork());
                    if (child == 0) {
                      if (MUST(fork()) == 0) _exit(3);
                      _exit(0);
                    }
                    EXPECT_EXITED(st::WaitStatus(child), 0);
                    int status;
                    EXPECT_RET(wait(&status), 3);
                    EXPECT_EXITED(status, 3);
                  })),
                  0);
    EXPECT_ERR(wait(nullptr), ECHILD);
  });
}

TEST(PidNs, UnshareIsForChildren) {
  NeedPidNamespaces();
  EXPECT_CHILD_OK([] {
    const pid_t self = getpid();
    EXPECT_OK(unshare(CLONE_NEWPID));
    EXPECT_EQ(getpid(), self);
    // One step only, and no thread on the other side.
    EXPECT_ERR(unshare(CLONE_NEWPID), EINVAL);
    EXPECT_ERR(CloneWith(CLONE_NEWPID), EINVAL);
    EXPECT_ERR(syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, nullptr, nullptr, nullptr, nullptr), EINVAL);
    Pipe hold;
    const pid_t init = MUST(fork());
    if (init == 0) {
      EXPECT_EQ(getpid(), 1);
      hold.w.reset();
      char c;
      EXPECT_RET(read(hold.r, &c, 1), 0);
      st::ExitChild();
    }
    const pid_t second = MUST(fork());
    if (second == 0) {
      EXPECT_EQ(getpid(), 2);
      EXPECT_EQ(getppid(), 0);  // the parent is outside
      st::ExitChild();
    }
    EXPECT_EXITED(st::WaitStatus(second), 0);
    hold.w.reset();
    EXPECT_EXITED(st::WaitStatus(init), 0);
    // Nobody is born in a namespace whose init has left.
    EXPECT_ERR(fork(), ENOMEM);
  });
}

TEST(PidNs, InitWaitsForMembersOfOutsideParents) {
  NeedPidNamespaces();
  EXPECT_CHILD_OK([] {
    MUST(unshare(CLONE_NEWPID));
    Pipe go;
    const pid_t init = MUST(fork());
    if (init == 0) {
      go.w.reset();
      char c;
      (void)!read(go.r, &c, 1);
      _exit(4);
    }
    const pid_t other = MUST(fork());
    if (other == 0) {
      go.w.reset();
      while (true) pause();
    }
    go.w.reset();
    siginfo_t info = {};
    // The zombie of our child keeps init from being told of.
    EXPECT_OK(waitid(P_PID, static_cast<id_t>(other), &info, WEXITED | WNOWAIT));
    EXPECT_EQ(info.si_code, CLD_KILLED);
    info = {};
    EXPECT_OK(waitid(P_PID, static_cast<id_t>(init), &info, WEXITED | WNOHANG | WNOWAIT));
    EXPECT_EQ(info.si_pid, 0);
    EXPECT_SIGNALED(st::WaitStatus(other), SIGKILL);
    EXPECT_EXITED(st::WaitStatus(init), 4);
  });
}

TEST(PidNs, NestingHasALimit) {
  NeedPidNamespaces();
  auto* depth = st::SharedValue<int>();
  const pid_t first = SpawnInit([depth] {
    while (true) {
      *depth += 1;
      const pid_t child = CloneWith(CLONE_NEWPID);
      if (child == 0) continue;
      if (child < 0) EXPECT_EQ(errno, ENOSPC);
      if (child > 0) {
        EXPECT_EQ(child, 2);
        EXPECT_EXITED(st::WaitStatus(child), 0);
      }
      st::ExitChild();
    }
  });
  EXPECT_EXITED(st::WaitStatus(first), 0);
  // 32 below the first one of all; this may be one that is nested already.
  EXPECT_TRUE(*depth >= 16 && *depth <= 32);
}

TEST(PidNs, CredentialsOverSocketAreTranslated) {
  NeedPidNamespaces();
  st::SockPair pair(SOCK_DGRAM);
  const int on = 1;
  MUST(setsockopt(pair.a, SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  const pid_t child = SpawnInit([&] {
    MUST(send(pair.b, "x", 1, 0));
    const pid_t second = MUST(fork());
    if (second == 0) {
      MUST(send(pair.b, "y", 1, 0));
      st::ExitChild();
    }
    EXPECT_EXITED(st::WaitStatus(second), 0);
  });
  const pid_t inner = child;
  EXPECT_EXITED(st::WaitStatus(child), 0);
  // The senders are gone; their numbers here are known still.
  pid_t seen[2] = {};
  for (pid_t& pid : seen) {
    char data, control[CMSG_SPACE(sizeof(ucred))];
    iovec iov = {&data, 1};
    msghdr message = {};
    message.msg_iov = &iov, message.msg_iovlen = 1;
    message.msg_control = control, message.msg_controllen = sizeof control;
    MUST(recvmsg(pair.a, &message, 0));
    const cmsghdr* c = CMSG_FIRSTHDR(&message);
    ASSERT_TRUE(c != nullptr);
    ucred creds;
    memcpy(&creds, CMSG_DATA(c), sizeof creds);
    pid = creds.pid;
  }
  EXPECT_EQ(seen[0], inner);
  EXPECT_TRUE(seen[1] > 1 && seen[1] != inner);
}

TEST(PidNs, PeerOutsideIsZero) {
  NeedPidNamespaces();
  st::SockPair pair(SOCK_STREAM);
  EXPECT_EXITED(st::WaitStatus(SpawnInit([&] {
                  ucred creds = {};
                  socklen_t size = sizeof creds;
                  EXPECT_OK(getsockopt(pair.a, SOL_SOCKET, SO_PEERCRED, &creds, &size));
                  EXPECT_EQ(creds.pid, 0);
                })),
                0);
}

TEST(PidNs, FileOwnerAndLocksAreTranslated) {
  NeedPidNamespaces();
  const std::string path = st::Tmp("f");
  st::WriteFile(path, "x");
  Fd fd(MUST(open(path.c_str(), O_RDWR)));
  st::SockPair pair(SOCK_STREAM);
  MUST(fcntl(pair.a, F_SETOWN, getpid()));
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  MUST(fcntl(fd, F_SETLK, &lock));
  EXPECT_EXITED(st::WaitStatus(SpawnInit([&] {
                  EXPECT_RET(fcntl(pair.a, F_GETOWN), 0);
                  EXPECT_OK(fcntl(pair.a, F_SETOWN, 1));
                  EXPECT_RET(fcntl(pair.a, F_GETOWN), 1);
                  Fd mine(MUST(open(path.c_str(), O_RDWR)));
                  struct flock asked = {};
                  asked.l_type = F_WRLCK;
                  EXPECT_OK(fcntl(mine, F_GETLK, &asked));
                  EXPECT_EQ(asked.l_type, F_WRLCK);
                  EXPECT_EQ(asked.l_pid, 0);
                })),
                0);
}

std::string Line(const std::string& text, const std::string& name) {
  const size_t at = text.find("\n" + name + ":\t");
  if (at == std::string::npos) return "";
  const size_t from = at + name.size() + 3;
  return text.substr(from, text.find('\n', from) - from);
}

TEST(PidNs, ProcHasTheNumbersOfItsMount) {
  NeedPidNamespaces();
  const std::string dir = st::Tmp("proc");
  MUST(mkdir(dir.c_str(), 0755));
  const pid_t child = SpawnInit(
      [&] {
        if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) EXPECT_EQ(errno, EINVAL);
        if (mount("proc", dir.c_str(), "proc", 0, nullptr) != 0) _exit(77);
        char self[16] = {};
        EXPECT_RET(readlink((dir + "/self").c_str(), self, sizeof self), 1);
        EXPECT_EQ(std::string(self), "1");
        EXPECT_EQ(Line(st::ReadFile(dir + "/1/status"), "NSpid"), "1");
        // The old one does not see us by these numbers, but by its own.
        char outer[16] = {};
        MUST(readlink("/proc/self", outer, sizeof outer));
        EXPECT_NE(std::string(outer), "1");
        EXPECT_EQ(Line(st::ReadFile("/proc/self/status"), "NSpid"), std::string(outer) + "\t1");
        EXPECT_EQ(Line(st::ReadFile("/proc/self/status"), "NSpgid").substr(0, 2) != "0\t", true);
        EXPECT_FALSE(st::Exists(dir + "/" + outer));
        const pid_t second = MUST(fork());
        if (second == 0) {
          pause();
          _exit(0);
        }
        EXPECT_EQ(Line(st::ReadFile(dir + "/2/status"), "PPid"), "1");
        Fd pidfd(MUST(syscall(SYS_pidfd_open, 2, 0)));
        EXPECT_EQ(Line("\n" + st::ReadFile(dir + "/self/fdinfo/" + std::to_string(pidfd)), "Pid"), "2");
        MUST(kill(2, SIGKILL));
        st::WaitStatus(2);
        MUST(umount2(dir.c_str(), MNT_DETACH));
      },
      CLONE_NEWNS);
  const int status = st::WaitStatus(child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) SKIP("proc can't be mounted here");
  EXPECT_EXITED(status, 0);
}

TEST(PidNs, NeedsPrivilege) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    st::DropToNobody();
    EXPECT_ERR(CloneWith(CLONE_NEWPID), EPERM);
    EXPECT_ERR(unshare(CLONE_NEWPID), EPERM);
  });
  // Rules of the flags come before.
  EXPECT_ERR(CloneWith(CLONE_NEWPID | CLONE_VM | CLONE_SIGHAND | CLONE_THREAD), EINVAL);
}

TEST(PidNs, InitCannotHaveSiblings) {
  NeedPidNamespaces();
  EXPECT_EXITED(st::WaitStatus(SpawnInit([] { EXPECT_ERR(CloneWith(CLONE_PARENT), EINVAL); })), 0);
}

}  // namespace
