// futex: wait, wake, requeue, bitsets, priority inheritance, robust lists.
#include <linux/futex.h>
#include <stddef.h>
#include <sys/mman.h>
#include <time.h>

#include "test/syscalls/harness/test.h"

TOUCHES("futex", "set_robust_list", "get_robust_list")

namespace {

long Futex(volatile int* a, int op, int v, const void* t = nullptr, volatile int* b = nullptr, int v3 = 0) {
  return syscall(SYS_futex, a, op, v, t, b, v3);
}
long Requeue(volatile int* a, int op, int wake, long move, volatile int* b, int v3 = 0) {
  return syscall(SYS_futex, a, op, wake, move, b, v3);
}

struct Waiter {  // a thread that waits on a word while it is zero
  long result = -2;
  int error = 0;
  st::Thread thread;
  Waiter(volatile int* word, int op, int bits = 0)
      : thread([this, word, op, bits] {
          errno = 0;
          result = Futex(word, op, 0, nullptr, nullptr, bits);
          error = errno;
        }) {
    st::WaitBlocked(getpid(), thread.tid());
  }
};

TEST(Futex, WaitChecksValue) {
  volatile int word = 5;
  EXPECT_ERR(Futex(&word, FUTEX_WAIT, 4), EAGAIN);
  EXPECT_RET(Futex(&word, FUTEX_WAKE, 1), 0);
}

TEST(Futex, WakeWakesAtMost) {
  volatile int word = 0;
  Waiter a(&word, FUTEX_WAIT_PRIVATE), b(&word, FUTEX_WAIT_PRIVATE), c(&word, FUTEX_WAIT_PRIVATE);
  EXPECT_RET(Futex(&word, FUTEX_WAKE_PRIVATE, 2), 2);
  EXPECT_RET(Futex(&word, FUTEX_WAKE_PRIVATE, 10), 1);
  a.thread.Join();
  b.thread.Join();
  c.thread.Join();
  EXPECT_EQ(a.result, 0);
  EXPECT_EQ(c.result, 0);
}

TEST(Futex, TimesOut) {
  volatile int word = 0;
  struct timespec t = {0, 10000000}, bad = {0, 1000000000};
  int64_t start = st::NowNs();
  EXPECT_ERR(Futex(&word, FUTEX_WAIT, 0, &t), ETIMEDOUT);
  EXPECT_GE(st::NowNs() - start, 10000000);
  EXPECT_ERR(Futex(&word, FUTEX_WAIT, 0, &bad), EINVAL);
}

TEST(Futex, AbsoluteTimeouts) {
  volatile int word = 0;
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  EXPECT_ERR(Futex(&word, FUTEX_WAIT_BITSET, 0, &t, nullptr, -1), ETIMEDOUT);
  clock_gettime(CLOCK_REALTIME, &t);
  EXPECT_ERR(Futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &t, nullptr, -1), ETIMEDOUT);
}

TEST(Futex, Errors) {
  volatile int word = 0;
  auto* odd = reinterpret_cast<volatile int*>(reinterpret_cast<volatile char*>(&word) + 1);
  EXPECT_ERR(Futex(odd, FUTEX_WAIT, 0), EINVAL);
  EXPECT_ERR(Futex(st::Bad<int>(), FUTEX_WAIT, 0), EFAULT);
  EXPECT_ERR(Futex(&word, 99, 0), ENOSYS);
  EXPECT_ERR(Futex(&word, FUTEX_WAIT_BITSET, 0, nullptr, nullptr, 0), EINVAL);
  EXPECT_ERR(Futex(&word, FUTEX_WAKE_BITSET, 1, nullptr, nullptr, 0), EINVAL);
}

TEST(Futex, SharedBetweenProcesses) {
  auto* word = st::SharedValue<int>();
  pid_t child = st::Spawn([word] { EXPECT_OK(Futex(word, FUTEX_WAIT, 0)); });
  st::WaitBlocked(child);
  EXPECT_RET(Futex(word, FUTEX_WAKE, 1), 1);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Futex, SharedByFileMapping) {
  st::WriteFile(st::Tmp("f"), std::string(4096, '\0'));
  Fd fd(MUST(open(st::Tmp("f").c_str(), O_RDWR)));
  auto map = [&] { return static_cast<int*>(MUST(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0))); };
  int* a = map();
  int* b = map();
  pid_t child = st::Spawn([a] { EXPECT_OK(Futex(a, FUTEX_WAIT, 0)); });
  st::WaitBlocked(child);
  EXPECT_RET(Futex(b, FUTEX_WAKE, 1), 1);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Futex, PrivateIsNotSharedAcrossFork) {
  static volatile int word = 0;
  pid_t child = st::Spawn([] {
    struct timespec t = {0, 50000000};
    EXPECT_ERR(Futex(&word, FUTEX_WAIT_PRIVATE, 0, &t), ETIMEDOUT);
  });
  st::WaitBlocked(child);
  EXPECT_RET(Futex(&word, FUTEX_WAKE_PRIVATE, 1), 0);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Futex, BitsetSelects) {
  volatile int word = 0;
  Waiter a(&word, FUTEX_WAIT_BITSET_PRIVATE, 1), b(&word, FUTEX_WAIT_BITSET_PRIVATE, 2);
  EXPECT_RET(Futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, nullptr, nullptr, 4), 0);
  EXPECT_RET(Futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, nullptr, nullptr, 2), 1);
  b.thread.Join();
  EXPECT_RET(Futex(&word, FUTEX_WAKE_PRIVATE, 10), 1);
  a.thread.Join();
}

TEST(Futex, RequeueMovesWaiters) {
  volatile int one = 0, two = 0;
  Waiter a(&one, FUTEX_WAIT_PRIVATE), b(&one, FUTEX_WAIT_PRIVATE), c(&one, FUTEX_WAIT_PRIVATE);
  EXPECT_ERR(Requeue(&one, FUTEX_CMP_REQUEUE_PRIVATE, 1, 10, &two, 7), EAGAIN);
  EXPECT_RET(Requeue(&one, FUTEX_CMP_REQUEUE_PRIVATE, 1, 10, &two, 0), 3);
  EXPECT_RET(Futex(&one, FUTEX_WAKE_PRIVATE, 10), 0);
  EXPECT_RET(Futex(&two, FUTEX_WAKE_PRIVATE, 10), 2);
}

TEST(Futex, WakeOpChangesAndWakes) {
  volatile int one = 0, two = 5;
  Waiter a(&one, FUTEX_WAIT_PRIVATE);
  // two += 3; wake one of "one"; wake of "two" if it was > 100.
  EXPECT_RET(Requeue(&one, FUTEX_WAKE_OP_PRIVATE, 1, 1, &two, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_GT, 100)), 1);
  EXPECT_EQ(two, 8);
}

TEST(Futex, SignalInterruptsWait) {
  auto* word = st::SharedValue<int>();
  pid_t child = st::Spawn([word] {
    st::OnSignal(SIGUSR1, [](int) {});
    EXPECT_ERR(Futex(word, FUTEX_WAIT, 0), EINTR);
  });
  st::WaitBlocked(child);
  MUST(kill(child, SIGUSR1));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(FutexPi, LockUnlockUncontended) {
  volatile int word = 0;
  EXPECT_OK(Futex(&word, FUTEX_LOCK_PI, 0));
  EXPECT_EQ(word, st::GetTid());
  EXPECT_ERR(Futex(&word, FUTEX_LOCK_PI, 0), EDEADLK);
  EXPECT_OK(Futex(&word, FUTEX_UNLOCK_PI, 0));
  EXPECT_EQ(word, 0);
  EXPECT_ERR(Futex(&word, FUTEX_UNLOCK_PI, 0), EPERM);
}

TEST(FutexPi, HandsOverToWaiter) {
  static volatile int word = 0;
  MUST(Futex(&word, FUTEX_LOCK_PI_PRIVATE, 0));
  st::Thread t([] {
    EXPECT_ERR(Futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0), EAGAIN);
    EXPECT_OK(Futex(&word, FUTEX_LOCK_PI_PRIVATE, 0));
    EXPECT_EQ(word & FUTEX_TID_MASK, st::GetTid());
    EXPECT_OK(Futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0));
  });
  st::WaitBlocked(getpid(), t.tid());
  EXPECT_TRUE(static_cast<unsigned>(word) & FUTEX_WAITERS);
  EXPECT_OK(Futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0));
  t.Join();
}

TEST(RobustList, OwnerDiedIsMarkedAndWaiterWoken) {
  struct Shared {
    robust_list_head head;
    robust_list node;
    int word;
  };
  auto* s = st::SharedValue<Shared>();
  s->head = {{&s->node}, offsetof(Shared, word) - offsetof(Shared, node), nullptr};
  s->node.next = &s->head.list;
  pid_t child = st::Spawn([s] {
    MUST(syscall(SYS_set_robust_list, &s->head, sizeof s->head));
    s->word = st::GetTid();
    kill(getpid(), SIGKILL);
    pause();
  });
  EXPECT_SIGNALED(st::WaitStatus(child), SIGKILL);
  EXPECT_TRUE(static_cast<unsigned>(s->word) & FUTEX_OWNER_DIED);
}

TEST(RobustList, GetAndErrors) {
  robust_list_head head = {{&head.list}, 0, nullptr};
  EXPECT_OK(syscall(SYS_set_robust_list, &head, sizeof head));
  EXPECT_ERR(syscall(SYS_set_robust_list, &head, 3), EINVAL);
  void* got = nullptr;
  size_t size = 0;
  EXPECT_OK(syscall(SYS_get_robust_list, 0, &got, &size));
  EXPECT_EQ(got, static_cast<void*>(&head));
  EXPECT_EQ(size, sizeof head);
  EXPECT_ERR(syscall(SYS_get_robust_list, 0x3ffffff, &got, &size), ESRCH);
}

}  // namespace
