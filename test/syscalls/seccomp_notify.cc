// seccomp: calls that a filter leaves to another process (man 2 seccomp_unotify).
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <atomic>

#include "test/syscalls/harness/test.h"

TOUCHES("seccomp", "ioctl", "poll")

namespace {

// All getppid calls go to the listener.
long Listen(unsigned flags = 0) {
  MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
                        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
                        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  sock_fprog program = {4, code};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | flags, &program);
}

seccomp_notif Receive(int listener) {
  seccomp_notif call = {};
  MUST(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call));
  return call;
}

int Answer(int listener, uint64_t id, int64_t value, int error, unsigned flags = 0) {
  seccomp_notif_resp answer = {id, value, error, flags};
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

TEST(SeccompNotify, ListenerDescriptor) {
  Fd listener(MUST(Listen()));
  EXPECT_EQ(fcntl(listener, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(fcntl(listener, F_GETFL) & O_ACCMODE, O_RDWR);
  char link[64] = {};
  MUST(readlink(("/proc/self/fd/" + std::to_string(listener)).c_str(), link, sizeof link - 1));
  EXPECT_EQ(std::string(link), std::string("anon_inode:seccomp notify"));
  char c;
  EXPECT_ERR(read(listener, &c, 1), EINVAL);
  EXPECT_ERR(ioctl(listener, 0x2104), EINVAL);
  // One listener on a way.
  EXPECT_ERR(Listen(), EBUSY);
}

TEST(SeccompNotify, ValueErrorAndContinue) {
  Fd listener(MUST(Listen()));
  const pid_t parent = getpid();
  const pid_t child = st::Spawn([parent] {
    EXPECT_RET(syscall(SYS_getppid, 1, 2, 3, 4, 5, 6), 4711);
    EXPECT_ERR(syscall(SYS_getppid), EDOM);
    EXPECT_RET(syscall(SYS_getppid), parent);
  });
  seccomp_notif call = Receive(listener);
  EXPECT_EQ(call.pid, static_cast<unsigned>(child));
  EXPECT_EQ(call.flags, 0u);
  EXPECT_EQ(call.data.nr, SYS_getppid);
  for (unsigned i = 0; i < 6; ++i) EXPECT_EQ(call.data.args[i], i + 1u);
  uint64_t id = call.id;
  EXPECT_RET(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id), 0);
  EXPECT_RET(Answer(listener, id, 4711, 0), 0);
  call = Receive(listener);
  EXPECT_NE(call.id, id);
  EXPECT_RET(Answer(listener, call.id, 0, -EDOM), 0);
  call = Receive(listener);
  EXPECT_RET(Answer(listener, call.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE), 0);
  EXPECT_EXITED(st::WaitStatus(child), 0);
  EXPECT_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id), ENOENT);
}

TEST(SeccompNotify, Errors) {
  Fd listener(MUST(Listen()));
  const pid_t child = st::Spawn([] { syscall(SYS_getppid); });
  st::WaitBlocked(child);
  seccomp_notif call = {};
  call.pid = 1;
  EXPECT_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call), EINVAL);
  EXPECT_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, st::Bad<>()), EFAULT);
  EXPECT_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, st::Bad<>()), EFAULT);
  EXPECT_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, st::Bad<>()), EFAULT);
  call = Receive(listener);
  EXPECT_ERR(Answer(listener, call.id, 0, 0, 2), EINVAL);
  EXPECT_ERR(Answer(listener, call.id, 1, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE), EINVAL);
  EXPECT_ERR(Answer(listener, call.id, 0, -1, SECCOMP_USER_NOTIF_FLAG_CONTINUE), EINVAL);
  EXPECT_ERR(Answer(listener, call.id + 1, 0, 0), ENOENT);
  EXPECT_RET(Answer(listener, call.id, 0, 0), 0);
  EXPECT_EXITED(st::WaitStatus(child), 0);
  EXPECT_ERR(Answer(listener, call.id, 0, 0), ENOENT);
}

TEST(SeccompNotify, PollStates) {
  Fd listener(MUST(Listen()));
  pollfd p = {listener, POLLIN | POLLOUT, 0};
  EXPECT_RET(poll(&p, 1, 0), 0);
  const pid_t child = st::Spawn([] { syscall(SYS_getppid); });
  EXPECT_RET(poll(&p, 1, 5000), 1);
  EXPECT_EQ(p.revents, POLLIN);
  const seccomp_notif call = Receive(listener);
  EXPECT_RET(poll(&p, 1, 5000), 1);
  EXPECT_EQ(p.revents, POLLOUT);
  EXPECT_RET(Answer(listener, call.id, 0, 0), 0);
  EXPECT_EXITED(st::WaitStatus(child), 0);
  EXPECT_RET(poll(&p, 1, 0), 0);
}

TEST(SeccompNotify, HangUpWithoutTasks) {
  st::SockPair s(SOCK_STREAM);
  // Its number is the same in both: the table is shared until the child leaves.
  auto* number = st::SharedValue<std::atomic<int>>();
  const pid_t child = static_cast<pid_t>(MUST(syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0)));
  if (child == 0) {
    *number = static_cast<int>(Listen());
    _exit(0);
  }
  EXPECT_EXITED(st::WaitStatus(child), 0);
  ASSERT_TRUE(number->load() > 0);
  Fd listener(number->load());
  pollfd p = {listener, POLLIN | POLLOUT, 0};
  EXPECT_RET(poll(&p, 1, 5000), 1);
  EXPECT_EQ(p.revents, POLLHUP);
}

TEST(SeccompNotify, ClosedListenerIsEnosys) {
  Fd listener(MUST(Listen()));
  const pid_t child = st::Spawn([&] {
    listener.reset();
    EXPECT_ERR(syscall(SYS_getppid), ENOSYS);  // it waited
    EXPECT_ERR(syscall(SYS_getppid), ENOSYS);
  });
  (void)Receive(listener);
  listener.reset();
  EXPECT_EXITED(st::WaitStatus(child), 0);
  // Nobody listens any more, so another may.
  EXPECT_OK(Listen());
}

TEST(SeccompNotify, BlockedReceiverWakes) {
  Fd listener(MUST(Listen()));
  st::Pipe go;
  const pid_t child = st::Spawn([&] {
    char c;
    MUST(read(go.r, &c, 1));
    EXPECT_RET(syscall(SYS_getppid), 9);
  });
  st::Thread supervisor([&] {
    const seccomp_notif call = Receive(listener);
    EXPECT_RET(Answer(listener, call.id, 9, 0), 0);
  });
  st::WaitBlocked(getpid(), supervisor.tid());
  MUST(write(go.w, "x", 1));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

std::atomic<int> signals;
void OnUsr1(int) { ++signals; }

TEST(SeccompNotify, SignalTakesTheCallBack) {
  Fd listener(MUST(Listen()));
  const pid_t child = st::Spawn([] {
    st::OnSignal(SIGUSR1, OnUsr1);
    EXPECT_ERR(syscall(SYS_getppid), EINTR);
    EXPECT_EQ(signals.load(), 1);
    st::OnSignal(SIGUSR1, OnUsr1, SA_RESTART);
    EXPECT_RET(syscall(SYS_getppid), 5);  // asked twice
    EXPECT_EQ(signals.load(), 2);
  });
  seccomp_notif call = Receive(listener);
  MUST(kill(child, SIGUSR1));
  uint64_t id = call.id;
  EXPECT_TRUE(st::WaitUntil([&] { return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) != 0; }));
  EXPECT_ERR(Answer(listener, id, 0, 0), ENOENT);
  call = Receive(listener);
  MUST(kill(child, SIGUSR1));
  id = call.id;
  call = Receive(listener);
  EXPECT_NE(call.id, id);
  EXPECT_RET(Answer(listener, call.id, 5, 0), 0);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(SeccompNotify, KillTakesTheCallBack) {
  Fd listener(MUST(Listen()));
  const pid_t child = st::Spawn([] { syscall(SYS_getppid); });
  const seccomp_notif call = Receive(listener);
  MUST(kill(child, SIGKILL));
  EXPECT_SIGNALED(st::WaitStatus(child), SIGKILL);
  EXPECT_ERR(Answer(listener, call.id, 0, 0), ENOENT);
}

TEST(SeccompNotify, WaitKillable) {
  const long made = Listen(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
  if (made < 0 && errno == EINVAL) SKIP("needs Linux 5.19");
  Fd listener(MUST(made));
  const pid_t child = st::Spawn([] {
    st::OnSignal(SIGUSR1, OnUsr1);
    EXPECT_RET(syscall(SYS_getppid), 5);
    EXPECT_EQ(signals.load(), 1);
  });
  const seccomp_notif call = Receive(listener);
  MUST(kill(child, SIGUSR1));
  st::SleepMs(50);
  EXPECT_RET(Answer(listener, call.id, 5, 0), 0);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(SeccompNotify, WaitKillableNeedsListener) {
  MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  sock_fprog program = {1, &allow};
  EXPECT_ERR(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program), EINVAL);
}

// --- Descriptors for the caller ---

int AddFd(int listener, seccomp_notif_addfd add) { return ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add); }

TEST(SeccompNotify, AddFd) {
  Fd listener(MUST(Listen()));
  st::WriteFile(st::Tmp("f"), "hello");
  Fd file(MUST(open(st::Tmp("f").c_str(), O_RDONLY)));
  const pid_t child = st::Spawn([&] {
    file.reset();
    const long fd = syscall(SYS_getppid);
    EXPECT_GE(fd, 0);
    EXPECT_EQ(fcntl(static_cast<int>(fd), F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(st::ReadAll(static_cast<int>(fd)), std::string("hello"));
    EXPECT_RET(syscall(SYS_getppid), 100);
    EXPECT_EQ(fcntl(100, F_GETFD), 0);
  });
  seccomp_notif call = Receive(listener);
  const auto source = static_cast<unsigned>(static_cast<int>(file));
  const int fd = AddFd(listener, {call.id, 0, source, 0, O_CLOEXEC});
  EXPECT_GE(fd, 0);
  EXPECT_RET(Answer(listener, call.id, fd, 0), 0);
  call = Receive(listener);
  EXPECT_RET(AddFd(listener, {call.id, SECCOMP_ADDFD_FLAG_SETFD | SECCOMP_ADDFD_FLAG_SEND, source, 100, 0}), 100);
  EXPECT_EXITED(st::WaitStatus(child), 0);
  EXPECT_ERR(AddFd(listener, {call.id, 0, source, 0, 0}), ENOENT);
}

TEST(SeccompNotify, AddFdErrors) {
  Fd listener(MUST(Listen()));
  const pid_t child = st::Spawn([] { syscall(SYS_getppid); });
  const seccomp_notif call = Receive(listener);
  EXPECT_ERR(ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, st::Bad<>()), EFAULT);
  EXPECT_ERR(AddFd(listener, {call.id, 0, 0, 0, O_NONBLOCK}), EINVAL);
  EXPECT_ERR(AddFd(listener, {call.id, 4, 0, 0, 0}), EINVAL);
  EXPECT_ERR(AddFd(listener, {call.id, 0, 0, 5, 0}), EINVAL);
  EXPECT_ERR(AddFd(listener, {call.id, 0, 1000000, 0, 0}), EBADF);
  EXPECT_ERR(AddFd(listener, {call.id + 1, 0, 0, 0, 0}), ENOENT);
  EXPECT_ERR(AddFd(listener, {call.id, SECCOMP_ADDFD_FLAG_SETFD, 0, 1u << 30, 0}), EBADF);
  // Shorter than its first version.
  seccomp_notif_addfd add = {call.id, 0, 0, 0, 0};
  EXPECT_ERR(ioctl(listener, _IOC(_IOC_WRITE, '!', 3, 16), &add), EINVAL);
  EXPECT_RET(Answer(listener, call.id, 0, 0), 0);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

}  // namespace
