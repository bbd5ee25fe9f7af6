// Named pipes: opening, blocking, ends.
#include <poll.h>

#include "test/syscalls/harness/test.h"

TOUCHES("mknod", "mknodat", "open", "poll")

namespace {

using st::Tmp;

std::string Make() {
  std::string p = Tmp("fifo");
  MUST(mkfifo(p.c_str(), 0640));
  return p;
}

TEST(Fifo, HasTypeAndMode) {
  std::string p = Make();
  EXPECT_EQ(st::StatOf(p).st_mode, static_cast<mode_t>(S_IFIFO | 0640));
  EXPECT_ERR(mkfifo(p.c_str(), 0600), EEXIST);
  EXPECT_ERR(mkfifo(Tmp("no/f").c_str(), 0600), ENOENT);
  EXPECT_OK(syscall(SYS_mknod, Tmp("m").c_str(), S_IFIFO | 0600, 0));
  EXPECT_OK(syscall(SYS_mknodat, AT_FDCWD, Tmp("n").c_str(), S_IFIFO | 0600, 0));
  EXPECT_TRUE(S_ISFIFO(st::StatOf(Tmp("n")).st_mode));
}

TEST(Fifo, NonblockingOpens) {
  std::string p = Make();
  EXPECT_ERR(open(p.c_str(), O_WRONLY | O_NONBLOCK), ENXIO);
  Fd r(EXPECT_OK(open(p.c_str(), O_RDONLY | O_NONBLOCK)));
  Fd w(EXPECT_OK(open(p.c_str(), O_WRONLY | O_NONBLOCK)));
  EXPECT_RET(write(w, "hi", 2), 2);
  char b[8];
  EXPECT_RET(read(r, b, 8), 2);
  EXPECT_ERR(read(r, b, 8), EAGAIN);
  w.reset();
  EXPECT_RET(read(r, b, 8), 0);
}

TEST(Fifo, ReadOpenWaitsForWriter) {
  std::string p = Make();
  pid_t child = st::Spawn([&] {
    Fd r(MUST(open(p.c_str(), O_RDONLY)));
    EXPECT_EQ(st::ReadAll(r), "data");
  });
  st::WaitBlocked(child);
  Fd w(MUST(open(p.c_str(), O_WRONLY)));
  MUST(write(w, "data", 4));
  w.reset();
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Fifo, WriteOpenWaitsForReader) {
  std::string p = Make();
  pid_t child = st::Spawn([&] {
    Fd w(MUST(open(p.c_str(), O_WRONLY)));
    MUST(write(w, "data", 4));
  });
  st::WaitBlocked(child);
  Fd r(MUST(open(p.c_str(), O_RDONLY)));
  EXPECT_EQ(st::ReadAll(r), "data");
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Fifo, ReadWriteOpenNeverWaits) {
  std::string p = Make();
  Fd rw(MUST(open(p.c_str(), O_RDWR)));
  EXPECT_RET(write(rw, "x", 1), 1);
  char c;
  EXPECT_RET(read(rw, &c, 1), 1);
}

TEST(Fifo, OpenIsInterruptible) {
  std::string p = Make();
  pid_t child = st::Spawn([&] {
    st::OnSignal(SIGUSR1, [](int) {});
    EXPECT_ERR(open(p.c_str(), O_RDONLY), EINTR);
  });
  st::WaitBlocked(child);
  MUST(kill(child, SIGUSR1));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(Fifo, PollSeesHangup) {
  std::string p = Make();
  Fd r(MUST(open(p.c_str(), O_RDONLY | O_NONBLOCK)));
  struct pollfd f = {r, POLLIN, 0};
  EXPECT_RET(poll(&f, 1, 0), 0);  // no writer yet: no hang-up
  Fd w(MUST(open(p.c_str(), O_WRONLY)));
  MUST(write(w, "x", 1));
  EXPECT_RET(poll(&f, 1, 0), 1);
  EXPECT_EQ(f.revents, POLLIN);
  w.reset();
  EXPECT_RET(poll(&f, 1, 0), 1);
  EXPECT_EQ(f.revents, POLLIN | POLLHUP);
}

TEST(Fifo, TwoOpensMeet) {
  std::string p = Make();
  MUST(link(p.c_str(), Tmp("other").c_str()));
  Fd r(MUST(open(p.c_str(), O_RDONLY | O_NONBLOCK)));
  Fd w(MUST(open(Tmp("other").c_str(), O_WRONLY)));  // the inode decides, not the name
  MUST(write(w, "x", 1));
  char c;
  EXPECT_RET(read(r, &c, 1), 1);
  MUST(unlink(p.c_str()));
  MUST(write(w, "y", 1));
  EXPECT_RET(read(r, &c, 1), 1);
}

}  // namespace
