// System V semaphores.
#include <sched.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <time.h>

#include <atomic>
#include <vector>

#include "test/syscalls/harness/test.h"

TOUCHES("semget", "semop", "semtimedop", "semctl")

namespace {

union Arg {
  int val;
  semid_ds* buf;
  unsigned short* array;
  seminfo* info;
};

// A set of the case's own; removed at its end.
class Set {
 public:
  explicit Set(int count = 1, int mode = 0600) : id_(MUST(semget(IPC_PRIVATE, count, mode))) {}
  Set(const Set&) = delete;
  ~Set() { semctl(id_, 0, IPC_RMID); }
  operator int() const { return id_; }

 private:
  const int id_;
};

int Op(int id, int num, int op, int flags = 0) {
  sembuf b = {static_cast<unsigned short>(num), static_cast<short>(op), static_cast<short>(flags)};
  return semop(id, &b, 1);
}
int Value(int id, int num = 0) { return semctl(id, num, GETVAL); }
int SetValue(int id, int num, int value) { return semctl(id, num, SETVAL, Arg{.val = value}); }
key_t OwnKey(int salt = 0) { return 0x53000000 + getpid() * 16 + salt; }
// Until one more waits there.
void WaitForCount(int id, int count, int command = GETNCNT, int num = 0) {
  EXPECT_TRUE(st::WaitUntil([&] { return semctl(id, num, command) == count; }));
}

TEST(SysvSem, GetErrors) {
  EXPECT_ERR(semget(IPC_PRIVATE, 0, 0600), EINVAL);
  EXPECT_ERR(semget(IPC_PRIVATE, -1, 0600), EINVAL);
  EXPECT_ERR(semget(IPC_PRIVATE, INT32_MAX, 0600), EINVAL);
  EXPECT_ERR(semget(OwnKey(), 1, 0600), ENOENT);
  EXPECT_ERR(semget(OwnKey(), -1, 0600), EINVAL);
}

TEST(SysvSem, Keys) {
  const int id = MUST(semget(OwnKey(), 2, IPC_CREAT | IPC_EXCL | 0600));
  EXPECT_RET(semget(OwnKey(), 0, 0), id);
  EXPECT_RET(semget(OwnKey(), 2, IPC_CREAT | 0600), id);
  EXPECT_ERR(semget(OwnKey(), 3, 0), EINVAL);
  EXPECT_ERR(semget(OwnKey(), 3, IPC_CREAT | IPC_EXCL), EEXIST);
  EXPECT_RET(semctl(id, 0, IPC_RMID), 0);
  EXPECT_ERR(semctl(id, 0, IPC_RMID), EINVAL);
  EXPECT_ERR(Op(id, 0, 1), EINVAL);
  const int next = MUST(semget(OwnKey(), 1, IPC_CREAT | 0600));
  EXPECT_NE(next, id);
  EXPECT_RET(semctl(next, 0, IPC_RMID), 0);
}

TEST(SysvSem, OperationErrors) {
  Set set(2);
  std::vector<sembuf> many(501, sembuf{0, 1, 0});
  EXPECT_ERR(semop(set, many.data(), 0), EINVAL);
  EXPECT_ERR(semop(set, many.data(), 501), E2BIG);
  EXPECT_ERR(semop(-1, many.data(), 501), E2BIG);
  EXPECT_ERR(semop(-1, st::Bad<sembuf>(), 1), EFAULT);
  EXPECT_ERR(semop(-1, many.data(), 1), EINVAL);
  EXPECT_ERR(semop(INT32_MAX, many.data(), 1), EINVAL);
  EXPECT_ERR(Op(set, 2, 1), EFBIG);
  EXPECT_ERR(Op(set, 0, 0, IPC_NOWAIT) + SetValue(set, 0, 1) + Op(set, 0, 0, IPC_NOWAIT), EAGAIN);
  EXPECT_ERR(Op(set, 1, -1, IPC_NOWAIT), EAGAIN);
  EXPECT_RET(semop(set, many.data(), 500), 0);
  EXPECT_RET(Value(set), 501);
  EXPECT_RET(SetValue(set, 0, 32767), 0);
  EXPECT_ERR(Op(set, 0, 1), ERANGE);
}

TEST(SysvSem, AllOrNothing) {
  Set set(2);
  sembuf ops[] = {{0, 3, 0}, {1, -1, IPC_NOWAIT}};
  EXPECT_ERR(semop(set, ops, 2), EAGAIN);
  EXPECT_RET(Value(set, 0), 0);
  sembuf same[] = {{0, 2, 0}, {0, -2, 0}, {0, 0, 0}, {0, 1, 0}};
  EXPECT_RET(semop(set, same, 4), 0);
  EXPECT_RET(Value(set, 0), 1);
}

TEST(SysvSem, TimesOut) {
  Set set;
  sembuf op = {0, -1, 0};
  timespec bad = {0, 1'000'000'000}, some = {0, 20'000'000}, none = {0, 0};
  EXPECT_ERR(semtimedop(set, &op, 1, &bad), EINVAL);
  bad = {-1, 0};
  EXPECT_ERR(semtimedop(set, &op, 1, &bad), EINVAL);
  EXPECT_ERR(semtimedop(set, &op, 1, st::Bad<timespec>()), EFAULT);
  const int64_t start = st::NowNs();
  EXPECT_ERR(semtimedop(set, &op, 1, &some), EAGAIN);
  EXPECT_GE(st::NowNs() - start, 20'000'000);
  EXPECT_ERR(semtimedop(set, &op, 1, &none), EAGAIN);
  EXPECT_RET(semctl(set, 0, GETNCNT), 0);
}

TEST(SysvSem, WaitsForMoreAndForZero) {
  Set set;
  const pid_t taker = st::Spawn([&] { EXPECT_RET(Op(set, 0, -2), 0); });
  WaitForCount(set, 1);
  EXPECT_RET(Op(set, 0, 1), 0);
  EXPECT_RET(semctl(set, 0, GETNCNT), 1);
  const pid_t idler = st::Spawn([&] { EXPECT_RET(Op(set, 0, 0), 0); });
  WaitForCount(set, 1, GETZCNT);
  EXPECT_RET(Op(set, 0, 1), 0);
  EXPECT_EXITED(st::WaitStatus(taker), 0);
  EXPECT_EXITED(st::WaitStatus(idler), 0);
  EXPECT_RET(Value(set), 0);
}

TEST(SysvSem, FirstComeFirstServed) {
  Set set(3);
  std::vector<pid_t> children;
  auto* order = static_cast<std::atomic<int>*>(st::MapShared(4096));
  for (int i = 0; i < 3; ++i) {
    children.push_back(st::Spawn([&, i] {
      sembuf ops[] = {{0, -1, 0}, {1, 1, 0}};
      EXPECT_RET(semop(set, ops, i == 1 ? 2 : 1), 0);
      order[i] = 1;
    }));
    WaitForCount(set, i + 1);
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_RET(Op(set, 0, 1), 0);
    EXPECT_EXITED(st::WaitStatus(children[static_cast<size_t>(i)]), 0);
    for (int k = 0; k < 3; ++k) EXPECT_EQ(order[k].load(), k <= i ? 1 : 0);
  }
  EXPECT_RET(Value(set, 1), 1);
}

TEST(SysvSem, OneLetsTheNextGoOn) {
  Set set(2);
  // Both wait for the first; what the first one does lets the second go on.
  const pid_t second = st::Spawn([&] { EXPECT_RET(Op(set, 1, -1), 0); });
  WaitForCount(set, 1, GETNCNT, 1);
  const pid_t first = st::Spawn([&] {
    sembuf ops[] = {{0, -1, 0}, {1, 1, 0}};
    EXPECT_RET(semop(set, ops, 2), 0);
  });
  WaitForCount(set, 1);
  EXPECT_RET(Op(set, 0, 1), 0);
  EXPECT_EXITED(st::WaitStatus(first), 0);
  EXPECT_EXITED(st::WaitStatus(second), 0);
}

TEST(SysvSem, RemovalWakes) {
  const int id = MUST(semget(IPC_PRIVATE, 1, 0600));
  const pid_t more = st::Spawn([&] { EXPECT_ERR(Op(id, 0, -1), EIDRM); });
  WaitForCount(id, 1);
  EXPECT_RET(semctl(id, 0, IPC_RMID), 0);
  EXPECT_EXITED(st::WaitStatus(more), 0);
}

void Ignore(int) {}

TEST(SysvSem, SignalsInterrupt) {
  Set set;
  // Never restarted, SA_RESTART or not.
  const pid_t child = st::Spawn([&] {
    st::OnSignal(SIGUSR1, Ignore, SA_RESTART);
    EXPECT_ERR(Op(set, 0, -1), EINTR);
  });
  WaitForCount(set, 1);
  MUST(kill(child, SIGUSR1));
  EXPECT_EXITED(st::WaitStatus(child), 0);
  EXPECT_RET(semctl(set, 0, GETNCNT), 0);
}

TEST(SysvSem, UndoneAtTheEnd) {
  Set set(2);
  EXPECT_RET(SetValue(set, 0, 5), 0);
  const pid_t child = st::Spawn([&] {
    EXPECT_RET(Op(set, 0, -3, SEM_UNDO), 0);
    EXPECT_RET(Op(set, 1, 4, SEM_UNDO), 0);
    EXPECT_RET(Op(set, 1, 1), 0);
  });
  EXPECT_EXITED(st::WaitStatus(child), 0);
  EXPECT_RET(Value(set, 0), 5);
  EXPECT_RET(Value(set, 1), 1);
  EXPECT_RET(semctl(set, 0, GETPID), child);
  // Down to 0 at most.
  const pid_t low = st::Spawn([&] {
    EXPECT_RET(Op(set, 1, 3, SEM_UNDO), 0);
    EXPECT_RET(Op(set, 1, -4), 0);
  });
  EXPECT_EXITED(st::WaitStatus(low), 0);
  EXPECT_RET(Value(set, 1), 0);
}

TEST(SysvSem, UndoWakes) {
  Set set;
  EXPECT_RET(SetValue(set, 0, 1), 0);
  st::Pipe go;
  const pid_t holder = st::Spawn([&] {
    EXPECT_RET(Op(set, 0, -1, SEM_UNDO), 0);
    char c;
    EXPECT_RET(read(go.r, &c, 1), 1);
  });
  EXPECT_TRUE(st::WaitUntil([&] { return Value(set) == 0; }));
  const pid_t waiter = st::Spawn([&] { EXPECT_RET(Op(set, 0, -1), 0); });
  WaitForCount(set, 1);
  MUST(write(go.w, "x", 1));
  EXPECT_EXITED(st::WaitStatus(holder), 0);
  EXPECT_EXITED(st::WaitStatus(waiter), 0);
}

TEST(SysvSem, UndoIsForgottenBySetting) {
  Set set;
  const pid_t child = st::Spawn([&] {
    EXPECT_RET(Op(set, 0, 3, SEM_UNDO), 0);
    EXPECT_RET(SetValue(set, 0, 7), 0);
  });
  EXPECT_EXITED(st::WaitStatus(child), 0);
  EXPECT_RET(Value(set), 7);
}

TEST(SysvSem, UndoIsOfAllThreads) {
  Set set;
  EXPECT_CHILD_OK([&] {
    {
      st::Thread thread([&] { EXPECT_RET(Op(set, 0, 1, SEM_UNDO), 0); });
    }
    EXPECT_RET(Value(set), 1);
  });
  EXPECT_RET(Value(set), 0);
}

TEST(SysvSem, UndoneByUnshare) {
  Set set;
  EXPECT_CHILD_OK([&] {
    EXPECT_RET(Op(set, 0, 1, SEM_UNDO), 0);
    EXPECT_RET(unshare(CLONE_SYSVSEM), 0);
    EXPECT_RET(Value(set), 0);
  });
}

TEST(SysvSem, UndoOutOfRange) {
  Set set;
  EXPECT_CHILD_OK([&] {
    EXPECT_RET(Op(set, 0, 32767, SEM_UNDO), 0);
    EXPECT_RET(Op(set, 0, -32767), 0);
    EXPECT_RET(Op(set, 0, 1, SEM_UNDO), 0);
    EXPECT_ERR(Op(set, 0, 1, SEM_UNDO), ERANGE);
    EXPECT_RET(Value(set), 1);
  });
}

TEST(SysvSem, ControlErrors) {
  Set set(2);
  EXPECT_ERR(semctl(-1, 0, GETVAL), EINVAL);
  EXPECT_ERR(semctl(set, 0, 99), EINVAL);
  EXPECT_ERR(semctl(set, 2, GETVAL), EINVAL);
  EXPECT_ERR(semctl(set, -1, GETPID), EINVAL);
  EXPECT_ERR(SetValue(set, 2, 1), EINVAL);
  EXPECT_ERR(SetValue(set, 2, -1), ERANGE);
  EXPECT_ERR(SetValue(set, 0, 32768), ERANGE);
  EXPECT_ERR(semctl(set, 0, IPC_STAT, Arg{.buf = st::Bad<semid_ds>()}), EFAULT);
  EXPECT_ERR(semctl(INT32_MAX, 0, IPC_SET, Arg{.buf = st::Bad<semid_ds>()}), EFAULT);
  EXPECT_ERR(semctl(set, 0, GETALL, Arg{.array = st::Bad<unsigned short>()}), EFAULT);
  EXPECT_ERR(semctl(set, 0, SETALL, Arg{.array = st::Bad<unsigned short>()}), EFAULT);
}

TEST(SysvSem, AllValues) {
  Set set(3);
  unsigned short values[] = {1, 32767, 3}, got[3] = {};
  EXPECT_RET(semctl(set, 0, SETALL, Arg{.array = values}), 0);
  EXPECT_RET(semctl(set, 0, GETALL, Arg{.array = got}), 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(got[i], values[i]);
  EXPECT_RET(semctl(set, 1, GETPID), getpid());
  values[2] = 32768;
  EXPECT_ERR(semctl(set, 0, SETALL, Arg{.array = values}), ERANGE);
}

TEST(SysvSem, Stat) {
  Set set(3, 0640);
  semid_ds stat = {};
  EXPECT_RET(semctl(set, 0, IPC_STAT, Arg{.buf = &stat}), 0);
  EXPECT_EQ(stat.sem_nsems, 3u);
  EXPECT_EQ(stat.sem_perm.mode, 0640u);
  EXPECT_EQ(stat.sem_perm.uid, geteuid());
  EXPECT_EQ(stat.sem_perm.cgid, getegid());
  EXPECT_EQ(stat.sem_perm.__key, IPC_PRIVATE);
  EXPECT_EQ(stat.sem_otime, 0);
  EXPECT_LE(time(nullptr) - stat.sem_ctime, 5);
  EXPECT_RET(Op(set, 0, 1), 0);
  EXPECT_RET(semctl(set, 0, IPC_STAT, Arg{.buf = &stat}), 0);
  EXPECT_LE(time(nullptr) - stat.sem_otime, 5);
  // By index: the id's low part.
  semid_ds indexed = {};
  EXPECT_RET(semctl(set % 32768, 0, SEM_STAT, Arg{.buf = &indexed}), +set);
  EXPECT_RET(semctl(set % 32768, 0, 20 /* SEM_STAT_ANY */, Arg{.buf = &indexed}), +set);
  EXPECT_EQ(indexed.sem_nsems, 3u);
  seminfo info = {};
  EXPECT_GE(EXPECT_OK(semctl(0, 0, SEM_INFO, Arg{.info = &info})), set % 32768);
  EXPECT_GE(info.semusz, 1);
  EXPECT_GE(info.semaem, 3);
  EXPECT_OK(semctl(0, 0, IPC_INFO, Arg{.info = &info}));
  EXPECT_EQ(info.semvmx, 32767);
  EXPECT_EQ(info.semaem, 32767);
  EXPECT_EQ(info.semusz, 20);
}

TEST(SysvSem, Permissions) {
  st::NeedRoot();
  Set set(1, 0604);
  EXPECT_CHILD_OK([&] {
    st::DropToNobody();
    semid_ds stat = {};
    EXPECT_RET(semctl(set, 0, IPC_STAT, Arg{.buf = &stat}), 0);
    EXPECT_RET(Value(set), 0);
    EXPECT_RET(Op(set, 0, 0, IPC_NOWAIT), 0);
    EXPECT_ERR(Op(set, 0, 1), EACCES);
    EXPECT_ERR(SetValue(set, 0, 1), EACCES);
    EXPECT_ERR(semctl(set, 0, IPC_SET, Arg{.buf = &stat}), EPERM);
    EXPECT_ERR(semctl(set, 0, IPC_RMID), EPERM);
  });
  semid_ds stat = {};
  stat.sem_perm.uid = 65534, stat.sem_perm.gid = 7, stat.sem_perm.mode = 01200;
  EXPECT_RET(semctl(set, 0, IPC_SET, Arg{.buf = &stat}), 0);
  EXPECT_CHILD_OK([&] {
    st::DropToNobody();
    semid_ds mine = {};
    EXPECT_ERR(semctl(set, 0, IPC_STAT, Arg{.buf = &mine}), EACCES);
    EXPECT_RET(semctl(set % 32768, 0, 20 /* SEM_STAT_ANY */, Arg{.buf = &mine}), +set);
    EXPECT_EQ(mine.sem_perm.mode, 0200u);
    EXPECT_EQ(mine.sem_perm.uid, 65534u);
    EXPECT_EQ(mine.sem_perm.cuid, 0u);
    EXPECT_RET(Op(set, 0, 1), 0);
    EXPECT_RET(semctl(set, 0, IPC_RMID), 0);
  });
}

TEST(SysvSem, NamespacesAreApart) {
  st::NeedRoot();
  Set set;
  EXPECT_CHILD_OK([&] {
    EXPECT_RET(Op(set, 0, 1, SEM_UNDO), 0);
    EXPECT_RET(unshare(CLONE_NEWIPC), 0);
    EXPECT_ERR(Value(set), EINVAL);
    EXPECT_RET(semget(IPC_PRIVATE, 1, 0600), 0);
    EXPECT_RET(semctl(0, 0, IPC_RMID), 0);
    // The next index, of the same round.
    EXPECT_RET(semget(IPC_PRIVATE, 1, 0600), 1);
    EXPECT_EQ(st::ReadFile("/proc/sysvipc/sem").find("         0          1   600          1"),
              st::ReadFile("/proc/sysvipc/sem").find('\n') + 1);
  });
  EXPECT_RET(Value(set), 0);
}

TEST(SysvSem, Limits) {
  st::NeedRoot();
  EXPECT_CHILD_OK([&] {
    MUST(unshare(CLONE_NEWIPC));
    EXPECT_EQ(st::ReadFile("/proc/sys/kernel/sem"), "32000\t1024000000\t500\t32000\n");
    st::WriteFile("/proc/sys/kernel/sem", "4 6 2 2\n");
    EXPECT_EQ(st::ReadFile("/proc/sys/kernel/sem"), "4\t6\t2\t2\n");
    EXPECT_ERR(semget(IPC_PRIVATE, 5, 0600), EINVAL);
    const int id = MUST(semget(IPC_PRIVATE, 4, 0600));
    EXPECT_ERR(semget(IPC_PRIVATE, 3, 0600), ENOSPC);
    MUST(semget(IPC_PRIVATE, 1, 0600));
    EXPECT_ERR(semget(IPC_PRIVATE, 1, 0600), ENOSPC);
    sembuf ops[3] = {};
    EXPECT_ERR(semop(id, ops, 3), E2BIG);
    st::WriteFile("/proc/sys/kernel/sem", "5\n");
    EXPECT_EQ(st::ReadFile("/proc/sys/kernel/sem"), "5\t6\t2\t2\n");
  });
}

}  // namespace
