// System V message queues.
#include <limits.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <time.h>

#include <vector>

#include "test/syscalls/harness/test.h"

TOUCHES("msgget", "msgsnd", "msgrcv", "msgctl")

namespace {

constexpr int kCopy = 040000, kStatAny = 13;  // MSG_COPY, MSG_STAT_ANY

struct Message {
  long type;
  char text[64];
};

// A queue of the case's own; removed at its end.
class Queue {
 public:
  explicit Queue(int mode = 0600) : id_(MUST(msgget(IPC_PRIVATE, mode))) {}
  Queue(const Queue&) = delete;
  ~Queue() { msgctl(id_, IPC_RMID, nullptr); }
  operator int() const { return id_; }

 private:
  const int id_;
};

int Send(int id, long type, const std::string& text, int flags = IPC_NOWAIT) {
  Message m = {type, {}};
  memcpy(m.text, text.data(), text.size());
  return msgsnd(id, &m, text.size(), flags);
}
// "type/text", or the error.
std::string Receive(int id, long type = 0, int flags = IPC_NOWAIT, size_t size = 64) {
  Message m = {};
  const ssize_t n = msgrcv(id, &m, size, type, flags);
  if (n < 0) return st::ErrnoName(errno);
  return std::to_string(m.type) + "/" + std::string(m.text, static_cast<size_t>(n));
}
msqid_ds StatOf(int id) {
  msqid_ds stat = {};
  EXPECT_RET(msgctl(id, IPC_STAT, &stat), 0);
  return stat;
}
int SetBytes(int id, size_t bytes) {
  msqid_ds stat = StatOf(id);
  stat.msg_qbytes = bytes;
  return msgctl(id, IPC_SET, &stat);
}
key_t OwnKey() { return 0x4d000000 + getpid(); }

TEST(SysvMsg, Keys) {
  EXPECT_ERR(msgget(OwnKey(), 0600), ENOENT);
  const int id = MUST(msgget(OwnKey(), IPC_CREAT | IPC_EXCL | 0600));
  EXPECT_RET(msgget(OwnKey(), 0), id);
  EXPECT_RET(msgget(OwnKey(), IPC_CREAT | 0600), id);
  EXPECT_ERR(msgget(OwnKey(), IPC_CREAT | IPC_EXCL), EEXIST);
  EXPECT_RET(msgctl(id, IPC_RMID, nullptr), 0);
  EXPECT_ERR(msgctl(id, IPC_RMID, nullptr), EINVAL);
  EXPECT_ERR(Send(id, 1, "x"), EINVAL);
}

TEST(SysvMsg, SendErrors) {
  Queue queue;
  Message m = {0, {}};
  EXPECT_ERR(msgsnd(-1, st::Bad(), 1, 0), EFAULT);
  EXPECT_ERR(msgsnd(queue, &m, 1, 0), EINVAL);
  m.type = -1;
  EXPECT_ERR(msgsnd(queue, &m, 1, 0), EINVAL);
  m.type = 1;
  EXPECT_ERR(msgsnd(-1, &m, 1, 0), EINVAL);
  EXPECT_ERR(msgsnd(INT_MAX, &m, 1, 0), EINVAL);
  EXPECT_ERR(msgsnd(queue, &m, static_cast<size_t>(-1), 0), EINVAL);
  std::vector<char> big(8 + 8193);
  big[0] = 1;
  EXPECT_ERR(msgsnd(queue, big.data(), 8193, 0), EINVAL);
  EXPECT_RET(msgsnd(queue, big.data(), 8192, 0), 0);
  EXPECT_ERR(msgsnd(queue, st::BadAddr() - 8, 1, 0), EFAULT);
}

TEST(SysvMsg, ReceiveErrors) {
  Queue queue;
  EXPECT_EQ(Receive(-1), "EINVAL");
  EXPECT_EQ(Receive(INT_MAX), "EINVAL");
  EXPECT_EQ(Receive(queue), "ENOMSG");
  EXPECT_ERR(msgrcv(queue, nullptr, static_cast<size_t>(-1), 0, 0), EINVAL);
  EXPECT_RET(Send(queue, 1, "hello"), 0);
  EXPECT_EQ(Receive(queue, 0, IPC_NOWAIT, 4), "E2BIG");
  EXPECT_EQ(Receive(queue, 0, IPC_NOWAIT | MSG_NOERROR, 4), "1/hell");
  EXPECT_EQ(Receive(queue), "ENOMSG");
  EXPECT_RET(Send(queue, 1, ""), 0);
  EXPECT_EQ(Receive(queue, 0, IPC_NOWAIT, 0), "1/");
  // It is lost.
  EXPECT_RET(Send(queue, 1, "x"), 0);
  EXPECT_ERR(msgrcv(queue, st::Bad(), 64, 0, IPC_NOWAIT), EFAULT);
  EXPECT_EQ(Receive(queue), "ENOMSG");
}

TEST(SysvMsg, Types) {
  Queue queue;
  for (const long type : {5L, 3L, 9L, 3L}) EXPECT_RET(Send(queue, type, std::to_string(type)), 0);
  EXPECT_EQ(Receive(queue, 4), "ENOMSG");
  EXPECT_EQ(Receive(queue, 9), "9/9");
  EXPECT_EQ(Receive(queue, -2), "ENOMSG");
  EXPECT_EQ(Receive(queue, -9), "3/3");
  EXPECT_EQ(Receive(queue, 5, IPC_NOWAIT | MSG_EXCEPT), "3/3");
  EXPECT_EQ(Receive(queue, 5, IPC_NOWAIT | MSG_EXCEPT), "ENOMSG");
  EXPECT_EQ(Receive(queue, LONG_MIN), "5/5");
}

TEST(SysvMsg, Copies) {
  Queue queue;
  EXPECT_RET(Send(queue, 5, "one"), 0);
  EXPECT_RET(Send(queue, 7, "two"), 0);
  if (Receive(queue, 0, IPC_NOWAIT | kCopy) == "ENOSYS") SKIP("a kernel without MSG_COPY");
  EXPECT_EQ(Receive(queue, 1, IPC_NOWAIT | kCopy), "7/two");
  EXPECT_EQ(Receive(queue, 2, IPC_NOWAIT | kCopy), "ENOMSG");
  EXPECT_EQ(Receive(queue, -1, IPC_NOWAIT | kCopy), "ENOMSG");
  EXPECT_EQ(Receive(queue, 0, kCopy), "EINVAL");
  EXPECT_EQ(Receive(queue, 0, IPC_NOWAIT | kCopy | MSG_EXCEPT), "EINVAL");
  EXPECT_EQ(Receive(queue, 0, IPC_NOWAIT | kCopy, 2), "E2BIG");
  EXPECT_EQ(Receive(queue, 0, IPC_NOWAIT | kCopy | MSG_NOERROR, 2), "EINVAL");
  EXPECT_ERR(msgrcv(INT_MAX, st::Bad(), 64, 0, IPC_NOWAIT | kCopy), EFAULT);
  EXPECT_EQ(Receive(queue), "5/one");
}

TEST(SysvMsg, WaitsForAMessage) {
  Queue queue;
  const pid_t typed = st::Spawn([&] { EXPECT_EQ(Receive(queue, 2, 0), "2/b"); });
  st::WaitBlocked(typed);
  const pid_t any = st::Spawn([&] { EXPECT_EQ(Receive(queue, 0, 0), "1/a"); });
  st::WaitBlocked(any);
  EXPECT_RET(Send(queue, 1, "a"), 0);
  EXPECT_EXITED(st::WaitStatus(any), 0);
  EXPECT_EQ(StatOf(queue).msg_qnum, 0u);
  EXPECT_EQ(StatOf(queue).msg_lrpid, any);
  EXPECT_RET(Send(queue, 2, "b"), 0);
  EXPECT_EXITED(st::WaitStatus(typed), 0);
  EXPECT_EQ(StatOf(queue).msg_lspid, getpid());
}

TEST(SysvMsg, TooLongForWhoWaits) {
  Queue queue;
  const pid_t small = st::Spawn([&] { EXPECT_EQ(Receive(queue, 0, 0, 2), "E2BIG"); });
  st::WaitBlocked(small);
  EXPECT_RET(Send(queue, 1, "long"), 0);
  EXPECT_EXITED(st::WaitStatus(small), 0);
  EXPECT_EQ(Receive(queue), "1/long");
}

TEST(SysvMsg, FullQueue) {
  Queue queue;
  EXPECT_RET(SetBytes(queue, 4), 0);
  EXPECT_ERR(Send(queue, 1, "12345"), EAGAIN);
  EXPECT_RET(Send(queue, 1, "1234"), 0);
  EXPECT_ERR(Send(queue, 1, "5"), EAGAIN);
  EXPECT_RET(Send(queue, 2, ""), 0);
  const pid_t sender = st::Spawn([&] { EXPECT_RET(Send(queue, 3, "56", 0), 0); });
  st::WaitBlocked(sender);
  EXPECT_EQ(Receive(queue, 2), "2/");
  EXPECT_EQ(Receive(queue), "1/1234");
  EXPECT_EXITED(st::WaitStatus(sender), 0);
  EXPECT_EQ(Receive(queue), "3/56");
  // Messages without bytes count too.
  for (int i = 0; i < 4; ++i) EXPECT_RET(Send(queue, 1, ""), 0);
  EXPECT_ERR(Send(queue, 1, ""), EAGAIN);
}

TEST(SysvMsg, RoomByControl) {
  Queue queue;
  EXPECT_RET(SetBytes(queue, 1), 0);
  EXPECT_RET(Send(queue, 1, "1"), 0);
  const pid_t sender = st::Spawn([&] { EXPECT_RET(Send(queue, 2, "2", 0), 0); });
  st::WaitBlocked(sender);
  EXPECT_RET(SetBytes(queue, 2), 0);
  EXPECT_EXITED(st::WaitStatus(sender), 0);
  EXPECT_EQ(StatOf(queue).__msg_cbytes, 2u);
}

TEST(SysvMsg, RemovalWakes) {
  const int id = MUST(msgget(IPC_PRIVATE, 0600)), full = MUST(msgget(IPC_PRIVATE, 0600));
  EXPECT_RET(SetBytes(full, 0), 0);
  const pid_t receiver = st::Spawn([&] { EXPECT_EQ(Receive(id, 0, 0), "EIDRM"); });
  const pid_t sender = st::Spawn([&] { EXPECT_ERR(Send(full, 1, "", 0), EIDRM); });
  st::WaitBlocked(receiver);
  st::WaitBlocked(sender);
  EXPECT_RET(msgctl(id, IPC_RMID, nullptr), 0);
  EXPECT_RET(msgctl(full, IPC_RMID, nullptr), 0);
  EXPECT_EXITED(st::WaitStatus(receiver), 0);
  EXPECT_EXITED(st::WaitStatus(sender), 0);
}

void Ignore(int) {}

TEST(SysvMsg, SignalsInterrupt) {
  Queue queue;
  // Never restarted once a handler ran.
  const pid_t child = st::Spawn([&] {
    st::OnSignal(SIGUSR1, Ignore, SA_RESTART);
    EXPECT_EQ(Receive(queue, 0, 0), "EINTR");
  });
  st::WaitBlocked(child);
  MUST(kill(child, SIGUSR1));
  EXPECT_EXITED(st::WaitStatus(child), 0);
  // A stop goes unnoticed.
  const pid_t stopped = st::Spawn([&] { EXPECT_EQ(Receive(queue, 0, 0), "1/x"); });
  st::WaitBlocked(stopped);
  MUST(kill(stopped, SIGSTOP));
  int status = 0;
  MUST(waitpid(stopped, &status, WUNTRACED));
  EXPECT_TRUE(WIFSTOPPED(status));
  MUST(kill(stopped, SIGCONT));
  EXPECT_RET(Send(queue, 1, "x"), 0);
  EXPECT_EXITED(st::WaitStatus(stopped), 0);
}

TEST(SysvMsg, Stat) {
  Queue queue(0640);
  EXPECT_RET(Send(queue, 1, "abc"), 0);
  const msqid_ds stat = StatOf(queue);
  EXPECT_EQ(stat.msg_perm.mode, 0640u);
  EXPECT_EQ(stat.msg_perm.uid, geteuid());
  EXPECT_EQ(stat.msg_qnum, 1u);
  EXPECT_EQ(stat.__msg_cbytes, 3u);
  EXPECT_EQ(stat.msg_lspid, getpid());
  EXPECT_EQ(stat.msg_lrpid, 0);
  EXPECT_EQ(stat.msg_rtime, 0);
  EXPECT_LE(time(nullptr) - stat.msg_stime, 5);
  msqid_ds indexed = {};
  EXPECT_RET(msgctl(queue % 32768, MSG_STAT, &indexed), +queue);
  EXPECT_RET(msgctl(queue % 32768, kStatAny, &indexed), +queue);
  EXPECT_EQ(indexed.__msg_cbytes, 3u);
  msginfo info = {};
  EXPECT_GE(EXPECT_OK(msgctl(0, MSG_INFO, reinterpret_cast<msqid_ds*>(&info))), queue % 32768);
  EXPECT_GE(info.msgpool, 1);
  EXPECT_GE(info.msgtql, 3);
  EXPECT_OK(msgctl(0, IPC_INFO, reinterpret_cast<msqid_ds*>(&info)));
  EXPECT_EQ(info.msgseg, 0xffff);
  EXPECT_EQ(info.msgssz, 16);
  EXPECT_EQ(info.msgpool, 512000);
  EXPECT_ERR(msgctl(-1, IPC_STAT, &indexed), EINVAL);
  EXPECT_ERR(msgctl(queue, -1, &indexed), EINVAL);
  EXPECT_ERR(msgctl(queue, 99, &indexed), EINVAL);
  EXPECT_ERR(msgctl(queue, IPC_STAT, st::Bad<msqid_ds>()), EFAULT);
  EXPECT_ERR(msgctl(INT_MAX, IPC_SET, st::Bad<msqid_ds>()), EFAULT);
}

TEST(SysvMsg, Permissions) {
  st::NeedRoot();
  Queue queue(0604);
  EXPECT_RET(Send(queue, 1, "a"), 0);
  EXPECT_CHILD_OK([&] {
    st::DropToNobody();
    msqid_ds stat = StatOf(queue);
    EXPECT_ERR(Send(queue, 1, "b"), EACCES);
    EXPECT_EQ(Receive(queue), "1/a");
    EXPECT_ERR(msgctl(queue, IPC_SET, &stat), EPERM);
    EXPECT_ERR(msgctl(queue, IPC_RMID, nullptr), EPERM);
  });
  msqid_ds stat = StatOf(queue);
  stat.msg_perm.uid = 65534, stat.msg_perm.mode = 0200;
  EXPECT_RET(msgctl(queue, IPC_SET, &stat), 0);
  EXPECT_CHILD_OK([&] {
    st::DropToNobody();
    EXPECT_RET(Send(queue, 1, "b"), 0);
    EXPECT_EQ(Receive(queue), "EACCES");
    msqid_ds mine = {};
    EXPECT_ERR(msgctl(queue, IPC_STAT, &mine), EACCES);
    EXPECT_RET(msgctl(queue % 32768, kStatAny, &mine), +queue);
    mine.msg_qbytes = 1 << 20;
    EXPECT_ERR(msgctl(queue, IPC_SET, &mine), EPERM);
    EXPECT_RET(msgctl(queue, IPC_RMID, nullptr), 0);
  });
}

// Who may no longer is told.
TEST(SysvMsg, PermissionsOfWhoWaits) {
  st::NeedRoot();
  Queue queue(0666);
  const pid_t child = st::Spawn([&] {
    st::DropToNobody();
    EXPECT_EQ(Receive(queue, 0, 0), "EACCES");
  });
  st::WaitBlocked(child);
  msqid_ds stat = StatOf(queue);
  stat.msg_perm.mode = 0600;
  EXPECT_RET(msgctl(queue, IPC_SET, &stat), 0);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(SysvMsg, LimitsOfANamespace) {
  st::NeedRoot();
  EXPECT_CHILD_OK([&] {
    MUST(unshare(CLONE_NEWIPC));
    EXPECT_EQ(st::ReadFile("/proc/sys/kernel/msgmax"), "8192\n");
    st::WriteFile("/proc/sys/kernel/msgmax", "4\n");
    st::WriteFile("/proc/sys/kernel/msgmnb", "6\n");
    {
      // As `>>` of a shell.
      st::Fd limit(MUST(open("/proc/sys/kernel/msgmni", O_WRONLY | O_APPEND)));
      EXPECT_RET(write(limit, "1\n", 2), 2);
    }
    const int id = MUST(msgget(IPC_PRIVATE, 0600));
    EXPECT_RET(id, 0);
    EXPECT_ERR(msgget(IPC_PRIVATE, 0600), ENOSPC);
    EXPECT_EQ(StatOf(id).msg_qbytes, 6u);
    EXPECT_ERR(Send(id, 1, "12345"), EINVAL);
    EXPECT_RET(Send(id, 1, "1234"), 0);
    EXPECT_ERR(Send(id, 1, "123"), EAGAIN);
    const std::string text = st::ReadFile("/proc/sysvipc/msg");
    EXPECT_EQ(text.find("         0          0   600           4          1"), text.find('\n') + 1);
  });
}

}  // namespace
