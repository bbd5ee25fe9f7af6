// Cgroup namespaces (man 7 cgroup_namespaces): what is taken for the root of the hierarchy.
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#include <algorithm>

#include "test/syscalls/harness/cgroup.h"

TOUCHES("unshare", "setns", "clone", "readlink", "mount")

namespace {

using st::Group;
using st::Pipe;
using st::ReadFile;

std::string Link(const std::string& who) {
  char text[64] = {};
  MUST(readlink(("/proc/" + who + "/ns/cgroup").c_str(), text, sizeof text - 1));
  return text;
}
Fd OpenNs(pid_t pid) { return Fd(MUST(open(("/proc/" + std::to_string(pid) + "/ns/cgroup").c_str(), O_RDONLY))); }

// In the hierarchy of version 2, as the caller sees it.
std::string PathOf(const std::string& who) {
  const std::string text = "\n" + ReadFile("/proc/" + who + "/cgroup");
  const size_t at = text.find("\n0::");
  return at == std::string::npos ? "" : text.substr(at + 4, text.find('\n', at + 1) - at - 4);
}

// A child that stands in a cgroup namespace of its own until the pipe closes; `first` runs before.
struct Other {
  Pipe go, ready;
  pid_t pid;
  template <class F>
  explicit Other(F first) {
    pid = st::Spawn([&] {
      go.w.reset();
      first();
      MUST(unshare(CLONE_NEWCGROUP));
      MUST(write(ready.w, "y", 1));
      char c;
      (void)!read(go.r, &c, 1);
    });
    ready.w.reset();
    char c = 0;
    EXPECT_RET(read(ready.r, &c, 1), 1);
  }
  ~Other() {
    go.w.reset();
    EXPECT_EXITED(st::WaitStatus(pid), 0);
  }
  std::string Id() const { return std::to_string(pid); }
};

void Join(const Group& group) { MUST(st::WriteCall(group / "cgroup.procs", "0")); }

TEST(CgroupNs, TheOwnGroupBecomesTheRoot) {
  Group g;
  const std::string before = Link("self");
  EXPECT_CHILD_OK([&] {
    Join(g);
    EXPECT_EQ(Link("self"), before);
    EXPECT_NE(PathOf("self"), "/");
    EXPECT_OK(unshare(CLONE_NEWCGROUP));
    const std::string inside = Link("self");
    EXPECT_NE(inside, before);
    EXPECT_EQ(PathOf("self"), "/");
    EXPECT_CHILD_OK([&] {
      EXPECT_EQ(Link("self"), inside);
      EXPECT_EQ(PathOf("self"), "/");
    });
    EXPECT_OK(unshare(CLONE_NEWCGROUP));
    EXPECT_NE(Link("self"), inside);
  });
  EXPECT_EQ(Link("self"), before);
}

TEST(CgroupNs, PathsAreTheReaders) {
  Group g, beside("-b");
  const std::string name = g.path().substr(g.path().rfind('/'));
  MUST(mkdir((g / "below").c_str(), 0755));
  Other other([&] { Join(g); }), neighbour([&] { Join(beside); });
  const std::string seen = PathOf(other.Id());
  EXPECT_EQ(seen.substr(seen.size() - std::min(name.size(), seen.size())), name);
  EXPECT_CHILD_OK([&] {
    Fd ns = OpenNs(other.pid);
    EXPECT_OK(setns(ns, CLONE_NEWCGROUP));
    EXPECT_EQ(PathOf(other.Id()), "/");
    EXPECT_EQ(PathOf(neighbour.Id()), "/.." + name + "-b");
    MUST(st::WriteCall(g / "below/cgroup.procs", "0"));
    EXPECT_EQ(PathOf("self"), "/below");
    EXPECT_OK(unshare(CLONE_NEWCGROUP));
    EXPECT_EQ(PathOf("self"), "/");
    EXPECT_EQ(PathOf(other.Id()), "/..");
    EXPECT_EQ(PathOf(neighbour.Id()), "/../.." + name + "-b");
  });
  EXPECT_OK(rmdir((g / "below").c_str()));
}

TEST(CgroupNs, AMountShowsFromTheRootOfItsMaker) {
  Group g;
  MUST(mkdir((g / "below").c_str(), 0755));
  const std::string dir = st::Tmp("c");
  MUST(mkdir(dir.c_str(), 0700));
  EXPECT_CHILD_OK([&] {
    Join(g);
    MUST(unshare(CLONE_NEWCGROUP | CLONE_NEWNS));
    MUST(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
    EXPECT_OK(mount("cgroup", dir.c_str(), "cgroup2", 0, nullptr));
    EXPECT_TRUE(st::Exists(dir + "/below/cgroup.procs"));
    EXPECT_TRUE(st::Contains("\n" + ReadFile(dir + "/cgroup.procs"), "\n" + std::to_string(getpid()) + "\n"));
    EXPECT_FALSE(st::Exists(dir + g.path().substr(g.path().rfind('/'))));
  });
  EXPECT_OK(rmdir((g / "below").c_str()));
}

TEST(CgroupNs, SetnsByFileAndByProcess) {
  st::NeedRoot();
  Other other([] {});
  const std::string there = Link(other.Id());
  EXPECT_NE(there, Link("self"));
  EXPECT_CHILD_OK([&] {
    Fd back = OpenNs(getpid());
    const std::string before = Link("self");
    Fd ns = OpenNs(other.pid);
    EXPECT_ERR(setns(ns, CLONE_NEWUTS), EINVAL);
    EXPECT_OK(setns(ns, 0));
    EXPECT_EQ(Link("self"), there);
    EXPECT_OK(setns(back, CLONE_NEWCGROUP));
    EXPECT_EQ(Link("self"), before);
    Fd pidfd(MUST(syscall(SYS_pidfd_open, other.pid, 0)));
    EXPECT_OK(setns(pidfd, CLONE_NEWCGROUP | CLONE_NEWUTS));
    EXPECT_EQ(Link("self"), there);
  });
}

TEST(CgroupNs, ByClone) {
  Group g;
  EXPECT_CHILD_OK([&] {
    Join(g);
    const std::string before = Link("self");
    const pid_t pid =
        static_cast<pid_t>(MUST(syscall(SYS_clone, CLONE_NEWCGROUP | SIGCHLD, nullptr, nullptr, nullptr, nullptr)));
    if (pid == 0) _exit(Link("self") != before && PathOf("self") == "/" ? 0 : 1);
    EXPECT_EXITED(st::WaitStatus(pid), 0);
    EXPECT_EQ(Link("self"), before);
  });
}

void NeedUserNamespaces() {
  const pid_t child = st::Spawn([] { _exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1); });
  if (st::WaitStatus(child) != 0) SKIP("no user namespaces here");
}

TEST(CgroupNs, NeedsTheCapability) {
  NeedUserNamespaces();
  EXPECT_CHILD_OK([] {
    if (getuid() == 0) {
      MUST(setgroups(0, nullptr));
      MUST(syscall(SYS_setresuid, 1000, 1000, 1000));
      MUST(prctl(PR_SET_DUMPABLE, 1));
    }
    Fd ns = OpenNs(getpid());
    EXPECT_ERR(unshare(CLONE_NEWCGROUP), EPERM);
    EXPECT_ERR(setns(ns, CLONE_NEWCGROUP), EPERM);
    EXPECT_ERR(syscall(SYS_clone, CLONE_NEWCGROUP | SIGCHLD, nullptr, nullptr, nullptr, nullptr), EPERM);
    const std::string before = Link("self");
    EXPECT_OK(unshare(CLONE_NEWUSER | CLONE_NEWCGROUP));
    EXPECT_NE(Link("self"), before);
    // That of before is the outer one's.
    EXPECT_ERR(setns(ns, CLONE_NEWCGROUP), EPERM);
  });
}

TEST(CgroupNs, AreCounted) {
  NeedUserNamespaces();
  EXPECT_CHILD_OK([] {
    MUST(unshare(CLONE_NEWUSER));
    const std::string limit = "/proc/sys/user/max_cgroup_namespaces";
    EXPECT_CHILD_OK([] { EXPECT_OK(unshare(CLONE_NEWCGROUP)); });
    if (!st::WriteText(limit, "0\n")) return;  // a read-only /proc/sys
    EXPECT_EQ(ReadFile(limit), "0\n");
    EXPECT_ERR(unshare(CLONE_NEWCGROUP), ENOSPC);
  });
}

}  // namespace
