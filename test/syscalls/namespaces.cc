// UTS, IPC and mount namespaces, setns, and the files of /proc/PID/ns
// (man 7 namespaces, man 2 setns, ioctl_ns).
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "test/syscalls/harness/test.h"

TOUCHES("setns", "unshare", "clone", "uname", "sethostname", "setdomainname", "ioctl", "readlink")

namespace {

using st::Pipe;

#ifndef NS_GET_USERNS
#define NS_GET_USERNS 0xb701
#define NS_GET_PARENT 0xb702
#define NS_GET_NSTYPE 0xb703
#define NS_GET_OWNER_UID 0xb704
#endif

std::string Link(const std::string& path) {
  char text[64] = {};
  MUST(readlink(path.c_str(), text, sizeof text - 1));
  return text;
}
std::string Own(const char* name) { return Link(std::string("/proc/self/ns/") + name); }
Fd OpenNs(const std::string& who, const char* name) {
  return Fd(MUST(open(("/proc/" + who + "/ns/" + name).c_str(), O_RDONLY)));
}
std::string HostName() {
  utsname u;
  MUST(uname(&u));
  return u.nodename;
}

// A child that stands in new namespaces until the pipe closes.
struct Other {
  Pipe go, ready;
  pid_t pid;
  explicit Other(int flags) {
    pid = MUST(fork());
    if (pid == 0) {
      go.w.reset();
      const bool made = unshare(flags) == 0;
      if (made && (flags & CLONE_NEWUTS)) (void)!sethostname("other", 5);
      (void)!write(ready.w, made ? "y" : "n", 1);
      char c;
      (void)!read(go.r, &c, 1);
      _exit(0);
    }
    char c = 0;
    MUST(read(ready.r, &c, 1));
    made = c == 'y';
  }
  ~Other() {
    go.w.reset();
    st::WaitStatus(pid);
  }
  std::string Id() const { return std::to_string(pid); }
  bool made = false;
};

TEST(Namespaces, LinksSayWhichOne) {
  for (const char* name : {"uts", "ipc", "mnt", "pid", "user", "net", "cgroup"}) {
    const std::string text = Own(name);
    EXPECT_EQ(text.substr(0, strlen(name) + 2), std::string(name) + ":[");
    Fd fd = OpenNs("self", name);
    struct stat s;
    MUST(fstat(fd, &s));
    EXPECT_EQ(text, std::string(name) + ":[" + std::to_string(s.st_ino) + "]");
    EXPECT_EQ(s.st_mode, static_cast<mode_t>(S_IFREG | 0444));
    struct statfs f;
    MUST(fstatfs(fd, &f));
    EXPECT_EQ(f.f_type, 0x6e736673);
    EXPECT_EQ(Link("/proc/self/fd/" + std::to_string(fd)), text);
    char c;
    EXPECT_ERR(read(fd, &c, 1), EINVAL);
  }
  EXPECT_EQ(Own("pid"), Link("/proc/self/ns/pid_for_children"));
  EXPECT_ERR(open("/proc/self/ns/uts", O_WRONLY), EPERM);
}

TEST(Namespaces, TypesByIoctl) {
  const std::pair<const char*, int> kinds[] = {
      {"uts", CLONE_NEWUTS}, {"ipc", CLONE_NEWIPC},   {"mnt", CLONE_NEWNS},       {"pid", CLONE_NEWPID},
      {"net", CLONE_NEWNET}, {"user", CLONE_NEWUSER}, {"cgroup", CLONE_NEWCGROUP}};
  for (const auto& [name, flag] : kinds) {
    Fd fd = OpenNs("self", name);
    EXPECT_RET(ioctl(fd, NS_GET_NSTYPE), flag);
    EXPECT_ERR(ioctl(fd, 0xb7ff), ENOTTY);
    uid_t owner;
    if (flag != CLONE_NEWUSER) EXPECT_ERR(ioctl(fd, NS_GET_OWNER_UID, &owner), EINVAL);
    if (flag != CLONE_NEWUSER && flag != CLONE_NEWPID) EXPECT_ERR(ioctl(fd, NS_GET_PARENT), EINVAL);
  }
  // Above the own one nothing is told of.
  EXPECT_ERR(ioctl(OpenNs("self", "user"), NS_GET_PARENT), EPERM);
  EXPECT_ERR(ioctl(OpenNs("self", "user"), NS_GET_USERNS), EPERM);
  EXPECT_ERR(ioctl(OpenNs("self", "pid"), NS_GET_PARENT), EPERM);
}

TEST(Namespaces, OwnerIsAUserNamespace) {
  Fd uts = OpenNs("self", "uts");
  const int got = ioctl(uts, NS_GET_USERNS);
  // In a container the first one's owner may be out of sight.
  if (got < 0) {
    EXPECT_EQ(errno, EPERM);
    return;
  }
  Fd user(got);
  EXPECT_EQ(fcntl(user, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(Link("/proc/self/fd/" + std::to_string(user)), Own("user"));
}

TEST(Uts, UnshareParts) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    const std::string before = HostName(), link = Own("uts");
    MUST(unshare(CLONE_NEWUTS));
    EXPECT_NE(Own("uts"), link);
    EXPECT_EQ(HostName(), before);
    EXPECT_OK(sethostname("inner", 5));
    EXPECT_OK(setdomainname("dom", 3));
    EXPECT_EQ(HostName(), "inner");
    EXPECT_EQ(st::ReadFile("/proc/sys/kernel/hostname"), "inner\n");
    EXPECT_CHILD_OK([] { EXPECT_EQ(HostName(), "inner"); });
  });
  EXPECT_NE(HostName(), "inner");
}

TEST(Uts, SetnsByFile) {
  st::NeedRoot();
  Other other(CLONE_NEWUTS);
  ASSERT_TRUE(other.made);
  EXPECT_CHILD_OK([&] {
    const std::string before = HostName();
    Fd there = OpenNs(other.Id(), "uts"), here = OpenNs("self", "uts");
    EXPECT_ERR(setns(there, CLONE_NEWIPC), EINVAL);
    EXPECT_OK(setns(there, CLONE_NEWUTS));
    EXPECT_EQ(HostName(), "other");
    EXPECT_EQ(Own("uts"), Link("/proc/" + other.Id() + "/ns/uts"));
    EXPECT_OK(setns(here, 0));
    EXPECT_EQ(HostName(), before);
  });
}

TEST(Uts, NamespaceOutlivesItsProcesses) {
  st::NeedRoot();
  Fd there;
  {
    Other other(CLONE_NEWUTS);
    ASSERT_TRUE(other.made);
    there = OpenNs(other.Id(), "uts");
  }
  EXPECT_CHILD_OK([&] {
    EXPECT_OK(setns(there, 0));
    EXPECT_EQ(HostName(), "other");
  });
}

TEST(Setns, ByPidfd) {
  st::NeedRoot();
  Other other(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS);
  ASSERT_TRUE(other.made);
  EXPECT_CHILD_OK([&] {
    Fd pidfd(MUST(syscall(SYS_pidfd_open, other.pid, 0)));
    EXPECT_ERR(setns(pidfd, 0), EINVAL);
    EXPECT_ERR(setns(pidfd, CLONE_NEWUTS | CLONE_FILES), EINVAL);
    EXPECT_OK(setns(pidfd, CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS));
    EXPECT_EQ(HostName(), "other");
    for (const char* name : {"uts", "ipc", "mnt"}) EXPECT_EQ(Own(name), Link("/proc/" + other.Id() + "/ns/" + name));
  });
}

TEST(Setns, Errors) {
  EXPECT_ERR(setns(st::BadFd(), 0), EBADF);
  EXPECT_ERR(setns(st::BadFd(), 0x7), EBADF);
  Fd file(MUST(open(st::Tmp().c_str(), O_RDONLY)));
  EXPECT_ERR(setns(file, 0), EINVAL);
  Fd path(MUST(open("/proc/self/ns/uts", O_PATH)));
  EXPECT_ERR(setns(path, 0), EBADF);
  // One's own user namespace is no way to get capabilities back.
  EXPECT_ERR(setns(OpenNs("self", "user"), 0), EINVAL);
}

TEST(Setns, NeedsPrivilege) {
  st::NeedRoot();
  Fd uts = OpenNs("self", "uts"), mnt = OpenNs("self", "mnt"), pid = OpenNs("self", "pid");
  EXPECT_CHILD_OK([&] {
    st::DropToNobody();
    EXPECT_ERR(setns(uts, 0), EPERM);
    EXPECT_ERR(setns(mnt, 0), EPERM);
    EXPECT_ERR(setns(pid, 0), EPERM);
    EXPECT_ERR(unshare(CLONE_NEWUTS), EPERM);
    EXPECT_ERR(unshare(CLONE_NEWIPC), EPERM);
    EXPECT_ERR(unshare(CLONE_NEWNS), EPERM);
  });
}

TEST(Setns, ProcessGoneIsEsrch) {
  st::NeedRoot();
  const pid_t child = st::Spawn([] {});
  Fd pidfd(MUST(syscall(SYS_pidfd_open, child, 0)));
  st::WaitStatus(child);
  EXPECT_CHILD_OK([&] { EXPECT_ERR(setns(pidfd, CLONE_NEWUTS), ESRCH); });
}

TEST(Setns, MountsNeedAnFsOfOnesOwn) {
  st::NeedRoot();
  Other other(CLONE_NEWNS);
  ASSERT_TRUE(other.made);
  EXPECT_CHILD_OK([&] {
    Fd mnt = OpenNs(other.Id(), "mnt");
    const pid_t sharer =
        static_cast<pid_t>(MUST(syscall(SYS_clone, CLONE_FS | SIGCHLD, nullptr, nullptr, nullptr, nullptr)));
    if (sharer == 0) {
      pause();
      _exit(0);
    }
    EXPECT_ERR(setns(mnt, 0), EINVAL);
    MUST(kill(sharer, SIGKILL));
    st::WaitStatus(sharer);
    MUST(chdir("/tmp"));
    EXPECT_OK(setns(mnt, CLONE_NEWNS));
    char cwd[64];
    MUST(getcwd(cwd, sizeof cwd));
    EXPECT_EQ(std::string(cwd), "/");
  });
}

TEST(Setns, PidIsForChildrenAndOnlyDownwards) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    Pipe go;
    const pid_t init =
        static_cast<pid_t>(MUST(syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, nullptr, nullptr, nullptr, nullptr)));
    if (init == 0) {
      go.w.reset();
      Fd up(open("/proc/self/ns/pid", O_RDONLY));
      char c;
      (void)!read(go.r, &c, 1);
      _exit(0);
    }
    Fd below = OpenNs(std::to_string(init), "pid");
    Fd parent(MUST(ioctl(below, NS_GET_PARENT)));
    EXPECT_EQ(Link("/proc/self/fd/" + std::to_string(parent)), Own("pid"));
    EXPECT_OK(setns(below, CLONE_NEWPID));
    EXPECT_NE(Link("/proc/self/ns/pid_for_children"), Own("pid"));
    Fd own = OpenNs("self", "pid");
    const pid_t child = MUST(fork());
    if (child == 0) {
      go.w.reset();
      EXPECT_EQ(getpid(), 2);
      EXPECT_EQ(getppid(), 0);
      EXPECT_ERR(setns(own, CLONE_NEWPID), EINVAL);  // upwards
      st::ExitChild();
    }
    EXPECT_EXITED(st::WaitStatus(child), 0);
    EXPECT_OK(setns(own, 0));
    EXPECT_EQ(Link("/proc/self/ns/pid_for_children"), Own("pid"));
    go.w.reset();
    EXPECT_EXITED(st::WaitStatus(init), 0);
  });
}

TEST(Setns, ChildrensLinkComesWithInit) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    MUST(unshare(CLONE_NEWPID));
    char text[64];
    EXPECT_ERR(readlink("/proc/self/ns/pid_for_children", text, sizeof text), ENOENT);
    EXPECT_ERR(open("/proc/self/ns/pid_for_children", O_RDONLY), ENOENT);
  });
}

TEST(Namespaces, FlagRules) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    EXPECT_ERR(syscall(SYS_clone, CLONE_NEWIPC | CLONE_SYSVSEM | SIGCHLD, nullptr, nullptr, nullptr, nullptr), EINVAL);
    EXPECT_ERR(syscall(SYS_clone, CLONE_NEWNS | CLONE_FS | SIGCHLD, nullptr, nullptr, nullptr, nullptr), EINVAL);
    EXPECT_ERR(unshare(0x00000001), EINVAL);
    EXPECT_ERR(unshare(CLONE_NEWUTS | CLONE_PARENT), EINVAL);
    EXPECT_OK(unshare(CLONE_NEWIPC | CLONE_SYSVSEM));
  });
}

TEST(Namespaces, CloneMakesThemForTheChild) {
  st::NeedRoot();
  const std::string uts = Own("uts"), ipc = Own("ipc"), mnt = Own("mnt");
  const pid_t child = static_cast<pid_t>(MUST(
      syscall(SYS_clone, CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS | SIGCHLD, nullptr, nullptr, nullptr, nullptr)));
  if (child == 0) {
    EXPECT_NE(Own("uts"), uts);
    EXPECT_NE(Own("ipc"), ipc);
    EXPECT_NE(Own("mnt"), mnt);
    st::ExitChild();
  }
  EXPECT_EXITED(st::WaitStatus(child), 0);
  EXPECT_EQ(Own("uts"), uts);
}

}  // namespace
