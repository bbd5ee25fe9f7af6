// User namespaces: maps, who may write them, and whose capabilities count for
// what (man 7 user_namespaces).
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/xattr.h>

#include "test/syscalls/harness/test.h"

TOUCHES("unshare", "clone", "setns", "getuid", "setuid", "setgroups", "capget", "stat", "chown", "mount")

namespace {

using st::Pipe;

#ifndef NS_GET_USERNS
#define NS_GET_USERNS 0xb701
#define NS_GET_PARENT 0xb702
#define NS_GET_OWNER_UID 0xb704
#endif

void NeedUserNamespaces() {
  const pid_t child =
      static_cast<pid_t>(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (child == 0) _exit(0);
  if (child < 0) SKIP("no user namespaces here");
  st::WaitStatus(child);
}

long WriteTo(const std::string& path, const std::string& text) {
  Fd fd(open(path.c_str(), O_WRONLY));
  if (fd < 0) return -1;
  return write(fd, text.data(), text.size());
}
long WriteOwn(const char* name, const std::string& text) { return WriteTo(std::string("/proc/self/") + name, text); }

uint64_t Permitted() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  MUST(syscall(SYS_capget, &header, data));
  return data[0].permitted | uint64_t{data[1].permitted} << 32;
}

// In a child that is an ordinary user: runs `fn` there.
template <class F>
void AsUser(F fn) {
  EXPECT_CHILD_OK([&] {
    if (getuid() == 0) {
      MUST(setgroups(0, nullptr));
      MUST(syscall(SYS_setresgid, 1000, 1000, 1000));
      MUST(syscall(SYS_setresuid, 1000, 1000, 1000));
      MUST(prctl(PR_SET_DUMPABLE, 1));
    }
    fn();
  });
}

std::string Map(unsigned a, unsigned b, unsigned c) {
  char text[64];
  snprintf(text, sizeof text, "%10u %10u %10u\n", a, b, c);
  return text;
}

TEST(UserNs, UnmappedIsOverflowAndAllCapabilities) {
  NeedUserNamespaces();
  AsUser([] {
    MUST(unshare(CLONE_NEWUSER));
    EXPECT_EQ(getuid(), 65534u);
    EXPECT_EQ(getegid(), 65534u);
    EXPECT_NE(Permitted(), 0u);
    EXPECT_EQ(st::ReadFile("/proc/self/uid_map"), "");
    EXPECT_EQ(st::ReadFile("/proc/self/setgroups"), "allow\n");
    EXPECT_ERR(setuid(0), EINVAL);
    EXPECT_ERR(setgroups(0, nullptr), EPERM);
    EXPECT_EQ(st::StatOf("/").st_uid, 65534u);
  });
}

TEST(UserNs, OneselfByOneself) {
  NeedUserNamespaces();
  AsUser([] {
    const unsigned uid = getuid(), gid = getgid();
    MUST(unshare(CLONE_NEWUSER));
    EXPECT_ERR(WriteOwn("uid_map", "0 0 1"), EPERM);
    EXPECT_ERR(WriteOwn("uid_map", "0 " + std::to_string(uid) + " 2"), EPERM);
    EXPECT_OK(WriteOwn("uid_map", "0 " + std::to_string(uid) + " 1"));
    EXPECT_ERR(WriteOwn("uid_map", "0 " + std::to_string(uid) + " 1"), EPERM);  // once only
    EXPECT_EQ(getuid(), 0u);
    EXPECT_EQ(st::ReadFile("/proc/self/uid_map"), Map(0, uid, 1));
    // Groups must be given up first.
    EXPECT_ERR(WriteOwn("gid_map", "0 " + std::to_string(gid) + " 1"), EPERM);
    EXPECT_OK(WriteOwn("setgroups", "deny"));
    EXPECT_ERR(WriteOwn("setgroups", "allow"), EPERM);
    EXPECT_OK(WriteOwn("gid_map", "0 " + std::to_string(gid) + " 1"));
    EXPECT_EQ(getgid(), 0u);
    EXPECT_ERR(setgroups(0, nullptr), EPERM);
    EXPECT_EQ(st::ReadFile("/proc/self/setgroups"), "deny\n");
    EXPECT_ERR(setuid(1), EINVAL);
    EXPECT_OK(setuid(0));
  });
}

TEST(UserNs, MapSyntax) {
  NeedUserNamespaces();
  AsUser([] {
    const std::string uid = std::to_string(getuid());
    MUST(unshare(CLONE_NEWUSER));
    for (const std::string& bad :
         {std::string("0 " + uid), std::string("0 " + uid + " 0"), std::string("0 " + uid + " 1 x"),
          std::string("x " + uid + " 1"), std::string("0 " + uid + " 1\n\n0 5 1"),
          std::string("0 " + uid + " 4294967295"), std::string("4294967295 " + uid + " 1"), std::string("0 1 1\n0 2 1"),
          std::string("0 1 2\n5 2 1"), std::string("-1 1 1"), std::string("\n")}) {
      EXPECT_ERR(WriteOwn("uid_map", bad), EINVAL);
    }
    EXPECT_ERR(WriteOwn("uid_map", std::string(4096, ' ')), EINVAL);
    EXPECT_ERR(WriteOwn("setgroups", "maybe"), EINVAL);
    EXPECT_ERR(WriteOwn("setgroups", "deny   xx"), EINVAL);
    EXPECT_OK(WriteOwn("uid_map", "  0\t" + uid + " 1  \n"));
  });
}

// A child in a new user namespace, mapped by its parent, which is root.
struct Mapped {
  Pipe go, done;
  pid_t pid = 0;
};
template <class F>
int RunMapped(const std::string& uid_map, const std::string& gid_map, F fn, int flags = 0) {
  Pipe go;
  const pid_t child =
      static_cast<pid_t>(MUST(syscall(SYS_clone, CLONE_NEWUSER | flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr)));
  if (child == 0) {
    char c;
    MUST(read(go.r, &c, 1));
    fn();
    st::ExitChild();
  }
  const std::string proc = "/proc/" + std::to_string(child);
  EXPECT_OK(WriteTo(proc + "/uid_map", uid_map));
  EXPECT_OK(WriteTo(proc + "/gid_map", gid_map));
  MUST(write(go.w, "x", 1));
  return st::WaitStatus(child);
}

TEST(UserNs, RootMapsRanges) {
  st::NeedRoot();
  NeedUserNamespaces();
  EXPECT_EXITED(RunMapped("0 100000 1000\n5000 200000 10", "0 100000 1000",
                          [] {
                            EXPECT_EQ(getuid(), 65534u);  // 0 outside has no name inside
                            EXPECT_OK(setgroups(0, nullptr));
                            EXPECT_OK(setgid(7));
                            EXPECT_OK(setuid(5009));
                            EXPECT_EQ(getuid(), 5009u);
                            EXPECT_ERR(setuid(1000), EINVAL);
                            EXPECT_EQ(st::ReadFile("/proc/self/uid_map"), Map(0, 100000, 1000) + Map(5000, 200000, 10));
                          }),
                0);
}

TEST(UserNs, FilesShowMappedIds) {
  st::NeedRoot();
  NeedUserNamespaces();
  MUST(chmod(st::Tmp().c_str(), 0777));
  const std::string mine = st::Tmp("mine"), foreign = st::Tmp("foreign");
  st::WriteFile(mine, "x");
  st::WriteFile(foreign, "x", 0600);
  MUST(chown(mine.c_str(), 100005, 100006));
  MUST(chown(foreign.c_str(), 5, 5));
  EXPECT_EXITED(RunMapped("0 100000 1000", "0 100000 1000",
                          [&] {
                            MUST(setgid(0));
                            MUST(setuid(0));
                            EXPECT_EQ(st::StatOf(mine).st_uid, 5u);
                            EXPECT_EQ(st::StatOf(mine).st_gid, 6u);
                            EXPECT_EQ(st::StatOf(foreign).st_uid, 65534u);
                            // All capabilities, but not over files of who is unknown here.
                            EXPECT_OK(chown(mine.c_str(), 9, 9));
                            EXPECT_ERR(chown(mine.c_str(), 1000, 0), EINVAL);
                            EXPECT_ERR(chown(foreign.c_str(), 0, 0), EPERM);
                            EXPECT_ERR(chmod(foreign.c_str(), 0777), EPERM);
                            EXPECT_ERR(open(foreign.c_str(), O_RDONLY), EACCES);
                            st::WriteFile(st::Tmp("new"), "y");
                            EXPECT_EQ(st::StatOf(st::Tmp("new")).st_uid, 0u);
                          }),
                0);
  EXPECT_EQ(st::StatOf(mine).st_uid, 100009u);
  EXPECT_EQ(st::StatOf(st::Tmp("new")).st_uid, 100000u);
}

TEST(UserNs, CapabilitiesCountForWhatItOwns) {
  NeedUserNamespaces();
  MUST(chmod(st::Tmp().c_str(), 0777));
  AsUser([] {
    MUST(unshare(CLONE_NEWUSER));
    // The old UTS namespace is another's.
    EXPECT_ERR(sethostname("x", 1), EPERM);
    EXPECT_ERR(mount("none", "/", nullptr, MS_PRIVATE, nullptr), EPERM);
    EXPECT_OK(unshare(CLONE_NEWUTS));
    EXPECT_OK(sethostname("inner", 5));
    rlimit limit = {10, 10};
    MUST(setrlimit(RLIMIT_NPROC, &limit));
    limit.rlim_max = 20;
    EXPECT_ERR(setrlimit(RLIMIT_NPROC, &limit), EPERM);  // asks for the first namespace's
    EXPECT_ERR(setpriority(PRIO_PROCESS, 0, -10), EACCES);
    EXPECT_ERR(mknod(st::Tmp("dev").c_str(), S_IFCHR | 0600, 0x103), EPERM);
  });
}

TEST(UserNs, TogetherWithOthers) {
  NeedUserNamespaces();
  AsUser([] {
    EXPECT_ERR(unshare(CLONE_NEWUTS), EPERM);
    EXPECT_OK(unshare(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS));
    EXPECT_OK(sethostname("both", 4));
    // Owned by the new one.
    Fd uts(MUST(open("/proc/self/ns/uts", O_RDONLY)));
    Fd owner(MUST(ioctl(uts, NS_GET_USERNS)));
    struct stat a, b;
    MUST(fstat(owner, &a));
    MUST(stat("/proc/self/ns/user", &b));
    EXPECT_EQ(a.st_ino, b.st_ino);
    EXPECT_OK(unshare(CLONE_NEWPID));
  });
}

TEST(UserNs, MountsInOnesOwn) {
  NeedUserNamespaces();
  const std::string dir = st::Tmp("m");
  MUST(mkdir(dir.c_str(), 0777));
  AsUser([&] {
    const std::string uid = std::to_string(getuid()), gid = std::to_string(getgid());
    MUST(unshare(CLONE_NEWUSER | CLONE_NEWNS));
    MUST(WriteOwn("uid_map", "0 " + uid + " 1"));
    EXPECT_OK(mount("none", dir.c_str(), "tmpfs", 0, nullptr));
    EXPECT_EQ(st::StatOf(dir).st_uid, 0u);
    // Whose group has no name there has no files there.
    EXPECT_ERR(mkdir((dir + "/d").c_str(), 0700), EOVERFLOW);
    MUST(WriteOwn("setgroups", "deny"));
    MUST(WriteOwn("gid_map", "0 " + gid + " 1"));
    EXPECT_OK(mkdir((dir + "/d").c_str(), 0700));
    EXPECT_ERR(mknod((dir + "/dev").c_str(), S_IFCHR | 0600, 0x103), EPERM);
    EXPECT_OK(umount2(dir.c_str(), 0));
    // What was mounted before can't be taken away.
    EXPECT_ERR(umount2("/proc", MNT_DETACH), EINVAL);
    EXPECT_OK(chroot("/"));
  });
}

TEST(UserNs, FlagsAndThreads) {
  NeedUserNamespaces();
  EXPECT_ERR(syscall(SYS_clone, CLONE_NEWUSER | CLONE_FS | SIGCHLD, nullptr, nullptr, nullptr, nullptr), EINVAL);
  EXPECT_ERR(
      syscall(SYS_clone, CLONE_NEWUSER | CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, nullptr, nullptr, nullptr, nullptr),
      EINVAL);
  EXPECT_CHILD_OK([] {
    Pipe go;
    st::Thread t([&] {
      char c;
      (void)!read(go.r, &c, 1);
    });
    EXPECT_ERR(unshare(CLONE_NEWUSER), EINVAL);
    MUST(write(go.w, "x", 1));
  });
}

TEST(UserNs, NestingHasALimit) {
  NeedUserNamespaces();
  AsUser([] {
    const std::string uid = std::to_string(getuid()), gid = std::to_string(getgid());
    MUST(unshare(CLONE_NEWUSER));
    MUST(WriteOwn("uid_map", uid + " " + uid + " 1"));
    MUST(WriteOwn("setgroups", "deny"));
    MUST(WriteOwn("gid_map", gid + " " + gid + " 1"));
    int depth = 1;
    while (depth < 40 && unshare(CLONE_NEWUSER) == 0) {
      ++depth;
      MUST(WriteOwn("uid_map", uid + " " + uid + " 1"));
      MUST(WriteOwn("gid_map", gid + " " + gid + " 1"));
    }
    EXPECT_EQ(errno, ENOSPC);
    EXPECT_TRUE(depth >= 20 && depth <= 33);
  });
}

TEST(UserNs, CreatorNeedsNames) {
  NeedUserNamespaces();
  AsUser([] {
    MUST(unshare(CLONE_NEWUSER));
    EXPECT_ERR(unshare(CLONE_NEWUSER), EPERM);  // its ids have none yet
  });
}

TEST(UserNs, NotFromAChroot) {
  st::NeedRoot();
  NeedUserNamespaces();
  EXPECT_CHILD_OK([] {
    MUST(chroot(st::Tmp().c_str()));
    EXPECT_ERR(unshare(CLONE_NEWUSER), EPERM);
  });
}

TEST(UserNs, EnterAndOwner) {
  NeedUserNamespaces();
  AsUser([] {
    const unsigned uid = getuid();
    Pipe go, ready;
    const pid_t inner = MUST(fork());
    if (inner == 0) {
      go.w.reset();
      MUST(unshare(CLONE_NEWUSER | CLONE_NEWUTS));
      MUST(write(ready.w, "x", 1));
      char c;
      (void)!read(go.r, &c, 1);
      _exit(0);
    }
    char c;
    MUST(read(ready.r, &c, 1));
    const std::string proc = "/proc/" + std::to_string(inner);
    Fd user(MUST(open((proc + "/ns/user").c_str(), O_RDONLY)));
    uid_t owner = 0;
    EXPECT_OK(ioctl(user, NS_GET_OWNER_UID, &owner));
    EXPECT_EQ(owner, uid);
    Fd parent(MUST(ioctl(user, NS_GET_PARENT)));
    // Who made it has all capabilities in it, and may map it.
    EXPECT_OK(WriteTo(proc + "/uid_map", "0 " + std::to_string(uid) + " 1"));
    EXPECT_EQ(st::ReadFile(proc + "/uid_map"), Map(0, uid, 1));
    EXPECT_ERR(setns(Fd(MUST(open((proc + "/ns/uts").c_str(), O_RDONLY))), 0), EPERM);
    Fd pidfd(MUST(syscall(SYS_pidfd_open, inner, 0)));
    EXPECT_OK(setns(pidfd, CLONE_NEWUSER | CLONE_NEWUTS));
    EXPECT_EQ(getuid(), 0u);
    EXPECT_NE(Permitted(), 0u);
    EXPECT_OK(sethostname("there", 5));
    EXPECT_ERR(setns(parent, 0), EPERM);  // no way back
    go.w.reset();
    st::WaitStatus(inner);
  });
}

TEST(UserNs, ExecLosesWhatHasNoRoot) {
  NeedUserNamespaces();
  // A copy, since ours may lie where only root gets.
  const std::string exe = st::Tmp("exe");
  st::WriteFile(exe, st::ReadFile(st::SelfExe()), 0755);
  AsUser([&] {
    MUST(unshare(CLONE_NEWUSER));
    EXPECT_CHILD_OK([&] {
      char name[] = "st-helper:has_caps";
      char* argv[] = {name, nullptr};
      execv(exe.c_str(), argv);
      _exit(99);
    });
  });
}
HELPER(has_caps) { return Permitted() == 0 ? 0 : 1; }

TEST(UserNs, CredentialsAreTranslated) {
  NeedUserNamespaces();
  st::SockPair pair(SOCK_STREAM);
  const uid_t self = getuid();
  AsUser([&] {
    const std::string uid = std::to_string(getuid());
    MUST(unshare(CLONE_NEWUSER));
    MUST(WriteOwn("uid_map", "0 " + uid + " 1"));
    ucred creds = {};
    socklen_t size = sizeof creds;
    EXPECT_OK(getsockopt(pair.a, SOL_SOCKET, SO_PEERCRED, &creds, &size));
    EXPECT_EQ(creds.uid, self == 0 ? 65534u : 0u);
  });
}

uid_t g_uid;
void NoteUid(int, siginfo_t* info, void*) { g_uid = info->si_uid; }

TEST(UserNs, SignalsTellTheReceiversIds) {
  st::NeedRoot();
  NeedUserNamespaces();
  st::OnSignalInfo(SIGUSR1, NoteUid);
  g_uid = 1;
  const pid_t parent = getpid();
  EXPECT_EXITED(RunMapped("0 0 1", "0 0 1", [&] { EXPECT_OK(kill(parent, SIGUSR1)); }), 0);
  EXPECT_TRUE(st::WaitUntil([] { return g_uid == 0; }));
  st::BlockSignal(SIGCHLD);
}

TEST(UserNs, FileCapabilitiesOfANamespace) {
  st::NeedRoot();
  NeedUserNamespaces();
  MUST(chmod(st::Tmp().c_str(), 0777));
  const std::string path = st::Tmp("f");
  st::WriteFile(path, "x");
  MUST(chown(path.c_str(), 100000, 100000));
  const uint32_t v2[5] = {0x02000000, 1, 0, 0, 0};
  uint32_t got[6] = {};
  if (setxattr(path.c_str(), "security.capability", v2, sizeof v2, 0) != 0) SKIP("no file capabilities here");
  EXPECT_EXITED(RunMapped("0 100000 1000", "0 100000 1000",
                          [&] {
                            MUST(setgid(0));
                            MUST(setuid(0));
                            EXPECT_OK(setxattr(path.c_str(), "security.capability", v2, sizeof v2, 0));
                            uint32_t seen[6] = {};
                            EXPECT_RET(getxattr(path.c_str(), "security.capability", seen, sizeof seen), 20);
                          }),
                0);
  EXPECT_RET(getxattr(path.c_str(), "security.capability", got, sizeof got), 24);
  EXPECT_EQ(got[0], 0x03000000u);
  EXPECT_EQ(got[5], 100000u);
}

TEST(UserNs, SysctlLimits) {
  st::NeedRoot();
  NeedUserNamespaces();
  EXPECT_TRUE(atoi(st::ReadFile("/proc/sys/user/max_user_namespaces").c_str()) > 0);
  EXPECT_TRUE(st::Exists("/proc/sys/user/max_uts_namespaces"));
  // Each user namespace has limits of its own, for what is below it.
  EXPECT_EXITED(RunMapped("0 0 1", "0 0 1",
                          [] {
                            if (WriteTo("/proc/sys/user/max_uts_namespaces", "0\n") < 0)
                              _exit(0);  // a read-only /proc/sys
                            EXPECT_ERR(unshare(CLONE_NEWUTS), ENOSPC);
                            EXPECT_ERR(WriteTo("/proc/sys/user/max_uts_namespaces", "-1\n"), EINVAL);
                          }),
                0);
}

}  // namespace
