#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "sentry/abi/ioctl.h"
#include "sentry/fs/devpts/devpts.h"
#include "sentry/fs/host/host_file.h"
#include "sentry/fs/host/host_poller.h"
#include "sentry/fs/host/tty_bridge.h"
#include "sentry/usermem/fake_user_memory.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/operations.h"

namespace sentry {
namespace {

class CountingWaiter final : public base::Waiter {
 public:
  explicit CountingWaiter(base::EventMask mask) : Waiter(mask) {}
  void Notify(base::EventMask) override { ++count; }
  bool WaitFor(int n) {
    for (int i = 0; i < 2000 && count < n; ++i) usleep(1000);
    return count >= n;
  }
  std::atomic<int> count{0};
};

class HostTest : public testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    poller_ = HostPoller::Create().value();
    ctx_.creds = MakeRef<Credentials>();
    ctx_.memory = &memory_;
  }
  RefPtr<FileDescription> Wrap(int fd) { return NewHostFile(*poller_, base::UniqueFd(fd), 0).value(); }
  std::string Read(FileDescription& f, size_t size = 4096) {
    std::string out(size, 'x');
    KernelIoSink sink(std::as_writable_bytes(std::span(out)));
    const Result<size_t> n = f.Read(ctx_, sink);
    if (!n.ok()) return std::string(base::ErrnoName(n.error()));
    out.resize(*n);
    return out;
  }
  Result<size_t> Write(FileDescription& f, std::string_view text) {
    KernelIoSource src(std::as_bytes(std::span(text)));
    return f.Write(ctx_, src);
  }
  std::unique_ptr<HostPoller> poller_;
  FakeUserMemory memory_{4096};
  VfsContext ctx_;
};

TEST_F(HostTest, PipeNeverBlocksAndKeepsItsFlags) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  auto r = Wrap(fds[0]);
  auto w = Wrap(fds[1]);
  EXPECT_EQ(Read(*r), "EAGAIN");
  EXPECT_EQ(*Write(*w, "hello"), 5u);
  ASSERT_TRUE(r->Ioctl(ctx_, abi::kFioNRead, memory_.base().value).ok());
  EXPECT_EQ(memory_.Get<int32_t>(0), 5);
  EXPECT_EQ(Read(*r), "hello");
  const std::string big(1 << 20, 'b');
  const Result<size_t> n = Write(*w, big);
  ASSERT_TRUE(n.ok());
  EXPECT_LT(*n, big.size());
  for (int i = 0; i < 100 && Write(*w, big).ok(); ++i) {
  }
  EXPECT_TRUE(Write(*w, "x").Is(Errno::kEAGAIN));
  EXPECT_EQ(w->Readiness(base::kEventOut), 0u);
  EXPECT_EQ(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
  EXPECT_TRUE(w->writable());
  EXPECT_FALSE(w->readable());
  r.reset();
  EXPECT_TRUE(Write(*w, "x").Is(Errno::kEPIPE));
}

TEST_F(HostTest, PollerNotifiesOnlyWhoWaits) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  auto r = Wrap(fds[0]);
  base::UniqueFd w(fds[1]);
  ASSERT_EQ(write(w.get(), "a", 1), 1);
  usleep(20'000);
  EXPECT_EQ(poller_->wakeups(), 0u);
  EXPECT_EQ(Read(*r), "a");
  CountingWaiter waiter(base::kReadableEvents);
  r->wait_queue()->Add(waiter);
  EXPECT_EQ(r->Readiness(base::kEventIn), 0u);
  ASSERT_EQ(write(w.get(), "b", 1), 1);
  EXPECT_TRUE(waiter.WaitFor(1));
  EXPECT_EQ(r->Readiness(base::kEventIn), base::kEventIn);
  // Ready and unread: the poller sleeps all the same.
  const uint64_t wakeups = poller_->wakeups();
  usleep(20'000);
  EXPECT_EQ(poller_->wakeups(), wakeups);
  EXPECT_EQ(Read(*r), "b");
  EXPECT_EQ(Read(*r), "EAGAIN");
  w.reset();
  EXPECT_TRUE(waiter.WaitFor(2));
  EXPECT_EQ(Read(*r), "");
  r->wait_queue()->Remove(waiter);
}

TEST_F(HostTest, RegularFileMovesTheHostsOffset) {
  const int fd = memfd_create("t", 0);
  base::UniqueFd other(dup(fd));
  ASSERT_EQ(write(fd, "0123456789", 10), 10);
  ASSERT_EQ(lseek(fd, 2, SEEK_SET), 2);
  auto f = Wrap(fd);
  EXPECT_EQ(Read(*f, 3), "234");
  EXPECT_EQ(lseek(other.get(), 0, SEEK_CUR), 5);
  EXPECT_EQ(f->Seek(ctx_, -1, abi::kSeekEnd).value(), 9);
  EXPECT_EQ(*Write(*f, "abc"), 3u);
  const Attributes a = f->inode()->GetAttributes(ctx_).value();
  EXPECT_EQ(a.size, 12u);
  EXPECT_EQ(a.type(), abi::kSIfReg);
  EXPECT_FALSE(f->pollable());
  ASSERT_TRUE(f->MapTarget().ok());
  const Translation t = f->MapTarget().value()->Translate(0, 1 << 20, kProtRead).value();
  EXPECT_EQ(t.length, kPageSize);
  EXPECT_EQ(t.host_fd, fd);
  EXPECT_TRUE(f->MapTarget().value()->Translate(kPageSize, kPageSize, kProtRead).Is(Errno::kEFAULT));
}

TEST_F(HostTest, ReopenThroughProc) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  auto r = Wrap(fds[0]);
  auto w = Wrap(fds[1]);
  auto again = OpenPath(ctx_, w->path(), abi::kOWrOnly);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*Write(**again, "hi"), 2u);
  EXPECT_EQ(Read(*r), "hi");
  EXPECT_TRUE(OpenPath(ctx_, w->path(), abi::kORdOnly).Is(Errno::kEACCES));
}

TEST_F(HostTest, Socket) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  auto a = Wrap(fds[0]);
  auto b = Wrap(fds[1]);
  EXPECT_EQ(Read(*a), "EAGAIN");
  EXPECT_EQ(*Write(*b, "x"), 1u);
  EXPECT_EQ(Read(*a), "x");
  b.reset();
  EXPECT_EQ(Read(*a), "");
  EXPECT_TRUE(Write(*a, "x").Is(Errno::kEPIPE));
}

class TtyBridgeTest : public HostTest {
 protected:
  void SetUp() override {
    HostTest::SetUp();
    static bool registered = (RegisterTtyDevices(), true);
    (void)registered;
    DevptsMount m = NewDevpts();
    mount_ = MakeRef<Mount>(m.fs, m.root, MountFlags{});
    mounts_ = MakeRef<MountNamespace>(mount_);
    ctx_.root = ctx_.cwd = mounts_->root();
    ctx_.mounts = mounts_.get();
    pair_ = OpenPtyPair(ctx_, mount_).value();
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    host_.reset(fds[0]);
    TtyBridge::Options options;
    options.in.reset(fds[1]);
    options.out.reset(dup(fds[1]));
    options.master = pair_.master;
    options.context = ctx_;
    options.hung_up = [this] { ++hangups_; };
    bridge_ = TtyBridge::Start(std::move(options)).value();
  }
  std::string HostRead() {
    pollfd p{host_.get(), POLLIN, 0};
    if (poll(&p, 1, 2000) <= 0) return "timeout";
    char buf[4096];
    const ssize_t n = read(host_.get(), buf, sizeof(buf));
    return std::string(buf, n < 0 ? 0 : static_cast<size_t>(n));
  }
  RefPtr<Mount> mount_;
  RefPtr<MountNamespace> mounts_;
  PtyPair pair_;
  base::UniqueFd host_;
  std::atomic<int> hangups_{0};
  std::unique_ptr<TtyBridge> bridge_;
};

TEST_F(TtyBridgeTest, ASizeComesBeforeWhatIsTypedAfterIt) {
  const base::UniqueFd terminal(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_EQ(unlockpt(terminal.get()), 0);
  base::UniqueFd end(open(ptsname(terminal.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  termios raw;
  ASSERT_EQ(tcgetattr(end.get(), &raw), 0);
  cfmakeraw(&raw);
  ASSERT_EQ(tcsetattr(end.get(), TCSANOW, &raw), 0);
  std::atomic<int> rows{0};
  TtyBridge::Options options;
  options.in = std::move(end);
  options.out.reset(dup(options.in.get()));
  options.master = pair_.master;
  options.context = ctx_;
  options.resized = [&](const abi::Winsize& size) { rows = size.rows; };
  bridge_.reset();
  bridge_ = TtyBridge::Start(std::move(options)).value();
  for (const uint16_t want : {30, 40}) {
    const winsize size{want, 100, 0, 0};
    ASSERT_EQ(ioctl(terminal.get(), TIOCSWINSZ, &size), 0);
    ASSERT_EQ(write(terminal.get(), "x", 1), 1);
    char echo = 0;
    ASSERT_EQ(read(terminal.get(), &echo, 1), 1);  // it was with the guest's line discipline
    EXPECT_EQ(rows, want);
  }
  bridge_.reset();
}

TEST_F(TtyBridgeTest, BothWays) {
  ASSERT_EQ(write(host_.get(), "ls\r", 3), 3);
  EXPECT_EQ(HostRead(), "ls\r\n");
  EXPECT_EQ(Read(*pair_.slave), "ls\n");
  ASSERT_TRUE(Write(*pair_.slave, "out\n").ok());
  EXPECT_EQ(HostRead(), "out\r\n");
}

TEST_F(TtyBridgeTest, DrainLosesNothing) {
  std::atomic<size_t> received{0};
  std::thread reader([&] {
    char buf[1000];
    ssize_t n;
    while ((n = read(host_.get(), buf, sizeof(buf))) > 0) received += static_cast<size_t>(n);
  });
  size_t sent = 0;
  const std::string text(1000, 'q');
  while (sent < 200'000) {
    const Result<size_t> n = Write(*pair_.slave, text);
    if (n.ok()) sent += *n;
    if (!n.ok()) usleep(100);
  }
  pair_.slave.reset();
  EXPECT_TRUE(bridge_->Drain(5000));
  bridge_.reset();
  reader.join();
  EXPECT_EQ(received, sent);
}

TEST_F(TtyBridgeTest, DrainGivesUpOnAStuckTerminal) {
  while (Write(*pair_.slave, std::string(4096, 'q')).ok() || (usleep(20'000), Write(*pair_.slave, "q").ok())) {
  }
  EXPECT_FALSE(bridge_->Drain(50));
  host_.reset();
}

TEST_F(TtyBridgeTest, HangUp) {
  host_.reset();
  for (int i = 0; i < 2000 && hangups_ == 0; ++i) usleep(1000);
  EXPECT_EQ(hangups_, 1);
}

}  // namespace
}  // namespace sentry
