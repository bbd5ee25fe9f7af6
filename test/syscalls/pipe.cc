// pipe and pipe2: data, ends, limits, blocking.
#include <poll.h>
#include <sys/ioctl.h>

#include "test/syscalls/harness/test.h"

TOUCHES("pipe", "pipe2", "read", "write", "fcntl", "ioctl", "fstat", "lseek")

namespace {

using st::Bad;
using st::Pipe;

std::string Bytes(size_t n) {
  std::string s(n, 0);
  for (size_t i = 0; i < n; i++) s[i] = static_cast<char>(i * 7 + i / 251);
  return s;
}

TEST(Pipe, GivesReadThenWriteEnd) {
  int p[2];
  ASSERT_RET(syscall(SYS_pipe, p), 0);
  EXPECT_EQ(fcntl(p[0], F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(fcntl(p[1], F_GETFL) & O_ACCMODE, O_WRONLY);
  EXPECT_EQ(fcntl(p[0], F_GETFD), 0);
  EXPECT_ERR(write(p[0], "x", 1), EBADF);
  char c;
  EXPECT_ERR(read(p[1], &c, 1), EBADF);
}

TEST(Pipe, FlagsOfPipe2) {
  int p[2];
  ASSERT_RET(syscall(SYS_pipe2, p, O_CLOEXEC | O_NONBLOCK), 0);
  EXPECT_EQ(fcntl(p[0], F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(fcntl(p[1], F_GETFD), FD_CLOEXEC);
  EXPECT_TRUE(fcntl(p[0], F_GETFL) & O_NONBLOCK);
  char c;
  EXPECT_ERR(read(p[0], &c, 1), EAGAIN);
  EXPECT_ERR(syscall(SYS_pipe2, p, O_CREAT), EINVAL);
  EXPECT_ERR(syscall(SYS_pipe, Bad()), EFAULT);
}

TEST(Pipe, FaultLeavesNoDescriptors) {
  int before = MUST(dup(0));
  close(before);
  EXPECT_ERR(syscall(SYS_pipe, Bad()), EFAULT);
  int after = MUST(dup(0));
  EXPECT_EQ(before, after);
}

TEST(Pipe, BytesComeInOrderAndShort) {
  Pipe p;
  EXPECT_RET(write(p.w, "hello", 5), 5);
  EXPECT_RET(write(p.w, "world", 5), 5);
  char b[20];
  EXPECT_RET(read(p.r, b, 3), 3);
  EXPECT_EQ(std::string(b, 3), "hel");
  EXPECT_RET(read(p.r, b, sizeof b), 7);
  EXPECT_EQ(std::string(b, 7), "loworld");
}

TEST(Pipe, EndOfFileWhenWritersGone) {
  Pipe p;
  Fd second(MUST(dup(p.w)));
  MUST(write(p.w, "x", 1));
  p.w.reset();
  char c;
  EXPECT_RET(read(p.r, &c, 1), 1);
  second.reset();
  EXPECT_RET(read(p.r, &c, 1), 0);
  EXPECT_RET(read(p.r, &c, 1), 0);
}

TEST(Pipe, WriteWithoutReadersIsEPIPEAndSIGPIPE) {
  EXPECT_SIGNALED(st::RunInChild([] {
                    Pipe p;
                    p.r.reset();
                    MUST(write(p.w, "x", 1));
                  }),
                  SIGPIPE);
  signal(SIGPIPE, SIG_IGN);
  Pipe p;
  p.r.reset();
  EXPECT_ERR(write(p.w, "x", 1), EPIPE);
}

TEST(Pipe, CapacityIs64KiB) {
  Pipe p(O_NONBLOCK);
  std::string big = Bytes(100000);
  EXPECT_RET(write(p.w, big.data(), big.size()), 65536);
  EXPECT_ERR(write(p.w, "x", 1), EAGAIN);
  int n = 0;
  EXPECT_OK(ioctl(p.r, FIONREAD, &n));
  EXPECT_EQ(n, 65536);
}

TEST(Pipe, SmallWritesAreAtomic) {
  Pipe p(O_NONBLOCK);
  std::string fill = Bytes(65536);
  MUST(write(p.w, fill.data(), 65536));
  std::string out(1000, 0);
  MUST(read(p.r, out.data(), 1000));
  // PIPE_BUF bytes are written whole or not at all.
  EXPECT_ERR(write(p.w, fill.data(), 4096), EAGAIN);
}

TEST(Pipe, BlockedReaderWakes) {
  Pipe p;
  pid_t child = st::Spawn([&] {
    p.w.reset();
    char b[4];
    EXPECT_RET(read(p.r, b, 4), 2);
  });
  st::WaitBlocked(child);
  EXPECT_RET(write(p.w, "ab", 2), 2);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Pipe, BlockedReaderSeesEndOfFile) {
  Pipe p;
  pid_t child = st::Spawn([&] {
    p.w.reset();
    char b[4];
    EXPECT_RET(read(p.r, b, 4), 0);
  });
  st::WaitBlocked(child);
  p.w.reset();
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Pipe, BlockedWriterGoesOnAndWritesAll) {
  Pipe p;
  std::string data = Bytes(300000);
  pid_t child = st::Spawn([&] {
    p.r.reset();
    EXPECT_RET(write(p.w, data.data(), data.size()), 300000);
  });
  p.w.reset();
  EXPECT_EQ(st::ReadAll(p.r) == data, true);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Pipe, BlockedWriterGetsEPIPE) {
  Pipe p;
  signal(SIGPIPE, SIG_IGN);
  pid_t child = st::Spawn([&] {
    p.r.reset();
    std::string data = Bytes(200000);
    EXPECT_RET(write(p.w, data.data(), data.size()), 65536);  // what went in counts
    EXPECT_ERR(write(p.w, "x", 1), EPIPE);
  });
  st::WaitBlocked(child);
  p.r.reset();
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Pipe, NoSeek) {
  Pipe p;
  EXPECT_ERR(lseek(p.r, 0, SEEK_SET), ESPIPE);
  char c;
  EXPECT_ERR(pread(p.r, &c, 1, 0), ESPIPE);
  EXPECT_ERR(pwrite(p.w, "x", 1, 0), ESPIPE);
  EXPECT_ERR(ftruncate(p.w, 0), EINVAL);
}

TEST(Pipe, StatIsFifoAndShared) {
  Pipe p;
  struct stat a, b;
  MUST(fstat(p.r, &a));
  MUST(fstat(p.w, &b));
  EXPECT_TRUE(S_ISFIFO(a.st_mode));
  EXPECT_EQ(a.st_mode & 0777, 0600u);
  EXPECT_EQ(a.st_ino, b.st_ino);
  EXPECT_EQ(a.st_dev, b.st_dev);
  Pipe q;
  MUST(fstat(q.r, &b));
  EXPECT_NE(a.st_ino, b.st_ino);
}

TEST(Pipe, SizeCanBeSet) {
  Pipe p(O_NONBLOCK);
  EXPECT_RET(fcntl(p.w, F_GETPIPE_SZ), 65536);
  EXPECT_RET(fcntl(p.w, F_SETPIPE_SZ, 5000), 8192);
  EXPECT_RET(fcntl(p.r, F_GETPIPE_SZ), 8192);
  std::string data = Bytes(20000);
  EXPECT_RET(write(p.w, data.data(), data.size()), 8192);
  EXPECT_ERR(fcntl(p.w, F_SETPIPE_SZ, 4096), EBUSY);
  EXPECT_ERR(fcntl(0, F_GETPIPE_SZ), EBADF);  // not a pipe
}

TEST(Pipe, FaultsAndEmptyTransfers) {
  Pipe p;
  EXPECT_RET(write(p.w, Bad(), 0), 0);
  EXPECT_ERR(write(p.w, Bad(), 1), EFAULT);
  MUST(write(p.w, "x", 1));
  EXPECT_ERR(read(p.r, Bad(), 1), EFAULT);
  EXPECT_RET(read(p.r, Bad(), 0), 0);
}

TEST(Pipe, ReadInterruptedBySignal) {
  Pipe p;
  pid_t child = st::Spawn([&] {
    st::OnSignal(SIGUSR1, [](int) {});
    MUST(write(p.w, "r", 1));
    char b[2];
    while (read(p.r, b, 1) == 1) {  // takes its own byte, then waits
    }
    EXPECT_EQ(errno, EINTR);
  });
  st::WaitBlocked(child);
  MUST(kill(child, SIGUSR1));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST_FULL(Pipe, TransfersMegabytesBothWays) {
  Pipe a, b;
  pid_t child = st::Spawn([&] {
    a.w.reset();
    b.r.reset();
    char buf[7000];
    for (ssize_t n; (n = MUST(read(a.r, buf, sizeof buf))) > 0;) MUST(write(b.w, buf, n));
  });
  a.r.reset();
  b.w.reset();
  std::string data = Bytes(16 << 20), back;
  st::Thread writer([&] {
    size_t done = 0;
    while (done < data.size()) done += MUST(write(a.w, data.data() + done, data.size() - done));
    a.w.reset();
  });
  back = st::ReadAll(b.r);
  EXPECT_TRUE(back == data);
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

}  // namespace
