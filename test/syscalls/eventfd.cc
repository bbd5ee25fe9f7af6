// eventfd.
#include <poll.h>
#include <sys/eventfd.h>

#include "test/syscalls/harness/test.h"

TOUCHES("eventfd", "eventfd2")

namespace {

TEST(Eventfd, CountsAndResets) {
  Fd e(MUST(syscall(SYS_eventfd, 3)));
  uint64_t v = 4;
  EXPECT_RET(write(e, &v, 8), 8);
  EXPECT_RET(read(e, &v, 8), 8);
  EXPECT_EQ(v, 7u);
  EXPECT_EQ(fcntl(e, F_GETFD), 0);
}

TEST(Eventfd, SemaphoreGivesOne) {
  Fd e(MUST(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC)));
  uint64_t v = 0;
  EXPECT_RET(read(e, &v, 8), 8);
  EXPECT_EQ(v, 1u);
  EXPECT_RET(read(e, &v, 8), 8);
  EXPECT_ERR(read(e, &v, 8), EAGAIN);
  EXPECT_EQ(fcntl(e, F_GETFD), FD_CLOEXEC);
}

TEST(Eventfd, SizesAndLimits) {
  Fd e(MUST(eventfd(0, EFD_NONBLOCK)));
  char b[16] = {};
  EXPECT_ERR(read(e, b, 7), EINVAL);
  EXPECT_ERR(write(e, b, 7), EINVAL);
  uint64_t v = ~0ull;
  EXPECT_ERR(write(e, &v, 8), EINVAL);
  v = ~0ull - 1;
  EXPECT_RET(write(e, &v, 8), 8);
  v = 1;
  EXPECT_ERR(write(e, &v, 8), EAGAIN);
  EXPECT_RET(read(e, b, 16), 8);
  EXPECT_ERR(syscall(SYS_eventfd2, 0, 0x40000000), EINVAL);
}

TEST(Eventfd, PollStates) {
  Fd e(MUST(eventfd(0, EFD_NONBLOCK)));
  struct pollfd f = {e, POLLIN | POLLOUT, 0};
  EXPECT_RET(poll(&f, 1, 0), 1);
  EXPECT_EQ(f.revents, POLLOUT);
  uint64_t v = ~0ull - 1;
  MUST(write(e, &v, 8));
  EXPECT_RET(poll(&f, 1, 0), 1);
  EXPECT_EQ(f.revents, POLLIN);
}

TEST(Eventfd, BlockedReaderWakes) {
  Fd e(MUST(eventfd(0, 0)));
  pid_t child = st::Spawn([&] {
    uint64_t v;
    EXPECT_RET(read(e, &v, 8), 8);
    EXPECT_EQ(v, 9u);
  });
  st::WaitBlocked(child);
  uint64_t v = 9;
  MUST(write(e, &v, 8));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Eventfd, BlockedWriterWakes) {
  Fd e(MUST(eventfd(0, 0)));
  uint64_t v = ~0ull - 1;
  MUST(write(e, &v, 8));
  pid_t child = st::Spawn([&] {
    uint64_t two = 2;
    EXPECT_RET(write(e, &two, 8), 8);
  });
  st::WaitBlocked(child);
  MUST(read(e, &v, 8));
  EXPECT_EXITED(st::WaitStatus(child), 0);
  MUST(read(e, &v, 8));
  EXPECT_EQ(v, 2u);
}

}  // namespace
