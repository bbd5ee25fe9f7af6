// POSIX message queues.
#include <limits.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/vfs.h>

#include <atomic>
#include <vector>

#include "test/syscalls/harness/test.h"

TOUCHES("mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr")

namespace {

// A name of the case's own; unlinked at its end.
class Name {
 public:
  explicit Name(const std::string& suffix = "") {
    text_ = "st-" + std::to_string(getpid()) + suffix;
    syscall(SYS_mq_unlink, text_.c_str());
  }
  ~Name() { syscall(SYS_mq_unlink, text_.c_str()); }
  operator const char*() const { return text_.c_str(); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

long Open(const char* name, int flags, mode_t mode = 0600, const mq_attr* attr = nullptr) {
  return syscall(SYS_mq_open, name, flags, mode, attr);
}
Fd New(const char* name, long messages = 2, long size = 16, int flags = O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK) {
  mq_attr attr = {};
  attr.mq_maxmsg = messages;
  attr.mq_msgsize = size;
  return Fd(MUST(Open(name, flags, 0600, &attr)));
}
long Send(int q, const char* text, unsigned priority = 0, const timespec* until = nullptr) {
  return syscall(SYS_mq_timedsend, q, text, strlen(text), priority, until);
}
// What it says, and its priority.
std::string Receive(int q, const timespec* until = nullptr) {
  char buf[64] = {};
  unsigned priority = 0;
  const long n = syscall(SYS_mq_timedreceive, q, buf, sizeof buf, &priority, until);
  if (n < 0) return st::ErrnoName(errno);
  return std::string(buf, static_cast<size_t>(n)) + "/" + std::to_string(priority);
}
timespec In(int ms) {
  const int64_t at = st::NowNs(CLOCK_REALTIME) + ms * 1'000'000LL;
  return {at / 1'000'000'000, at % 1'000'000'000};
}

TEST(Mqueue, OpenErrors) {
  Name name;
  EXPECT_ERR(Open(name, O_RDWR), ENOENT);
  EXPECT_ERR(Open("", O_RDWR | O_CREAT), ENOENT);
  EXPECT_ERR(Open("a/b", O_RDWR | O_CREAT), EACCES);
  EXPECT_ERR(Open("/a", O_RDWR | O_CREAT), EACCES);
  EXPECT_ERR(Open(".", O_RDWR), EACCES);
  EXPECT_ERR(Open("..", O_RDWR), EACCES);
  EXPECT_ERR(Open(std::string(256, 'x').c_str(), O_RDWR | O_CREAT), ENAMETOOLONG);
  EXPECT_ERR(Open(std::string(5000, 'x').c_str(), O_RDWR | O_CREAT), ENAMETOOLONG);
  EXPECT_ERR(Open(st::Bad<char>(), O_RDWR), EFAULT);
  EXPECT_ERR(Open(name, O_RDWR | O_CREAT, 0600, st::Bad<mq_attr>()), EFAULT);
  mq_attr attr = {};
  EXPECT_ERR(Open(name, O_RDWR | O_CREAT, 0600, &attr), EINVAL);
  attr.mq_maxmsg = 1;
  EXPECT_ERR(Open(name, O_RDWR | O_CREAT, 0600, &attr), EINVAL);
  attr.mq_msgsize = -1;
  EXPECT_ERR(Open(name, O_RDWR | O_CREAT, 0600, &attr), EINVAL);
  attr.mq_msgsize = 1 << 30;
  EXPECT_ERR(Open(name, O_RDWR | O_CREAT, 0600, &attr), EINVAL);
  Fd q = New(name);
  EXPECT_ERR(Open(name, O_RDWR | O_CREAT | O_EXCL), EEXIST);
  EXPECT_ERR(Open(name, O_RDWR | O_WRONLY), EINVAL);
  EXPECT_OK(Open(name, O_RDONLY | O_CREAT, 0600, &attr));  // of one that is there nothing is asked
}

TEST(Mqueue, DescriptorAndDefaults) {
  Name name;
  Fd q(MUST(Open(name, O_RDWR | O_CREAT, 0640)));
  EXPECT_EQ(fcntl(q, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(fcntl(q, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR);
  mq_attr attr = {};
  EXPECT_RET(syscall(SYS_mq_getsetattr, static_cast<int>(q), nullptr, &attr), 0);
  EXPECT_EQ(attr.mq_flags, 0);
  EXPECT_EQ(attr.mq_maxmsg, atoi(st::ReadFile("/proc/sys/fs/mqueue/msg_default").c_str()));
  EXPECT_EQ(attr.mq_msgsize, atoi(st::ReadFile("/proc/sys/fs/mqueue/msgsize_default").c_str()));
  EXPECT_EQ(attr.mq_curmsgs, 0);
  struct stat s;
  MUST(fstat(q, &s));
  EXPECT_EQ(s.st_size, 80);
  EXPECT_TRUE(S_ISREG(s.st_mode));
  EXPECT_EQ(s.st_uid, geteuid());
  struct statfs fs;
  MUST(fstatfs(q, &fs));
  EXPECT_EQ(fs.f_type, 0x19800202);
  char text[100] = {};
  EXPECT_RET(read(q, text, sizeof text), 60);
  EXPECT_EQ(std::string(text), std::string("QSIZE:0          NOTIFY:0     SIGNO:0     NOTIFY_PID:0     \n"));
  EXPECT_ERR(write(q, "x", 1), EINVAL);
}

TEST(Mqueue, PriorityThenOrder) {
  Name name;
  Fd q = New(name, 5);
  EXPECT_RET(Send(q, "a", 1), 0);
  EXPECT_RET(Send(q, "b", 32767), 0);
  EXPECT_RET(Send(q, "c", 1), 0);
  EXPECT_RET(Send(q, "", 0), 0);
  EXPECT_EQ(Receive(q), std::string("b/32767"));
  EXPECT_EQ(Receive(q), std::string("a/1"));
  EXPECT_EQ(Receive(q), std::string("c/1"));
  EXPECT_EQ(Receive(q), std::string("/0"));
  EXPECT_EQ(Receive(q), std::string("EAGAIN"));
}

TEST(Mqueue, SendAndReceiveErrors) {
  Name name;
  Fd q = New(name);
  Fd reader(MUST(Open(name, O_RDONLY | O_NONBLOCK))), writer(MUST(Open(name, O_WRONLY | O_NONBLOCK)));
  st::Pipe pipe;
  timespec bad = {0, 1'000'000'000}, negative = {-1, 0};
  char buf[16];
  EXPECT_ERR(Send(q, "x", 32768), EINVAL);
  EXPECT_ERR(Send(st::BadFd(), "x", 32768), EINVAL);
  EXPECT_ERR(Send(st::BadFd(), "x", 0, &bad), EINVAL);
  EXPECT_ERR(Send(st::BadFd(), "x", 0, &negative), EINVAL);
  EXPECT_ERR(Send(st::BadFd(), "x", 0, st::Bad<timespec>()), EFAULT);
  EXPECT_ERR(Send(st::BadFd(), "x"), EBADF);
  EXPECT_ERR(Send(pipe.w, "x"), EBADF);
  EXPECT_ERR(Send(reader, "x"), EBADF);
  EXPECT_ERR(Send(q, "12345678901234567"), EMSGSIZE);
  EXPECT_ERR(syscall(SYS_mq_timedsend, static_cast<int>(q), st::Bad<>(), 5, 0, nullptr), EFAULT);
  EXPECT_EQ(Receive(writer), std::string("EBADF"));
  EXPECT_EQ(Receive(pipe.r), std::string("EBADF"));
  EXPECT_ERR(syscall(SYS_mq_timedreceive, static_cast<int>(q), buf, 15, nullptr, nullptr), EMSGSIZE);
  EXPECT_ERR(syscall(SYS_mq_timedreceive, static_cast<int>(q), buf, 16, nullptr, nullptr), EAGAIN);
  EXPECT_RET(Send(q, "1"), 0);
  EXPECT_RET(Send(q, "2"), 0);
  EXPECT_ERR(Send(q, "3"), EAGAIN);
  EXPECT_ERR(syscall(SYS_mq_timedreceive, static_cast<int>(q), st::Bad<>(), 16, nullptr, nullptr), EFAULT);
  EXPECT_RET(syscall(SYS_mq_timedreceive, static_cast<int>(q), buf, 16, nullptr, nullptr), 1);
  EXPECT_EQ(buf[0], '2');  // the first was lost
}

TEST(Mqueue, TimeoutsAreAbsolute) {
  Name name;
  Fd q = New(name, 1, 16, O_RDWR | O_CREAT);
  const timespec past = {1, 0};
  EXPECT_EQ(Receive(q, &past), std::string("ETIMEDOUT"));
  const int64_t start = st::NowNs();
  const timespec soon = In(50);
  EXPECT_EQ(Receive(q, &soon), std::string("ETIMEDOUT"));
  EXPECT_GE(st::NowNs() - start, 45'000'000);
  EXPECT_RET(Send(q, "x", 0, &past), 0);  // need not wait
  EXPECT_ERR(Send(q, "y", 0, &past), ETIMEDOUT);
  EXPECT_EQ(Receive(q, &past), std::string("x/0"));
}

TEST(Mqueue, BlockedReceiversAreServedInOrder) {
  Name name;
  Fd q = New(name, 2, 16, O_RDWR | O_CREAT);
  st::Thread first([&] { EXPECT_EQ(Receive(q), std::string("a/3")); });
  st::WaitBlocked(getpid(), first.tid());
  st::Thread second([&] { EXPECT_EQ(Receive(q), std::string("b/9")); });
  st::WaitBlocked(getpid(), second.tid());
  EXPECT_RET(Send(q, "a", 3), 0);
  EXPECT_RET(Send(q, "b", 9), 0);
  first.Join();
  second.Join();
}

TEST(Mqueue, BlockedSenderGoesOn) {
  Name name;
  Fd q = New(name, 1, 16, O_RDWR | O_CREAT);
  EXPECT_RET(Send(q, "a"), 0);
  st::Thread sender([&] { EXPECT_RET(Send(q, "b", 7), 0); });
  st::WaitBlocked(getpid(), sender.tid());
  EXPECT_EQ(Receive(q), std::string("a/0"));
  EXPECT_EQ(Receive(q), std::string("b/7"));
  sender.Join();
}

void OnUsr1(int) {}

TEST(Mqueue, SignalInterrupts) {
  Name name;
  Fd q = New(name, 1, 16, O_RDWR | O_CREAT);
  const pid_t child = st::Spawn([&] {
    st::OnSignal(SIGUSR1, OnUsr1);
    EXPECT_EQ(Receive(q), std::string("EINTR"));
    st::OnSignal(SIGUSR1, OnUsr1, SA_RESTART);
    EXPECT_EQ(Receive(q), std::string("x/0"));
  });
  st::WaitBlocked(child);
  MUST(kill(child, SIGUSR1));
  st::SleepMs(20);
  st::WaitBlocked(child);
  MUST(kill(child, SIGUSR1));
  st::SleepMs(20);
  st::WaitBlocked(child);
  EXPECT_RET(Send(q, "x"), 0);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Mqueue, Attributes) {
  Name name;
  Fd q = New(name);
  EXPECT_RET(Send(q, "x"), 0);
  mq_attr old = {}, fresh = {};
  fresh.mq_flags = O_NONBLOCK | O_APPEND;
  EXPECT_ERR(syscall(SYS_mq_getsetattr, static_cast<int>(q), &fresh, &old), EINVAL);
  EXPECT_ERR(syscall(SYS_mq_getsetattr, st::BadFd(), nullptr, &old), EBADF);
  EXPECT_ERR(syscall(SYS_mq_getsetattr, 0, st::Bad<>(), &old), EFAULT);
  fresh.mq_flags = 0;
  fresh.mq_maxmsg = 99;  // ignored
  EXPECT_RET(syscall(SYS_mq_getsetattr, static_cast<int>(q), &fresh, &old), 0);
  EXPECT_EQ(old.mq_flags, O_NONBLOCK);
  EXPECT_EQ(old.mq_curmsgs, 1);
  EXPECT_EQ(fcntl(q, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_RET(syscall(SYS_mq_getsetattr, static_cast<int>(q), nullptr, &old), 0);
  EXPECT_EQ(old.mq_flags, 0);
  EXPECT_EQ(old.mq_maxmsg, 2);
}

TEST(Mqueue, UnlinkedQueueLivesOn) {
  Name name;
  Fd q = New(name);
  EXPECT_RET(syscall(SYS_mq_unlink, static_cast<const char*>(name)), 0);
  EXPECT_ERR(syscall(SYS_mq_unlink, static_cast<const char*>(name)), ENOENT);
  EXPECT_ERR(Open(name, O_RDWR), ENOENT);
  EXPECT_RET(Send(q, "x"), 0);
  EXPECT_EQ(Receive(q), std::string("x/0"));
  struct stat s;
  MUST(fstat(q, &s));
  EXPECT_EQ(s.st_nlink, 0u);
  Fd other = New(name);
  EXPECT_RET(Send(other, "y"), 0);
  EXPECT_EQ(Receive(q), std::string("EAGAIN"));
}

TEST(Mqueue, Permissions) {
  st::NeedRoot();
  Name name;
  Fd q = New(name);
  MUST(fchmod(q, 0604));
  EXPECT_CHILD_OK([&] {
    st::DropToNobody();
    EXPECT_ERR(Open(name, O_RDWR), EACCES);
    EXPECT_ERR(Open(name, O_WRONLY), EACCES);
    EXPECT_OK(Open(name, O_RDONLY));
    EXPECT_ERR(syscall(SYS_mq_unlink, static_cast<const char*>(name)), EPERM);
  });
}

TEST(Mqueue, UmaskApplies) {
  Name name;
  umask(027);
  Fd q(MUST(Open(name, O_RDWR | O_CREAT, 0666)));
  struct stat s;
  MUST(fstat(q, &s));
  EXPECT_EQ(s.st_mode & 07777, 0640u);
}

TEST(Mqueue, PollStates) {
  Name name;
  Fd q = New(name, 1);
  pollfd p = {q, POLLIN | POLLOUT, 0};
  EXPECT_RET(poll(&p, 1, 0), 1);
  EXPECT_EQ(p.revents, POLLOUT);
  EXPECT_RET(Send(q, "x"), 0);
  EXPECT_RET(poll(&p, 1, 0), 1);
  EXPECT_EQ(p.revents, POLLIN);
  p.events = POLLOUT;
  st::Thread poller([&] { EXPECT_RET(poll(&p, 1, 5000), 1); });
  st::WaitBlocked(getpid(), poller.tid());
  EXPECT_EQ(Receive(q), std::string("x/0"));
  poller.Join();
}

// --- Notification ---

siginfo_t told;
std::atomic<int> times;
void OnMessage(int, siginfo_t* info, void*) {
  told = *info;
  ++times;
}
long Notify(int q, int how, int signo = SIGUSR1, int value = 0) {
  sigevent event = {};
  event.sigev_notify = how;
  event.sigev_signo = signo;
  event.sigev_value.sival_int = value;
  return syscall(SYS_mq_notify, q, &event);
}

TEST(Mqueue, NotifyOnce) {
  Name name;
  Fd q = New(name);
  st::OnSignalInfo(SIGUSR1, OnMessage);
  EXPECT_RET(Notify(q, SIGEV_SIGNAL, SIGUSR1, 77), 0);
  EXPECT_ERR(Notify(q, SIGEV_SIGNAL), EBUSY);
  char text[100] = {};
  EXPECT_RET(pread(q, text, sizeof text, 0), 60);
  char want[100];
  snprintf(want, sizeof want, "QSIZE:0          NOTIFY:0     SIGNO:%-5d NOTIFY_PID:%-6d\n", SIGUSR1, getpid());
  EXPECT_EQ(std::string(text), std::string(want));
  EXPECT_RET(Send(q, "a"), 0);
  EXPECT_EQ(times.load(), 1);
  EXPECT_EQ(told.si_code, SI_MESGQ);
  EXPECT_EQ(told.si_pid, getpid());
  EXPECT_EQ(told.si_uid, getuid());
  EXPECT_EQ(told.si_value.sival_int, 77);
  EXPECT_RET(Send(q, "b"), 0);
  EXPECT_EQ(times.load(), 1);
  // Only a message into the empty queue counts.
  EXPECT_RET(Notify(q, SIGEV_SIGNAL), 0);
  EXPECT_EQ(Receive(q), std::string("a/0"));
  EXPECT_RET(Send(q, "c"), 0);
  EXPECT_EQ(times.load(), 1);
  EXPECT_RET(syscall(SYS_mq_notify, static_cast<int>(q), nullptr), 0);
  EXPECT_RET(Notify(q, SIGEV_NONE), 0);
}

TEST(Mqueue, NotifyErrors) {
  Name name;
  Fd q = New(name);
  EXPECT_ERR(Notify(st::BadFd(), SIGEV_SIGNAL), EBADF);
  EXPECT_ERR(Notify(st::BadFd(), SIGEV_SIGNAL, 65), EINVAL);
  EXPECT_ERR(Notify(st::BadFd(), 77), EINVAL);
  EXPECT_ERR(syscall(SYS_mq_notify, static_cast<int>(q), st::Bad<>()), EFAULT);
  EXPECT_ERR(Notify(q, SIGEV_THREAD, SIGUSR1), EFAULT);
  EXPECT_RET(syscall(SYS_mq_notify, static_cast<int>(q), nullptr), 0);
  st::Pipe pipe;
  EXPECT_ERR(Notify(pipe.r, SIGEV_SIGNAL), EBADF);
}

TEST(Mqueue, NotifyEndsWithClose) {
  Name name;
  Fd q = New(name);
  const pid_t child = st::Spawn([&] {
    EXPECT_RET(Notify(q, SIGEV_SIGNAL), 0);
    Fd other(MUST(Open(name, O_RDWR)));
    other.reset();  // any descriptor of the queue's
    EXPECT_RET(Notify(q, SIGEV_SIGNAL), 0);
  });
  EXPECT_EXITED(st::WaitStatus(child), 0);
  EXPECT_RET(Notify(q, SIGEV_NONE), 0);
}

TEST(Mqueue, BlockedReceiverComesBeforeNotification) {
  Name name;
  Fd q = New(name, 2, 16, O_RDWR | O_CREAT);
  st::OnSignalInfo(SIGUSR1, OnMessage);
  EXPECT_RET(Notify(q, SIGEV_SIGNAL), 0);
  st::Thread receiver([&] { EXPECT_EQ(Receive(q), std::string("a/0")); });
  st::WaitBlocked(getpid(), receiver.tid());
  EXPECT_RET(Send(q, "a"), 0);
  receiver.Join();
  EXPECT_EQ(times.load(), 0);
  EXPECT_RET(Send(q, "b"), 0);
  EXPECT_EQ(times.load(), 1);
}

// --- Limits ---

TEST(Mqueue, ByteLimit) {
  Name a("a"), b("b");
  rlimit limit = {};
  MUST(getrlimit(RLIMIT_MSGQUEUE, &limit));
  limit.rlim_cur = 1000;
  MUST(setrlimit(RLIMIT_MSGQUEUE, &limit));
  mq_attr attr = {};
  attr.mq_maxmsg = 1;
  attr.mq_msgsize = 1000 - 96 + 1;  // a message costs 48 bytes, its place 48
  EXPECT_ERR(Open(a, O_RDWR | O_CREAT, 0600, &attr), EMFILE);
}

TEST(Mqueue, Sysctls) {
  for (const char* name : {"queues_max", "msg_max", "msgsize_max", "msg_default", "msgsize_default"}) {
    const std::string path = std::string("/proc/sys/fs/mqueue/") + name;
    EXPECT_GT(atoi(st::ReadFile(path).c_str()), 0);
    EXPECT_EQ(st::StatOf(path).st_mode & 0777, 0644u);
  }
}

TEST(Mqueue, FileSystem) {
  st::NeedRoot();
  Name name, other("x");
  Fd q = New(name);
  EXPECT_CHILD_OK([&] {
    MUST(unshare(CLONE_NEWNS));
    MUST(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
    const std::string dir = st::Tmp("m");
    MUST(mkdir(dir.c_str(), 0700));
    MUST(mount("none", dir.c_str(), "mqueue", 0, nullptr));
    EXPECT_EQ(st::StatOf(dir).st_mode & 07777, 01777u);
    EXPECT_RET(Send(q, "hello"), 0);
    const std::string file = dir + "/" + name.text();
    EXPECT_EQ(st::ReadFile(file).substr(0, 17), std::string("QSIZE:5          "));
    Fd made(MUST(open((dir + "/" + other.text()).c_str(), O_RDWR | O_CREAT, 0600)));
    EXPECT_RET(Send(made, "x"), 0);
    Fd same(MUST(Open(other, O_RDONLY | O_NONBLOCK)));
    char buf[16384];
    EXPECT_RET(syscall(SYS_mq_timedreceive, static_cast<int>(same), buf, sizeof buf, nullptr, nullptr), 1);
    EXPECT_RET(unlink(file.c_str()), 0);
    EXPECT_ERR(Open(name, O_RDWR), ENOENT);
    EXPECT_ERR(mkdir((dir + "/d").c_str(), 0700), EPERM);
    EXPECT_RET(unlink((dir + "/" + other.text()).c_str()), 0);
  });
}

TEST(Mqueue, OfTheIpcNamespace) {
  st::NeedRoot();
  Name name;
  Fd q = New(name);
  const std::string limit = "/proc/sys/fs/mqueue/msg_max", outside = st::ReadFile(limit);
  EXPECT_CHILD_OK([&] {
    MUST(unshare(CLONE_NEWIPC | CLONE_NEWNS));
    EXPECT_ERR(Open(name, O_RDONLY), ENOENT);
    Fd inner = New(name);
    EXPECT_RET(Send(inner, "in"), 0);
    EXPECT_RET(Send(q, "out"), 0);  // an open queue stays what it was
    EXPECT_EQ(Receive(inner), std::string("in/0"));
    EXPECT_EQ(st::ReadFile(limit), std::string("10\n"));
    MUST(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
    const std::string dir = st::Tmp("i");
    MUST(mkdir(dir.c_str(), 0700));
    MUST(mount("none", dir.c_str(), "mqueue", 0, nullptr));
    EXPECT_EQ(st::ReadFile(dir + "/" + name.text()).substr(0, 8), std::string("QSIZE:0 "));
  });
  EXPECT_EQ(Receive(q), std::string("out/0"));
  EXPECT_EQ(st::ReadFile(limit), outside);
}

}  // namespace
