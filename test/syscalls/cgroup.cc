// Control groups, version 2: the hierarchy, who is where, freezer, kill, owners.
#include <poll.h>

#include "test/syscalls/harness/cgroup.h"

TOUCHES("clone3", "mkdir", "rmdir", "poll", "fork", "kill", "chown")

namespace {

using st::Contains;
using st::Group;
using st::KeyValue;
using st::OwnGroup;
using st::ReadFile;
using st::SpawnIn;
using st::WriteCall;

TEST(Cgroup, AFreshGroupHasItsFiles) {
  Group g;
  EXPECT_EQ(ReadFile(g / "cgroup.procs"), "");
  EXPECT_EQ(ReadFile(g / "cgroup.type"), "domain\n");
  EXPECT_EQ(ReadFile(g / "cgroup.events"), "populated 0\nfrozen 0\n");
  EXPECT_EQ(ReadFile(g / "cgroup.freeze"), "0\n");
  EXPECT_EQ(ReadFile(g / "cgroup.subtree_control"), "");
  EXPECT_EQ(ReadFile(g / "cgroup.max.depth"), "max\n");
  EXPECT_TRUE(KeyValue(ReadFile(g / "cpu.stat"), "usage_usec") >= 0);
  EXPECT_EQ(st::StatOf(g / "cgroup.procs").st_mode, static_cast<mode_t>(S_IFREG | 0644));
  EXPECT_EQ(st::StatOf(g / "cgroup.events").st_mode, static_cast<mode_t>(S_IFREG | 0444));
  EXPECT_EQ(st::StatOf(g / "cgroup.kill").st_mode, static_cast<mode_t>(S_IFREG | 0200));
}

TEST(Cgroup, OnlyDirectoriesAreMade) {
  Group g;
  EXPECT_ERR(open((g / "new").c_str(), O_WRONLY | O_CREAT, 0644), EACCES);
  EXPECT_ERR(unlink((g / "cgroup.procs").c_str()), EPERM);
  EXPECT_ERR(mkdir((g / "cgroup.procs").c_str(), 0755), EEXIST);
  EXPECT_ERR(mkdir((g / "a\nb").c_str(), 0755), EINVAL);
  EXPECT_OK(mkdir((g / "a").c_str(), 0755));
  EXPECT_ERR(rename((g / "a").c_str(), (g / "b").c_str()), EPERM);
  EXPECT_ERR(rmdir(g.path().c_str()), EBUSY);
  EXPECT_OK(rmdir((g / "a").c_str()));
}

TEST(Cgroup, LimitsOfNumberAndDepth) {
  Group g;
  MUST(WriteCall(g / "cgroup.max.descendants", "1"));
  MUST(mkdir((g / "a").c_str(), 0755));
  EXPECT_ERR(mkdir((g / "b").c_str(), 0755), EAGAIN);
  MUST(WriteCall(g / "cgroup.max.descendants", "max"));
  MUST(WriteCall(g / "cgroup.max.depth", "1"));
  EXPECT_ERR(mkdir((g / "a/b").c_str(), 0755), EAGAIN);
  EXPECT_ERR(WriteCall(g / "cgroup.max.depth", "x"), EINVAL);
  EXPECT_TRUE(Contains(ReadFile(g / "cgroup.stat"), "nr_descendants 1\n"));
  EXPECT_OK(rmdir((g / "a").c_str()));
}

TEST(Cgroup, ProcessesMoveByNumber) {
  Group g;
  st::Pipe stay;
  const pid_t pid = st::Spawn([&] {
    stay.w.reset();
    char c;
    (void)!read(stay.r, &c, 1);
  });
  EXPECT_OK(WriteCall(g / "cgroup.procs", std::to_string(pid) + "\n"));
  EXPECT_EQ(ReadFile(g / "cgroup.procs"), std::to_string(pid) + "\n");
  EXPECT_EQ(ReadFile(g / "cgroup.threads"), std::to_string(pid) + "\n");
  EXPECT_TRUE(Contains(ReadFile("/proc/" + std::to_string(pid) + "/cgroup"), "/st-" + std::to_string(getpid()) + "\n"));
  EXPECT_ERR(rmdir(g.path().c_str()), EBUSY);
  EXPECT_TRUE(Contains(ReadFile(g / "cgroup.events"), "populated 1\n"));
  EXPECT_OK(WriteCall(OwnGroup() + "/cgroup.procs", std::to_string(pid)));
  EXPECT_EQ(ReadFile(g / "cgroup.procs"), "");
  stay.w.reset();
  EXPECT_EXITED(st::WaitStatus(pid), 0);
}

TEST(Cgroup, WhatIsNoProcess) {
  Group g;
  EXPECT_ERR(WriteCall(g / "cgroup.procs", "x"), EINVAL);
  EXPECT_ERR(WriteCall(g / "cgroup.procs", "-1"), EINVAL);
  EXPECT_ERR(WriteCall(g / "cgroup.procs", "4194303"), ESRCH);
  EXPECT_ERR(WriteCall(g / "cgroup.freeze", "2"), ERANGE);
  EXPECT_ERR(WriteCall(g / "cgroup.kill", "0"), ERANGE);
  EXPECT_ERR(WriteCall(g / "cgroup.events", "1"), EINVAL);
}

TEST(Cgroup, ChildrenAndThreadsAreBornInside) {
  Group g;
  const pid_t pid = SpawnIn(g, [&] {
    st::Thread thread([] { st::SleepMs(1); });
    EXPECT_CHILD_OK([] { EXPECT_TRUE(Contains(ReadFile("/proc/self/cgroup"), "/st-")); });
    EXPECT_TRUE(Contains("\n" + ReadFile(g / "cgroup.procs"), "\n" + std::to_string(getpid()) + "\n"));
  });
  EXPECT_EXITED(st::WaitStatus(pid), 0);
  EXPECT_EQ(ReadFile(g / "cgroup.procs"), "");
}

TEST(Cgroup, AThreadStaysWithItsProcess) {
  Group g;
  st::Thread thread([&] { EXPECT_ERR(WriteCall(g / "cgroup.threads", "0"), EOPNOTSUPP); });
}

TEST(Cgroup, EventsTellPopulation) {
  Group g;
  Fd events(MUST(open((g / "cgroup.events").c_str(), O_RDONLY)));
  char text[128];
  MUST(read(events, text, sizeof text));
  pollfd p{events, POLLPRI, 0};
  EXPECT_RET(poll(&p, 1, 0), 0);
  st::Pipe stay;
  const pid_t pid = SpawnIn(g, [&] {
    stay.w.reset();
    char c;
    (void)!read(stay.r, &c, 1);
  });
  EXPECT_RET(poll(&p, 1, 5000), 1);
  EXPECT_TRUE((p.revents & POLLPRI) != 0);
  const ssize_t n = MUST(pread(events, text, sizeof text, 0));
  EXPECT_TRUE(Contains(std::string(text, static_cast<size_t>(n)), "populated 1\n"));
  stay.w.reset();
  EXPECT_EXITED(st::WaitStatus(pid), 0);
  EXPECT_TRUE(st::WaitUntil([&] { return Contains(ReadFile(g / "cgroup.events"), "populated 0\n"); }));
}

TEST(Cgroup, FreezerStopsAndLetsGo) {
  Group g;
  auto* count = st::SharedValue<volatile long>();
  const pid_t pid = SpawnIn(g, [&] {
    while (true) *count = *count + 1;
  });
  EXPECT_TRUE(st::WaitUntil([&] { return *count > 1000; }));
  MUST(WriteCall(g / "cgroup.freeze", "1"));
  EXPECT_TRUE(st::WaitUntil([&] { return Contains(ReadFile(g / "cgroup.events"), "frozen 1\n"); }));
  EXPECT_EQ(ReadFile(g / "cgroup.freeze"), "1\n");
  const long then = *count;
  st::SleepMs(20);
  EXPECT_EQ(*count, then);
  // It is not stopped as by a signal: its parent hears nothing.
  int status;
  EXPECT_RET(waitpid(pid, &status, WNOHANG | WUNTRACED | WCONTINUED), 0);
  MUST(WriteCall(g / "cgroup.freeze", "0"));
  EXPECT_TRUE(st::WaitUntil([&] { return *count > then; }));
  MUST(kill(pid, SIGKILL));
  EXPECT_SIGNALED(st::WaitStatus(pid), SIGKILL);
}

TEST(Cgroup, FrozenSleepersGoOnSleeping) {
  Group g;
  st::Pipe in;
  st::Pipe out;
  const pid_t pid = SpawnIn(g, [&] {
    char c;
    MUST(read(in.r, &c, 1));
    MUST(write(out.w, &c, 1));
  });
  st::WaitBlocked(pid);
  MUST(WriteCall(g / "cgroup.freeze", "1"));
  EXPECT_TRUE(st::WaitUntil([&] { return Contains(ReadFile(g / "cgroup.events"), "frozen 1\n"); }));
  MUST(write(in.w, "x", 1));
  pollfd p{out.r, POLLIN, 0};
  EXPECT_RET(poll(&p, 1, 20), 0);
  MUST(WriteCall(g / "cgroup.freeze", "0"));
  EXPECT_RET(poll(&p, 1, 5000), 1);
  EXPECT_EXITED(st::WaitStatus(pid), 0);
}

TEST(Cgroup, FrozenProcessesCanBeKilled) {
  Group g;
  MUST(WriteCall(g / "cgroup.freeze", "1"));
  const pid_t pid = SpawnIn(g, [] { pause(); });
  EXPECT_TRUE(st::WaitUntil([&] { return Contains(ReadFile(g / "cgroup.events"), "populated 1\nfrozen 1\n"); }));
  MUST(kill(pid, SIGKILL));
  EXPECT_SIGNALED(st::WaitStatus(pid), SIGKILL);
}

TEST(Cgroup, KillReachesChildGroups) {
  Group g;
  MUST(mkdir((g / "a").c_str(), 0755));
  const pid_t one = SpawnIn(g, [] { pause(); });
  const pid_t two = st::Spawn([&] {
    MUST(WriteCall(g / "a/cgroup.procs", "0"));
    pause();
  });
  EXPECT_TRUE(
      st::WaitUntil([&] { return !ReadFile(g / "a/cgroup.procs").empty() && !ReadFile(g / "cgroup.procs").empty(); }));
  EXPECT_OK(WriteCall(g / "cgroup.kill", "1"));
  EXPECT_SIGNALED(st::WaitStatus(one), SIGKILL);
  EXPECT_SIGNALED(st::WaitStatus(two), SIGKILL);
  EXPECT_TRUE(st::WaitUntil([&] { return rmdir((g / "a").c_str()) == 0; }));
}

struct CloneArgs {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};
constexpr uint64_t kIntoCgroup = uint64_t{1} << 33;

TEST(Cgroup, CloneIntoAGroup) {
  Group g;
  Fd dir(MUST(open(g.path().c_str(), O_RDONLY | O_DIRECTORY)));
  CloneArgs args{};
  args.flags = kIntoCgroup;
  args.exit_signal = SIGCHLD;
  args.cgroup = static_cast<uint64_t>(static_cast<int>(dir));
  const pid_t pid = static_cast<pid_t>(MUST(syscall(SYS_clone3, &args, sizeof args)));
  if (pid == 0) {
    EXPECT_TRUE(Contains(ReadFile("/proc/self/cgroup"), "/st-"));
    st::ExitChild();
  }
  EXPECT_EXITED(st::WaitStatus(pid), 0);
  EXPECT_FALSE(Contains(ReadFile("/proc/self/cgroup"), "/st-" + std::to_string(getpid())));
}

TEST(Cgroup, CloneIntoWhatIsNone) {
  Group g;
  Fd tmp(MUST(open(st::Tmp().c_str(), O_RDONLY | O_DIRECTORY)));
  Fd file(MUST(open((g / "cgroup.procs").c_str(), O_RDONLY)));
  CloneArgs args{};
  args.flags = kIntoCgroup;
  args.exit_signal = SIGCHLD;
  for (const int fd : {static_cast<int>(tmp), static_cast<int>(file), st::BadFd()}) {
    args.cgroup = static_cast<uint64_t>(fd);
    EXPECT_ERR(syscall(SYS_clone3, &args, sizeof args), EBADF);
  }
  args.cgroup = uint64_t{1} << 31;
  EXPECT_ERR(syscall(SYS_clone3, &args, sizeof args), EINVAL);
  args.cgroup = 0;
  EXPECT_ERR(syscall(SYS_clone3, &args, 80), EINVAL);
}

TEST(Cgroup, ControllersArePassedOnByName) {
  Group g;
  EXPECT_ERR(WriteCall(g / "cgroup.subtree_control", "+nonsense"), EINVAL);
  EXPECT_ERR(WriteCall(g / "cgroup.subtree_control", "pids"), EINVAL);
  if (!Contains(ReadFile(g / "cgroup.controllers"), "hugetlb")) {
    const bool known = Contains(ReadFile("/proc/cgroups"), "pids");
    if (known && !Contains(ReadFile(g / "cgroup.controllers"), "pids")) {
      EXPECT_ERR(WriteCall(g / "cgroup.subtree_control", "+pids"), ENOENT);
    }
  }
}

TEST(Cgroup, OwnersMayManageWhatIsTheirs) {
  Group g;
  for (const char* name : {"", "cgroup.procs", "cgroup.subtree_control"}) {
    MUST(chown((g / name).c_str(), 65534, 65534));
  }
  MUST(chmod((g / "cgroup.procs").c_str(), 0644));
  st::Pipe go;
  const pid_t outside = st::Spawn([] { pause(); });
  const pid_t pid = SpawnIn(g, [&] {
    st::DropToNobody();
    EXPECT_OK(mkdir((g / "own").c_str(), 0755));
    EXPECT_EQ(st::StatOf(g / "own/cgroup.procs").st_uid, 65534u);
    EXPECT_OK(WriteCall(g / "own/cgroup.procs", "0"));
    // From outside of what is theirs, nobody comes in or goes out.
    EXPECT_ERR(WriteCall(g / "own/cgroup.procs", std::to_string(outside)), EACCES);
    EXPECT_ERR(WriteCall(g / "cgroup.freeze", "1"), EACCES);
    EXPECT_OK(WriteCall(g / "cgroup.procs", "0"));
    EXPECT_OK(rmdir((g / "own").c_str()));
  });
  EXPECT_EXITED(st::WaitStatus(pid), 0);
  MUST(kill(outside, SIGKILL));
  st::WaitStatus(outside);
}

}  // namespace
