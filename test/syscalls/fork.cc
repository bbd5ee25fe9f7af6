// fork, vfork, clone, clone3: what is shared and what is copied.
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>

#include "test/syscalls/harness/test.h"

TOUCHES("fork", "vfork", "clone", "clone3", "getpid", "getppid", "gettid", "set_tid_address", "exit_group", "unshare")

namespace {

long RawClone(unsigned long flags, void* stack = nullptr, int* ptid = nullptr, int* ctid = nullptr) {
  return syscall(SYS_clone, flags, stack, ptid, ctid, 0);
}

TEST(Fork, IdsOfParentAndChild) {
  pid_t self = getpid();
  pid_t child = static_cast<pid_t>(syscall(SYS_fork));
  if (child == 0) {
    EXPECT_EQ(getppid(), self);
    EXPECT_NE(getpid(), self);
    EXPECT_EQ(st::GetTid(), getpid());
    st::ExitChild();
  }
  ASSERT_TRUE(child > 0);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Fork, MemoryIsCopied) {
  static int value = 1;
  EXPECT_CHILD_OK([] {
    EXPECT_EQ(value, 1);
    value = 2;
  });
  EXPECT_EQ(value, 1);
}

TEST(Fork, DescriptorsShareOffsetsButNotTheTable) {
  Fd fd(MUST(open(st::Tmp("f").c_str(), O_RDWR | O_CREAT, 0600)));
  EXPECT_CHILD_OK([&] {
    MUST(write(fd, "abc", 3));
    fd.reset();
  });
  EXPECT_RET(lseek(fd, 0, SEEK_CUR), 3);
}

TEST(Fork, CwdAndUmaskAreCopied) {
  umask(077);
  MUST(chdir("/"));
  EXPECT_CHILD_OK([] {
    EXPECT_EQ(umask(0), 077u);
    MUST(chdir("/proc"));
  });
  char b[64];
  EXPECT_EQ(std::string(getcwd(b, sizeof b)), "/");
  EXPECT_EQ(umask(0), 077u);
}

TEST(Fork, PendingSignalsAreNotInherited) {
  st::BlockSignal(SIGUSR1);
  MUST(raise(SIGUSR1));
  EXPECT_CHILD_OK([] {
    sigset_t p, m;
    MUST(sigpending(&p));
    EXPECT_FALSE(sigismember(&p, SIGUSR1));
    MUST(sigprocmask(SIG_BLOCK, nullptr, &m));
    EXPECT_TRUE(sigismember(&m, SIGUSR1));  // the mask is
  });
}

TEST(Fork, HandlersAreInherited) {
  static volatile sig_atomic_t seen;
  st::OnSignal(SIGUSR2, [](int) { seen = 1; });
  EXPECT_CHILD_OK([] {
    MUST(raise(SIGUSR2));
    EXPECT_EQ(seen, 1);
  });
  EXPECT_EQ(seen, 0);
}

TEST(Fork, OnlyTheCallingThreadLives) {
  st::Pipe p;
  st::Thread t([&] {
    char c;
    MUST(read(p.r, &c, 1));
  });
  EXPECT_CHILD_OK([] { EXPECT_EQ(st::ReadFile("/proc/self/stat").find(" 1 0 ") != std::string::npos, true); });
  MUST(write(p.w, "x", 1));
  t.Join();
}

TEST(Fork, ManyChildrenExitTheirWay) {
  pid_t kids[50];
  for (int i = 0; i < 50; i++) kids[i] = st::Spawn([i] { _exit(i); });
  for (int i = 49; i >= 0; i--) EXPECT_EXITED(st::WaitStatus(kids[i]), i);
  EXPECT_ERR(waitpid(-1, nullptr, 0), ECHILD);
}

TEST(Vfork, ParentWaitsForExit) {
  static volatile int value = 0;
  pid_t child = vfork();
  if (child == 0) {
    value = 7;  // the memory is shared
    _exit(3);
  }
  EXPECT_EQ(value, 7);
  EXPECT_EXITED(st::WaitStatus(child), 3);
}

TEST(Vfork, ParentWaitsForExec) {
  pid_t child = vfork();
  if (child == 0) {
    char* const argv[] = {const_cast<char*>("st-helper:vfork_exit"), nullptr};
    execv(st::SelfExe(), argv);
    _exit(99);
  }
  EXPECT_EXITED(st::WaitStatus(child), 44);
}

HELPER(vfork_exit) { return 44; }

TEST(Clone, FlagErrors) {
  EXPECT_ERR(RawClone(CLONE_SIGHAND | SIGCHLD), EINVAL);            // without VM
  EXPECT_ERR(RawClone(CLONE_THREAD | CLONE_VM | SIGCHLD), EINVAL);  // without SIGHAND
  EXPECT_ERR(RawClone(CLONE_FS | CLONE_NEWNS | SIGCHLD), EINVAL);
}

TEST(Clone, SetsTids) {
  int parent_tid = 0;
  int* child_tid = st::SharedValue<int>();
  long pid = RawClone(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, nullptr, &parent_tid, child_tid);
  if (pid == 0) _exit(0);
  ASSERT_TRUE(pid > 0);
  EXPECT_EQ(parent_tid, pid);
  EXPECT_EXITED(st::WaitStatus(static_cast<pid_t>(pid)), 0);
  EXPECT_EQ(*child_tid, pid);
}

TEST(Clone, ClearTidZeroes) {
  static int tid = 123;
  static char stack[65536];
  int pid = clone([](void*) { return 0; }, stack + sizeof stack, CLONE_CHILD_CLEARTID | CLONE_VM | SIGCHLD, nullptr,
                  nullptr, nullptr, &tid);
  ASSERT_TRUE(pid > 0);
  EXPECT_EXITED(st::WaitStatus(pid), 0);
  EXPECT_EQ(__atomic_load_n(&tid, __ATOMIC_SEQ_CST), 0);
}

TEST(Clone, SharedFilesAndFs) {
  long pid = RawClone(CLONE_FILES | CLONE_FS | SIGCHLD);
  if (pid == 0) {
    dup2(0, 123);
    if (chdir("/proc") != 0) _exit(1);
    _exit(0);
  }
  EXPECT_EXITED(st::WaitStatus(static_cast<pid_t>(pid)), 0);
  EXPECT_OK(fcntl(123, F_GETFD));
  char b[64];
  EXPECT_EQ(std::string(getcwd(b, sizeof b)), "/proc");
}

TEST(Clone, ParentFlagMakesASibling) {
  pid_t child = st::Spawn([] {
    pid_t want = getppid();
    long pid = RawClone(CLONE_PARENT | SIGCHLD);
    if (pid == 0) {
      EXPECT_EQ(getppid(), want);
      st::ExitChild();
    }
    EXPECT_ERR(waitpid(static_cast<pid_t>(pid), nullptr, 0), ECHILD);
  });
  EXPECT_EXITED(st::WaitStatus(child), 0);
  EXPECT_TRUE(waitpid(-1, nullptr, 0) > 0);
}

TEST(Clone, OtherExitSignalNeedsWclone) {
  long pid = RawClone(0);  // no signal at all
  if (pid == 0) _exit(6);
  EXPECT_ERR(waitpid(static_cast<pid_t>(pid), nullptr, 0), ECHILD);
  int status = 0;
  EXPECT_RET(waitpid(static_cast<pid_t>(pid), &status, __WALL), pid);
  EXPECT_EXITED(status, 6);
}

TEST(Clone3, WorksAsForkAndGivesPidfd) {
  int pidfd = -1;
  struct clone_args a = {};
  a.flags = CLONE_PIDFD;
  a.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  a.exit_signal = SIGCHLD;
  long pid = syscall(SYS_clone3, &a, sizeof a);
  if (pid == 0) _exit(9);
  ASSERT_TRUE(pid > 0);
  EXPECT_GE(pidfd, 0);
  EXPECT_EQ(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
  EXPECT_EXITED(st::WaitStatus(static_cast<pid_t>(pid)), 9);
}

TEST(Clone3, Errors) {
  struct clone_args a = {};
  a.exit_signal = SIGCHLD;
  EXPECT_ERR(syscall(SYS_clone3, &a, 8), EINVAL);
  EXPECT_ERR(syscall(SYS_clone3, st::Bad(), sizeof a), EFAULT);
  a.exit_signal = 100;
  EXPECT_ERR(syscall(SYS_clone3, &a, sizeof a), EINVAL);
  a.exit_signal = SIGCHLD;
  a.flags = CLONE_SIGHAND;
  EXPECT_ERR(syscall(SYS_clone3, &a, sizeof a), EINVAL);
  a.flags = 0;
  a.stack = 4096;  // a stack needs a size
  EXPECT_ERR(syscall(SYS_clone3, &a, sizeof a), EINVAL);
}

TEST(Unshare, FilesAndFs) {
  st::Thread t([] {
    MUST(unshare(CLONE_FILES | CLONE_FS));
    MUST(dup2(0, 90));
    MUST(chdir("/proc"));
  });
  t.Join();
  EXPECT_ERR(fcntl(90, F_GETFD), EBADF);
  char b[4096];
  EXPECT_NE(std::string(getcwd(b, sizeof b)), "/proc");
  EXPECT_ERR(unshare(static_cast<int>(0x40)), EINVAL);
}

TEST(SetTidAddress, ReturnsTid) {
  EXPECT_CHILD_OK([] {
    static int tid;
    EXPECT_RET(syscall(SYS_set_tid_address, &tid), getpid());
  });
}

}  // namespace
