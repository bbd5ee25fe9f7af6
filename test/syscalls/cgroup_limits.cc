// The controllers of control groups, version 2. A host that keeps them in version 1 hierarchies has none to be tried.
#include <sched.h>
#include <sys/mman.h>

#include "test/syscalls/harness/cgroup.h"

TOUCHES("fork", "sched_getaffinity", "mmap", "waitid")

namespace {

using st::Contains;
using st::Exists;
using st::Group;
using st::KeyValue;
using st::NeedController;
using st::ReadFile;
using st::SpawnIn;
using st::WriteCall;

TEST(CgroupLimits, NoMemoryLimitsBesideProcesses) {
  NeedController("memory");
  Group g;
  MUST(mkdir((g / "a").c_str(), 0755));
  st::Pipe stay;
  const pid_t pid = SpawnIn(g, [&] {
    stay.w.reset();
    char c;
    (void)!read(stay.r, &c, 1);
  });
  EXPECT_TRUE(st::WaitUntil([&] { return !ReadFile(g / "cgroup.procs").empty(); }));
  EXPECT_ERR(WriteCall(g / "cgroup.subtree_control", "+memory"), EBUSY);
  EXPECT_OK(WriteCall(g / "a/cgroup.procs", std::to_string(pid)));
  EXPECT_OK(WriteCall(g / "cgroup.subtree_control", "+memory"));
  EXPECT_ERR(WriteCall(g / "cgroup.procs", std::to_string(pid)), EBUSY);
  EXPECT_TRUE(Exists(g / "a/memory.max"));
  EXPECT_OK(WriteCall(g / "cgroup.subtree_control", "-memory"));
  EXPECT_FALSE(Exists(g / "a/memory.max"));
  stay.w.reset();
  EXPECT_EXITED(st::WaitStatus(pid), 0);
  EXPECT_TRUE(st::WaitUntil([&] { return rmdir((g / "a").c_str()) == 0; }));
}

TEST(CgroupLimits, PidsMaxRefusesForks) {
  NeedController("pids");
  Group g;
  MUST(WriteCall(g / "pids.max", "2"));
  EXPECT_ERR(WriteCall(g / "pids.max", "x"), EINVAL);
  const pid_t pid = SpawnIn(g, [&] {
    const pid_t child = st::Spawn([] { pause(); });
    EXPECT_EQ(ReadFile(g / "pids.current"), "2\n");
    EXPECT_ERR(fork(), EAGAIN);
    MUST(kill(child, SIGKILL));
    siginfo_t info;
    MUST(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT));
    EXPECT_ERR(fork(), EAGAIN);  // a zombie counts
    st::WaitStatus(child);
    EXPECT_TRUE(st::WaitUntil([&] { return ReadFile(g / "pids.current") == "1\n"; }));
    EXPECT_CHILD_OK([] {});
  });
  EXPECT_EXITED(st::WaitStatus(pid), 0);
  EXPECT_TRUE(KeyValue(ReadFile(g / "pids.events"), "max") >= 2);
}

TEST(CgroupLimits, MemoryMaxKillsOneThatTakesMore) {
  NeedController("memory");
  Group g;
  MUST(WriteCall(g / "memory.max", "16M"));
  if (Exists(g / "memory.swap.max")) MUST(WriteCall(g / "memory.swap.max", "0"));
  EXPECT_EQ(ReadFile(g / "memory.max"), "16777216\n");
  const pid_t small = SpawnIn(g, [] { pause(); });
  const pid_t pid = SpawnIn(g, [] {
    constexpr size_t kBytes = 64 << 20;
    char* p = static_cast<char*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (size_t at = 0; at < kBytes; at += 4096) p[at] = 1;
  });
  EXPECT_SIGNALED(st::WaitStatus(pid), SIGKILL);
  const std::string events = ReadFile(g / "memory.events");
  EXPECT_EQ(KeyValue(events, "oom_kill"), 1);
  EXPECT_TRUE(KeyValue(events, "oom") >= 1);
  EXPECT_TRUE(KeyValue(events, "max") >= 1);
  int status;
  EXPECT_RET(waitpid(small, &status, WNOHANG), 0);
  MUST(kill(small, SIGKILL));
  st::WaitStatus(small);
}

TEST(CgroupLimits, MemoryMaxHoldsInSystemCallsToo) {
  NeedController("memory");
  Group g;
  MUST(WriteCall(g / "memory.max", "16M"));
  if (Exists(g / "memory.swap.max")) MUST(WriteCall(g / "memory.swap.max", "0"));
  const pid_t pid = SpawnIn(g, [] {
    constexpr size_t kBytes = 64 << 20;
    char* p = static_cast<char*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    Fd zero(MUST(open("/dev/zero", O_RDONLY)));
    for (size_t at = 0; at < kBytes; at += 1 << 20) (void)!read(zero, p + at, 1 << 20);
  });
  EXPECT_SIGNALED(st::WaitStatus(pid), SIGKILL);
}

TEST(CgroupLimits, OnlyTouchedMemoryCounts) {
  NeedController("memory");
  Group g;
  MUST(WriteCall(g / "memory.max", "16M"));
  const pid_t pid = SpawnIn(g, [] {
    constexpr size_t kBytes = 64 << 20, kStep = 64 << 10;
    char* p = static_cast<char*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    (void)madvise(p, kBytes, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < kBytes; at += kStep) p[at] = static_cast<char>(at / kStep + 1);
    for (size_t at = 0; at < kBytes; at += kStep) {
      if (p[at] != static_cast<char>(at / kStep + 1) || p[at + 4096] != 0) _exit(2);
    }
  });
  EXPECT_EXITED(st::WaitStatus(pid), 0);
  EXPECT_EQ(KeyValue(ReadFile(g / "memory.events"), "oom_kill"), 0);
}

TEST(CgroupLimits, OomScoreChoosesAndGroupsDieTogether) {
  NeedController("memory");
  Group g;
  MUST(WriteCall(g / "memory.max", "32M"));
  if (Exists(g / "memory.swap.max")) MUST(WriteCall(g / "memory.swap.max", "0"));
  const auto eat = [](size_t bytes) {
    char* p = static_cast<char*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (size_t at = 0; at < bytes; at += 4096) p[at] = 1;
  };
  const pid_t chosen = SpawnIn(g, [&] {
    eat(8 << 20);  // no close call
    st::WriteFile("/proc/self/oom_score_adj", "1000");
    pause();
  });
  EXPECT_TRUE(
      st::WaitUntil([&] { return ReadFile("/proc/" + std::to_string(chosen) + "/oom_score_adj") == "1000\n"; }));
  const pid_t eater = SpawnIn(g, [&] { eat(64 << 20); });
  EXPECT_SIGNALED(st::WaitStatus(chosen), SIGKILL);
  EXPECT_SIGNALED(st::WaitStatus(eater), SIGKILL);
  MUST(WriteCall(g / "memory.oom.group", "1"));
  const pid_t other = SpawnIn(g, [] { pause(); });
  const pid_t again = SpawnIn(g, [&] { eat(64 << 20); });
  EXPECT_SIGNALED(st::WaitStatus(again), SIGKILL);
  EXPECT_SIGNALED(st::WaitStatus(other), SIGKILL);
}

TEST(CgroupLimits, MemoryOfTheDeadComesBack) {
  NeedController("memory");
  Group g;
  const pid_t pid = SpawnIn(g, [&] {
    constexpr size_t kBytes = 8 << 20;
    char* p = static_cast<char*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (size_t at = 0; at < kBytes; at += 4096) p[at] = 1;
    EXPECT_TRUE(atol(ReadFile(g / "memory.current").c_str()) >= static_cast<long>(kBytes));
    EXPECT_TRUE(KeyValue(ReadFile(g / "memory.stat"), "anon") >= static_cast<long>(kBytes));
  });
  EXPECT_EXITED(st::WaitStatus(pid), 0);
  EXPECT_TRUE(st::WaitUntil([&] { return atol(ReadFile(g / "memory.current").c_str()) < 4 << 20; }));
}

TEST(CgroupLimits, CpuMaxThrottles) {
  NeedController("cpu");
  Group g;
  MUST(WriteCall(g / "cpu.max", "10000 100000"));
  EXPECT_EQ(ReadFile(g / "cpu.max"), "10000 100000\n");
  EXPECT_ERR(WriteCall(g / "cpu.max", "1 100000"), EINVAL);
  const pid_t pid = SpawnIn(g, [] {
    for (volatile uint64_t busy = 1; busy != 0;) {
    }
  });
  EXPECT_TRUE(st::WaitUntil([&] { return KeyValue(ReadFile(g / "cpu.stat"), "nr_throttled") >= 3; }));
  const std::string stat = ReadFile(g / "cpu.stat");
  // A tenth, and what the coarseness of the clock lets through.
  EXPECT_TRUE(KeyValue(stat, "usage_usec") < 20000 * (KeyValue(stat, "nr_periods") + 2));
  EXPECT_TRUE(KeyValue(stat, "throttled_usec") > 0);
  MUST(kill(pid, SIGKILL));
  EXPECT_SIGNALED(st::WaitStatus(pid), SIGKILL);
}

TEST(CgroupLimits, CpusetNarrowsAffinity) {
  NeedController("cpuset");
  Group g;
  cpu_set_t all;
  MUST(sched_getaffinity(0, sizeof all, &all));
  if (CPU_COUNT(&all) < 2) SKIP("there is one CPU only");
  MUST(WriteCall(g / "cpuset.cpus", "0"));
  EXPECT_EQ(ReadFile(g / "cpuset.cpus.effective"), "0\n");
  const pid_t pid = SpawnIn(g, [] {
    cpu_set_t now;
    MUST(sched_getaffinity(0, sizeof now, &now));
    EXPECT_EQ(CPU_COUNT(&now), 1);
    EXPECT_TRUE(CPU_ISSET(0, &now));
  });
  EXPECT_EXITED(st::WaitStatus(pid), 0);
}

}  // namespace
