// Scheduling policies: parameters, rights, inheritance, what /proc shows (man 7 sched).
#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include "test/syscalls/harness/test.h"
#include "test/syscalls/sched_test_util.h"

TOUCHES("sched_setattr", "sched_getattr", "sched_setscheduler", "sched_getscheduler", "sched_setparam",
        "sched_getparam", "sched_rr_get_interval", "sched_setaffinity", "sched_getaffinity", "getcpu", "clone", "fork",
        "execve")

namespace {

using namespace sched_test;  // NOLINT: all of it is for tests like this

// ---- sched_setattr, sched_getattr ----

TEST(SchedAttr, OrderOfChecks) {
  Attr attr;
  EXPECT_ERR(syscall(SYS_sched_setattr, 0, nullptr, 0), EINVAL);
  EXPECT_ERR(SetAttr(-1, attr), EINVAL);
  EXPECT_ERR(SetAttr(0, attr, 1), EINVAL);
  EXPECT_ERR(syscall(SYS_sched_setattr, -1, st::Bad(), 0), EINVAL);
  EXPECT_ERR(syscall(SYS_sched_setattr, kNoSuchPid, st::Bad(), 0), EFAULT);
  EXPECT_ERR(SetAttr(kNoSuchPid, {.policy = 99}), ESRCH);
  EXPECT_ERR(SetAttr(kNoSuchPid, {.policy = ~0u}), EINVAL);
  EXPECT_ERR(syscall(SYS_sched_getattr, 0, nullptr, 56, 0), EINVAL);
  EXPECT_ERR(syscall(SYS_sched_getattr, -1, &attr, 56, 0), EINVAL);
  EXPECT_ERR(syscall(SYS_sched_getattr, 0, &attr, 47, 0), EINVAL);
  EXPECT_ERR(syscall(SYS_sched_getattr, 0, &attr, 4097, 0), EINVAL);
  EXPECT_ERR(syscall(SYS_sched_getattr, 0, &attr, 56, 1), EINVAL);
  EXPECT_ERR(syscall(SYS_sched_getattr, kNoSuchPid, st::Bad(), 56, 0), ESRCH);
  EXPECT_ERR(syscall(SYS_sched_getattr, 0, st::Bad(), 56, 0), EFAULT);
}

TEST(SchedAttr, Sizes) {
  struct {
    Attr attr;
    uint64_t more = 0;
  } big;
  big.attr.size = sizeof big;
  EXPECT_OK(syscall(SYS_sched_setattr, 0, &big, 0));
  big.more = 1;
  EXPECT_ERR(syscall(SYS_sched_setattr, 0, &big, 0), E2BIG);
  EXPECT_GE(big.attr.size, 56u);  // what the kernel knows
  Attr attr;
  for (const uint32_t size : {1u, 47u, 4097u}) {
    attr.size = size;
    EXPECT_ERR(SetAttr(0, attr), E2BIG);
    EXPECT_GE(attr.size, 56u);
  }
  for (const uint32_t size : {0u, 48u, 56u}) {
    attr.size = size;
    EXPECT_OK(SetAttr(0, attr));
  }
  attr = {.size = 48, .flags = 0x20};  // clamps, without room for them
  EXPECT_ERR(SetAttr(0, attr), EINVAL);
  attr.util_max = 77;
  EXPECT_OK(syscall(SYS_sched_getattr, 0, &attr, 48, 0));
  EXPECT_EQ(attr.size, 48u);
  EXPECT_EQ(attr.util_max, 77u);
}

TEST(SchedAttr, Parameters) {
  EXPECT_ERR(SetAttr(0, {.policy = 4}), EINVAL);
  EXPECT_ERR(SetAttr(0, {.policy = 99}), EINVAL);
  EXPECT_ERR(SetAttr(0, {.flags = 0x80}), EINVAL);
  EXPECT_ERR(SetAttr(0, {.priority = 1}), EINVAL);
  EXPECT_ERR(SetAttr(0, {.policy = SCHED_FIFO}), EINVAL);
  EXPECT_ERR(SetAttr(0, {.policy = SCHED_RR, .priority = 100}), EINVAL);
  EXPECT_OK(SetAttr(0, {.policy = SCHED_BATCH, .nice = 77}));  // clamped
  EXPECT_EQ(GetAttr().nice, 19);
  EXPECT_EQ(GetAttr().policy, static_cast<uint32_t>(SCHED_BATCH));
  EXPECT_RET(syscall(SYS_getpriority, PRIO_PROCESS, 0), 1);
  EXPECT_EQ(StatField(kStatNice), 19);
  EXPECT_EQ(StatField(kStatPriority), 39);
  EXPECT_EQ(StatField(kStatPolicy), SCHED_BATCH);
}

TEST(SchedAttr, Deadline) {
  const auto set = [](uint64_t runtime, uint64_t deadline, uint64_t period, uint64_t flags = 0) {
    return SetAttr(0,
                   {.policy = kDeadline, .flags = flags, .runtime = runtime, .deadline = deadline, .period = period});
  };
  EXPECT_ERR(set(0, 0, 0), EINVAL);
  EXPECT_ERR(set(1023, 1000000, 0), EINVAL);
  EXPECT_ERR(set(2000000, 1000000, 0), EINVAL);
  EXPECT_ERR(set(1000000, 3000000, 2000000), EINVAL);
  EXPECT_ERR(set(1024, 99999, 0), EINVAL);
  EXPECT_ERR(set(1024, 5000000000, 0), EINVAL);
  EXPECT_ERR(set(1024, 1ull << 63, 0), EINVAL);
  EXPECT_ERR(SetAttr(0, {.policy = kDeadline, .priority = 1, .runtime = 1024, .deadline = 1000000}), EINVAL);
  st::NeedRoot();
  EXPECT_OK(set(100000, 10000000, 0));
  const Attr now = GetAttr();
  EXPECT_EQ(now.policy, static_cast<uint32_t>(kDeadline));
  EXPECT_EQ(now.runtime, 100000u);
  EXPECT_EQ(now.deadline, 10000000u);
  EXPECT_EQ(now.period, 10000000u);
  EXPECT_RET(sched_getscheduler(0), kDeadline);
  EXPECT_EQ(StatField(kStatPriority), -101);
  EXPECT_EQ(StatField(kStatPolicy), kDeadline);
  EXPECT_ERR(syscall(SYS_fork), EAGAIN);
  sched_param param = {0};
  EXPECT_ERR(sched_setparam(0, &param), EINVAL);
  timespec slice = {7, 7};
  EXPECT_OK(sched_rr_get_interval(0, &slice));
  EXPECT_EQ(slice.tv_sec + slice.tv_nsec, 0);
  cpu_set_t one;
  MUST(sched_getaffinity(0, sizeof one, &one));
  if (CPU_COUNT(&one) > 1) {
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    EXPECT_ERR(sched_setaffinity(0, sizeof one, &one), EBUSY);
  }
  EXPECT_OK(set(200000, 10000000, 20000000, kResetOnFork));
  EXPECT_CHILD_OK([] {
    EXPECT_RET(sched_getscheduler(0), SCHED_OTHER);
    EXPECT_OK(SetPolicy(0, SCHED_FIFO, 3));
  });
  EXPECT_OK(SetPolicy(0, SCHED_OTHER, 0));
}

TEST(SchedAttr, DeadlineNeedsAllCpus) {
  st::NeedRoot();
  cpu_set_t all;
  MUST(sched_getaffinity(0, sizeof all, &all));
  if (CPU_COUNT(&all) < 2) st::Skip("one CPU");
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  MUST(sched_setaffinity(0, sizeof one, &one));
  EXPECT_ERR(SetAttr(0, {.policy = kDeadline, .runtime = 100000, .deadline = 10000000}), EPERM);
  unsigned cpu = 99;
  EXPECT_OK(syscall(SYS_getcpu, &cpu, nullptr, nullptr));
  EXPECT_EQ(cpu, 0u);
}

TEST(SchedAttr, Keep) {
  EXPECT_OK(SetAttr(0, {.policy = SCHED_BATCH, .nice = 3}));
  EXPECT_OK(SetAttr(0, {.policy = SCHED_FIFO, .flags = kKeepPolicy, .nice = 4}));
  EXPECT_EQ(GetAttr().policy, static_cast<uint32_t>(SCHED_BATCH));
  EXPECT_EQ(GetAttr().nice, 4);
  EXPECT_OK(SetAttr(0, {.policy = SCHED_BATCH, .flags = kKeepParams, .nice = 9}));
  EXPECT_EQ(GetAttr().nice, 4);
  // A kept policy keeps the flag; else it is as asked.
  EXPECT_OK(SetAttr(0, {.policy = SCHED_BATCH, .flags = kKeepParams | kResetOnFork}));
  EXPECT_EQ(GetAttr().flags, kResetOnFork);
  EXPECT_OK(SetAttr(0, {.flags = kKeepPolicy | kKeepParams}));
  EXPECT_EQ(GetAttr().flags, kResetOnFork);
  EXPECT_RET(sched_getscheduler(0), SCHED_BATCH | SCHED_RESET_ON_FORK);
}

// ---- Rights ----

TEST(SchedRights, RealTimeNeedsPrivilegeOrLimit) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    SetLimit(RLIMIT_RTPRIO, 0);
    LoseSysNice();
    EXPECT_ERR(SetPolicy(0, SCHED_FIFO, 1), EPERM);
    EXPECT_ERR(SetPolicy(0, SCHED_FIFO, 0), EINVAL);
    EXPECT_ERR(SetAttr(0, {.policy = kDeadline, .runtime = 100000, .deadline = 10000000}), EPERM);
  });
  EXPECT_CHILD_OK([] {
    EXPECT_OK(SetPolicy(0, SCHED_RR, 20));
    SetLimit(RLIMIT_RTPRIO, 0);
    LoseSysNice();
    EXPECT_OK(SetPolicy(0, SCHED_RR, 10));
    EXPECT_ERR(SetPolicy(0, SCHED_RR, 11), EPERM);
    EXPECT_ERR(SetPolicy(0, SCHED_FIFO, 5), EPERM);
    EXPECT_OK(SetPolicy(0, SCHED_OTHER, 0));
    EXPECT_ERR(SetPolicy(0, SCHED_RR, 1), EPERM);
  });
}

TEST(SchedRights, IdleCountsAsNice20) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    SetLimit(RLIMIT_NICE, 0);
    LoseSysNice();
    EXPECT_OK(SetPolicy(0, SCHED_IDLE, 0));
    EXPECT_OK(SetPolicy(0, SCHED_IDLE, 0));
    EXPECT_ERR(SetPolicy(0, SCHED_OTHER, 0), EPERM);
    EXPECT_ERR(SetPolicy(0, SCHED_BATCH, 0), EPERM);
    EXPECT_EQ(StatField(kStatPolicy), SCHED_IDLE);
  });
}

TEST(SchedRights, ResetOnForkStays) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    EXPECT_OK(SetPolicy(0, SCHED_OTHER | SCHED_RESET_ON_FORK, 0));
    LoseSysNice();
    EXPECT_ERR(SetPolicy(0, SCHED_OTHER, 0), EPERM);
    EXPECT_OK(SetPolicy(0, SCHED_BATCH | SCHED_RESET_ON_FORK, 0));
    sched_param param = {0};
    EXPECT_OK(sched_setparam(0, &param));
    EXPECT_RET(sched_getscheduler(0), SCHED_BATCH | SCHED_RESET_ON_FORK);
  });
}

TEST(SchedRights, OfOthers) {
  st::NeedRoot();
  const pid_t root = getpid();
  EXPECT_CHILD_OK([root] {
    st::DropToNobody();
    EXPECT_ERR(SetPolicy(root, SCHED_BATCH, 0), EPERM);
    EXPECT_ERR(SetAttr(root, {.policy = SCHED_OTHER, .nice = 5}), EPERM);
    EXPECT_ERR(setpriority(PRIO_PROCESS, static_cast<id_t>(root), 5), EPERM);
    EXPECT_ERR(IoSet(kIoProcess, root, IoPriority(kIoBe, 7)), EPERM);
    cpu_set_t set;
    EXPECT_OK(sched_getaffinity(root, sizeof set, &set));
    EXPECT_ERR(sched_setaffinity(root, sizeof set, &set), EPERM);
    EXPECT_RET(sched_getscheduler(root), SCHED_OTHER);
    EXPECT_GE(IoGet(kIoProcess, root), 0);
  });
  // The other way round it is allowed.
  st::Pipe ready, done;
  const pid_t child = st::Spawn([&] {
    st::DropToNobody();
    MUST(write(ready.w, "r", 1));
    char c;
    MUST(read(done.r, &c, 1));
    EXPECT_RET(sched_getscheduler(0), SCHED_RR);
    EXPECT_EQ(StatField(kStatRtPriority), 12);
    EXPECT_EQ(StatField(kStatPriority), -13);
    EXPECT_EQ(StatField(kStatNice), 6);
  });
  char c;
  MUST(read(ready.r, &c, 1));
  EXPECT_OK(setpriority(PRIO_PROCESS, static_cast<id_t>(child), 6));
  EXPECT_OK(SetPolicy(child, SCHED_RR, 12));
  MUST(write(done.w, "d", 1));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

// ---- Inheritance ----

HELPER(sched_state) {
  const Attr attr = GetAttr();
  printf("%u %d %u %ld", attr.policy, attr.nice, attr.priority, IoGet(kIoProcess, 0));
  return 0;
}

TEST(SchedInherit, ForkAndExec) {
  st::NeedRoot();
  EXPECT_OK(SetPolicy(0, SCHED_FIFO, 30));
  EXPECT_OK(IoSet(kIoProcess, 0, IoPriority(kIoBe, 6)));
  st::Pipe out;
  const pid_t child = st::Spawn([&] {
    EXPECT_RET(sched_getscheduler(0), SCHED_FIFO);
    MUST(dup2(out.w, 1));
    execl(st::SelfExe(), "st-helper:sched_state", nullptr);
  });
  out.w.reset();
  EXPECT_EQ(st::ReadAll(out.r), "1 0 30 " + std::to_string(IoPriority(kIoBe, 6)));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(SchedInherit, ResetOnFork) {
  st::NeedRoot();
  EXPECT_OK(SetPolicy(0, SCHED_RR | SCHED_RESET_ON_FORK, 30));
  st::Thread([] { EXPECT_RET(sched_getscheduler(0), SCHED_OTHER); }).Join();
  EXPECT_CHILD_OK([] {
    EXPECT_RET(sched_getscheduler(0), SCHED_OTHER);
    EXPECT_EQ(GetAttr().nice, 0);
    EXPECT_EQ(StatField(kStatRtPriority), 0);
  });
  EXPECT_OK(SetAttr(0, {.policy = SCHED_OTHER, .flags = kResetOnFork, .nice = -7}));
  EXPECT_CHILD_OK([] { EXPECT_EQ(GetAttr().nice, 0); });
  EXPECT_OK(SetAttr(0, {.policy = SCHED_BATCH, .flags = kResetOnFork, .nice = 7}));
  EXPECT_CHILD_OK([] {
    EXPECT_EQ(GetAttr().nice, 7);
    EXPECT_RET(sched_getscheduler(0), SCHED_BATCH);
  });
}

// Threads have their own, and a busy one learns of it from outside.
TEST(SchedInherit, OneThreadAlone) {
  static int stop;
  stop = 0;
  const int own = GetAttr().nice;
  st::Thread busy([] {
    while (__atomic_load_n(&stop, __ATOMIC_SEQ_CST) == 0) {
    }
    EXPECT_EQ(GetAttr().nice, 11);
    EXPECT_RET(sched_getscheduler(0), SCHED_BATCH);
  });
  EXPECT_OK(SetAttr(busy.tid(), {.policy = SCHED_BATCH, .nice = 11}));
  EXPECT_EQ(GetAttr(busy.tid()).nice, 11);
  EXPECT_EQ(GetAttr().nice, own);
  EXPECT_EQ(StatField(kStatNice, "self/task/" + std::to_string(busy.tid())), 11);
  __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
  busy.Join();
}

TEST(SchedPolicy, Intervals) {
  st::NeedRoot();
  timespec slice = {7, 7};
  EXPECT_OK(SetPolicy(0, SCHED_FIFO, 1));
  EXPECT_OK(sched_rr_get_interval(0, &slice));
  EXPECT_EQ(slice.tv_sec + slice.tv_nsec, 0);
  EXPECT_OK(SetPolicy(0, SCHED_RR, 1));
  EXPECT_OK(sched_rr_get_interval(0, &slice));
  EXPECT_GT(slice.tv_nsec, 0);
  EXPECT_ERR(sched_rr_get_interval(kNoSuchPid, &slice), ESRCH);
  EXPECT_ERR(sched_rr_get_interval(0, st::Bad<timespec>()), EFAULT);
  EXPECT_RET(sched_get_priority_max(kDeadline), 0);
  EXPECT_RET(sched_get_priority_min(kDeadline), 0);
}

TEST(SchedPolicy, OrderOfChecks) {
  EXPECT_ERR(syscall(SYS_sched_setscheduler, 0, -1, st::Bad()), EINVAL);
  EXPECT_ERR(syscall(SYS_sched_setscheduler, -1, 0, st::Bad()), EINVAL);
  EXPECT_ERR(syscall(SYS_sched_setscheduler, kNoSuchPid, 99, nullptr), EINVAL);
  EXPECT_ERR(syscall(SYS_sched_setscheduler, kNoSuchPid, 99, st::Bad()), EFAULT);
  EXPECT_ERR(SetPolicy(kNoSuchPid, 99, 0), ESRCH);
  EXPECT_ERR(SetPolicy(0, SCHED_FIFO, -1), EINVAL);
  EXPECT_ERR(syscall(SYS_sched_setparam, -1, st::Bad()), EINVAL);
  EXPECT_ERR(syscall(SYS_sched_setparam, kNoSuchPid, st::Bad()), EFAULT);
  EXPECT_ERR(syscall(SYS_sched_getparam, 0, nullptr), EINVAL);
  EXPECT_ERR(syscall(SYS_sched_getparam, -1, st::Bad()), EINVAL);
  EXPECT_ERR(syscall(SYS_sched_getparam, 0, st::Bad()), EFAULT);
  cpu_set_t set;
  EXPECT_ERR(sched_setaffinity(-1, sizeof set, st::Bad<cpu_set_t>()), EFAULT);
  CPU_ZERO(&set);
  EXPECT_ERR(sched_setaffinity(-1, sizeof set, &set), ESRCH);
  EXPECT_ERR(syscall(SYS_sched_getaffinity, -1, sizeof set, &set), ESRCH);
  EXPECT_ERR(syscall(SYS_sched_getaffinity, 0, sizeof set, st::Bad()), EFAULT);
}

TEST(SchedPolicy, AffinityIsInheritedAndShown) {
  cpu_set_t all, now;
  MUST(sched_getaffinity(0, sizeof all, &all));
  if (CPU_COUNT(&all) < 2) st::Skip("one CPU");
  int last = CPU_SETSIZE - 1;
  while (!CPU_ISSET(last, &all)) --last;
  CPU_ZERO(&now);
  CPU_SET(last, &now);
  EXPECT_OK(sched_setaffinity(0, sizeof now, &now));
  EXPECT_CHILD_OK([last] {
    cpu_set_t set;
    EXPECT_OK(sched_getaffinity(0, sizeof set, &set));
    EXPECT_TRUE(CPU_COUNT(&set) == 1 && CPU_ISSET(last, &set));
    unsigned cpu = 9999;
    EXPECT_OK(syscall(SYS_getcpu, &cpu, nullptr, nullptr));
    EXPECT_EQ(cpu, static_cast<unsigned>(last));
    const std::string status = st::ReadFile("/proc/self/status");
    EXPECT_TRUE(status.find("Cpus_allowed_list:\t" + std::to_string(last) + "\n") != std::string::npos);
  });
}

}  // namespace
