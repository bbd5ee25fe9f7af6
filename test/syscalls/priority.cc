// nice and I/O priorities (man 2 getpriority, ioprio_set).
#include <sched.h>
#include <sys/resource.h>

#include <vector>

#include "test/syscalls/harness/test.h"
#include "test/syscalls/sched_test_util.h"

TOUCHES("setpriority", "getpriority", "ioprio_set", "ioprio_get", "clone")

namespace {

using namespace sched_test;  // NOLINT: all of it is for tests like this

// ---- nice ----

TEST(Nice, GroupsAndUsers) {
  st::Pipe done;
  std::vector<pid_t> children;
  for (int i = 0; i < 2; ++i) {
    children.push_back(st::Spawn([&] {
      done.w.reset();
      char c;
      (void)!read(done.r, &c, 1);
    }));
  }
  MUST(setpgid(children[0], children[0]));
  MUST(setpgid(children[1], children[0]));
  const auto group = static_cast<id_t>(children[0]);
  const long own = MUST(syscall(SYS_getpriority, PRIO_PROCESS, 0));
  EXPECT_OK(setpriority(PRIO_PROCESS, static_cast<id_t>(children[1]), 9));
  EXPECT_RET(syscall(SYS_getpriority, PRIO_PGRP, group), own);  // the best
  EXPECT_OK(setpriority(PRIO_PGRP, group, 12));
  EXPECT_RET(syscall(SYS_getpriority, PRIO_PGRP, group), 8);
  EXPECT_RET(syscall(SYS_getpriority, PRIO_PROCESS, 0), own);
  EXPECT_ERR(syscall(SYS_getpriority, PRIO_PGRP, kNoSuchPid), ESRCH);
  EXPECT_ERR(setpriority(PRIO_PGRP, kNoSuchPid, 3), ESRCH);
  EXPECT_ERR(syscall(SYS_getpriority, PRIO_USER, 0x7654321), ESRCH);
  EXPECT_ERR(syscall(SYS_getpriority, -1, 0), EINVAL);
  EXPECT_GE(syscall(SYS_getpriority, PRIO_USER, 0), own);
  done.w.reset();
  for (const pid_t child : children) EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Nice, LimitAllowsToComeBack) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    EXPECT_OK(setpriority(PRIO_PROCESS, 0, 10));
    LoseSysNice();
    SetLimit(RLIMIT_NICE, 0);
    EXPECT_ERR(setpriority(PRIO_PROCESS, 0, 9), EACCES);
    EXPECT_OK(setpriority(PRIO_PROCESS, 0, 10));
    EXPECT_ERR(SetAttr(0, {.policy = SCHED_OTHER, .nice = 9}), EPERM);
  });
  EXPECT_CHILD_OK([] {
    EXPECT_OK(setpriority(PRIO_PROCESS, 0, -10));
    EXPECT_EQ(StatField(kStatNice), -10);
    EXPECT_EQ(StatField(kStatPriority), 10);
    EXPECT_OK(setpriority(PRIO_PROCESS, 0, 0));
  });
}

// ---- I/O priorities ----

TEST(IoPriority, Values) {
  EXPECT_EQ(IoGet(kIoProcess, 0) >> 13, kIoNone);
  EXPECT_RET(IoGet(kIoGroup, 0), IoPriority(kIoBe, (GetAttr().nice + 20) / 5));  // what counts, by nice
  EXPECT_OK(setpriority(PRIO_PROCESS, 0, 19));
  EXPECT_RET(IoGet(kIoGroup, 0), IoPriority(kIoBe, 7));
  EXPECT_OK(IoSet(kIoProcess, 0, IoPriority(kIoBe, 2)));
  EXPECT_RET(IoGet(kIoProcess, 0), IoPriority(kIoBe, 2));
  EXPECT_RET(IoGet(kIoGroup, 0), IoPriority(kIoBe, 2));
  EXPECT_OK(IoSet(kIoProcess, getpid(), IoPriority(kIoIdle, 0)));
  EXPECT_RET(IoGet(kIoProcess, getpid()), IoPriority(kIoIdle, 0));
  EXPECT_OK(IoSet(kIoProcess, 0, 0));
  EXPECT_RET(IoGet(kIoProcess, 0), 0);
  EXPECT_ERR(IoSet(kIoProcess, 0, 1), EINVAL);  // no class has a level
  EXPECT_ERR(IoSet(kIoProcess, 0, IoPriority(5, 0)), EINVAL);
  EXPECT_ERR(IoSet(kIoProcess, 0, -1), EINVAL);
}

TEST(IoPriority, OrderOfChecks) {
  EXPECT_ERR(IoSet(99, kNoSuchPid, IoPriority(5, 0)), EINVAL);
  EXPECT_ERR(IoSet(0, 0, IoPriority(kIoBe, 0)), EINVAL);
  EXPECT_ERR(IoSet(4, 0, IoPriority(kIoBe, 0)), EINVAL);
  EXPECT_ERR(IoGet(0, 0), EINVAL);
  EXPECT_ERR(IoGet(4, 0), EINVAL);
  for (const int which : {kIoProcess, kIoGroup}) {
    EXPECT_ERR(IoSet(which, kNoSuchPid, IoPriority(kIoBe, 0)), ESRCH);
    EXPECT_ERR(IoGet(which, kNoSuchPid), ESRCH);
  }
  EXPECT_ERR(IoSet(kIoUser, 0x7654321, IoPriority(kIoBe, 0)), ESRCH);
  EXPECT_ERR(IoGet(kIoUser, 0x7654321), ESRCH);
}

TEST(IoPriority, RealTimeIsForPrivileged) {
  st::NeedRoot();
  EXPECT_OK(IoSet(kIoProcess, 0, IoPriority(kIoRt, 3)));
  EXPECT_RET(IoGet(kIoProcess, 0), IoPriority(kIoRt, 3));
  EXPECT_CHILD_OK([] {
    st::DropToNobody();
    EXPECT_RET(IoGet(kIoProcess, 0), IoPriority(kIoRt, 3));
    EXPECT_ERR(IoSet(kIoProcess, kNoSuchPid, IoPriority(kIoRt, 3)), EPERM);
    EXPECT_OK(IoSet(kIoProcess, 0, IoPriority(kIoBe, 0)));
  });
}

TEST(IoPriority, GroupAndInheritance) {
  EXPECT_OK(IoSet(kIoProcess, 0, IoPriority(kIoBe, 5)));
  st::Pipe ready, done;
  const pid_t child = st::Spawn([&] {
    EXPECT_RET(IoGet(kIoProcess, 0), IoPriority(kIoBe, 5));
    EXPECT_OK(IoSet(kIoProcess, 0, IoPriority(kIoBe, 1)));
    MUST(write(ready.w, "r", 1));
    char c;
    MUST(read(done.r, &c, 1));
    EXPECT_RET(IoGet(kIoProcess, 0), IoPriority(kIoIdle, 0));
  });
  char c;
  MUST(read(ready.r, &c, 1));
  EXPECT_RET(IoGet(kIoProcess, 0), IoPriority(kIoBe, 5));
  EXPECT_RET(IoGet(kIoGroup, 0), IoPriority(kIoBe, 1));
  EXPECT_OK(IoSet(kIoGroup, 0, IoPriority(kIoIdle, 0)));
  EXPECT_RET(IoGet(kIoProcess, child), IoPriority(kIoIdle, 0));
  EXPECT_RET(IoGet(kIoProcess, 0), IoPriority(kIoIdle, 0));
  MUST(write(done.w, "d", 1));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(IoPriority, SharedByCloneIo) {
  EXPECT_OK(IoSet(kIoProcess, 0, IoPriority(kIoBe, 5)));
  const long child = MUST(syscall(SYS_clone, CLONE_IO | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (child == 0) {
    EXPECT_OK(IoSet(kIoProcess, 0, IoPriority(kIoBe, 7)));
    st::ExitChild();
  }
  EXPECT_EXITED(st::WaitStatus(static_cast<pid_t>(child)), 0);
  EXPECT_RET(IoGet(kIoProcess, 0), IoPriority(kIoBe, 7));
}

}  // namespace
