// Pseudo terminals: line discipline, signals, controlling terminal, window size.
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "test/syscalls/harness/test.h"

TOUCHES("ioctl", "open", "read", "write", "setsid")

namespace {

struct Pty {
  Fd master, slave;
  std::string name;
  Pty() {
    signal(SIGHUP, SIG_IGN);  // the end of the case closes the master of our controlling terminal
    master.reset(MUST(open("/dev/ptmx", O_RDWR | O_NOCTTY)));
    int unlock = 0, n = 0;
    MUST(ioctl(master, TIOCSPTLCK, &unlock));
    MUST(ioctl(master, TIOCGPTN, &n));
    name = "/dev/pts/" + std::to_string(n);
    slave.reset(MUST(open(name.c_str(), O_RDWR | O_NOCTTY)));
  }
  struct termios Get() {
    struct termios t;
    MUST(ioctl(slave, TCGETS, &t));
    return t;
  }
  void Change(tcflag_t termios::*field, tcflag_t clear, tcflag_t set) {
    struct termios t;
    MUST(tcgetattr(slave, &t));
    t.*field = (t.*field & ~clear) | set;
    MUST(tcsetattr(slave, TCSANOW, &t));
  }
  void NoEcho() { Change(&termios::c_lflag, ECHO, 0); }
};

void Put(int fd, const std::string& s) { ASSERT_RET(write(fd, s.data(), s.size()), static_cast<long>(s.size())); }

std::string Get(int fd) {
  struct pollfd f = {fd, POLLIN, 0};
  if (poll(&f, 1, 5000) != 1) return "(nothing)";
  char b[512];
  long n = read(fd, b, sizeof b);
  return n < 0 ? st::ErrnoName(errno) : std::string(b, n);
}

bool Readable(int fd) {
  struct pollfd f = {fd, POLLIN, 0};
  return poll(&f, 1, 0) == 1;
}

TEST(Tty, IsATerminal) {
  Pty p;
  EXPECT_RET(isatty(p.slave), 1);
  EXPECT_RET(isatty(p.master), 1);
  struct stat s;
  MUST(fstat(p.slave, &s));
  EXPECT_TRUE(S_ISCHR(s.st_mode));
  EXPECT_EQ(s.st_rdev >> 8, 136u);
  char buf[64] = {};
  MUST(readlink(("/proc/self/fd/" + std::to_string(static_cast<int>(p.slave))).c_str(), buf, 63));
  EXPECT_EQ(std::string(buf), p.name);
}

TEST(Tty, CanonicalGivesWholeLines) {
  Pty p;
  p.NoEcho();
  Put(p.master, "no line yet");
  EXPECT_FALSE(Readable(p.slave));
  Put(p.master, "\nsecond\n");
  EXPECT_EQ(Get(p.slave), "no line yet\n");
  EXPECT_EQ(Get(p.slave), "second\n");
}

TEST(Tty, ShortReadKeepsRestOfLine) {
  Pty p;
  p.NoEcho();
  Put(p.master, "abcdef\n");
  char b[3];
  EXPECT_RET(read(p.slave, b, 3), 3);
  EXPECT_EQ(Get(p.slave), "def\n");
}

TEST(Tty, CarriageReturnBecomesNewline) {
  Pty p;
  p.NoEcho();
  Put(p.master, "x\r");
  EXPECT_EQ(Get(p.slave), "x\n");
  p.Change(&termios::c_iflag, ICRNL, 0);
  Put(p.master, "y\rz\n");
  EXPECT_EQ(Get(p.slave), "y\rz\n");
}

TEST(Tty, EchoAndOutputProcessing) {
  Pty p;
  Put(p.master, "hi\n");
  EXPECT_EQ(Get(p.master), "hi\r\n");
  EXPECT_EQ(Get(p.slave), "hi\n");
  Put(p.slave, "out\n");
  EXPECT_EQ(Get(p.master), "out\r\n");
  p.Change(&termios::c_oflag, OPOST, 0);
  Put(p.slave, "raw\n");
  EXPECT_EQ(Get(p.master), "raw\n");
}

TEST(Tty, EchoOfControlCharacters) {
  Pty p;
  p.Change(&termios::c_lflag, ISIG, 0);
  Put(p.master, "\x03");
  EXPECT_EQ(Get(p.master), "^C");
}

TEST(Tty, EraseAndKill) {
  Pty p;
  p.NoEcho();
  Put(p.master, "abc\x7f\x7fX\n");
  EXPECT_EQ(Get(p.slave), "aX\n");
  Put(p.master, "gone\x15kept\n");
  EXPECT_EQ(Get(p.slave), "kept\n");
  Put(p.master, "one two\x17three\n");
  EXPECT_EQ(Get(p.slave), "one three\n");
}

TEST(Tty, LiteralNext) {
  Pty p;
  p.NoEcho();
  Put(p.master, "a\x16\x7f\n");
  EXPECT_EQ(Get(p.slave), "a\x7f\n");
}

TEST(Tty, EndOfFileCharacter) {
  Pty p;
  p.NoEcho();
  Put(p.master, "part\x04");
  EXPECT_EQ(Get(p.slave), "part");
  Put(p.master, "\x04");
  char b[8];
  EXPECT_RET(read(p.slave, b, 8), 0);
}

TEST(Tty, RawReadsBytes) {
  Pty p;
  p.Change(&termios::c_lflag, ICANON | ECHO | ISIG, 0);
  Put(p.master, "a");
  EXPECT_EQ(Get(p.slave), "a");
  Put(p.master, "\x03\x04\x7f");
  EXPECT_EQ(Get(p.slave), "\x03\x04\x7f");
}

TEST(Tty, MinAndTime) {
  Pty p;
  p.Change(&termios::c_lflag, ICANON | ECHO, 0);
  struct termios t = p.Get();
  t.c_cc[VMIN] = 0;
  t.c_cc[VTIME] = 0;
  MUST(tcsetattr(p.slave, TCSANOW, &t));
  char b[8];
  EXPECT_RET(read(p.slave, b, 8), 0);
  t.c_cc[VTIME] = 1;
  MUST(tcsetattr(p.slave, TCSANOW, &t));
  int64_t start = st::NowNs();
  EXPECT_RET(read(p.slave, b, 8), 0);
  EXPECT_GE(st::NowNs() - start, 80000000);
}

TEST(Tty, PendingInputCount) {
  Pty p;
  p.NoEcho();
  Put(p.master, "12345\n");
  EXPECT_TRUE(st::WaitUntil([&] { return Readable(p.slave); }));
  int n = 0;
  EXPECT_OK(ioctl(p.slave, FIONREAD, &n));
  EXPECT_EQ(n, 6);
  EXPECT_OK(ioctl(p.slave, TCFLSH, TCIFLUSH));
  EXPECT_FALSE(Readable(p.slave));
}

TEST(Tty, WindowSizeIsSharedAndSignalled) {
  Pty p;
  struct winsize w = {33, 77, 0, 0}, got = {};
  EXPECT_OK(ioctl(p.master, TIOCSWINSZ, &w));
  EXPECT_OK(ioctl(p.slave, TIOCGWINSZ, &got));
  EXPECT_EQ(got.ws_row, 33);
  EXPECT_EQ(got.ws_col, 77);
  static volatile sig_atomic_t seen;
  st::OnSignal(SIGWINCH, [](int) { seen = 1; });
  MUST(ioctl(p.slave, TIOCSCTTY, 0));
  w.ws_row = 34;
  MUST(ioctl(p.master, TIOCSWINSZ, &w));
  EXPECT_TRUE(st::WaitUntil([] { return seen == 1; }));
}

TEST(Tty, ControllingTerminal) {
  Pty p;
  EXPECT_ERR(open("/dev/tty", O_RDWR), ENXIO);
  EXPECT_OK(ioctl(p.slave, TIOCSCTTY, 0));
  Fd tty(EXPECT_OK(open("/dev/tty", O_RDWR)));
  EXPECT_RET(tcgetpgrp(tty), getpgrp());
  EXPECT_RET(tcgetsid(p.slave), getsid(0));
  Pty other;
  EXPECT_ERR(ioctl(other.slave, TIOCSCTTY, 0), EPERM);
  EXPECT_ERR(tcgetpgrp(other.slave), ENOTTY);
  signal(SIGHUP, SIG_IGN);
  EXPECT_OK(ioctl(tty, TIOCNOTTY));
  EXPECT_ERR(open("/dev/tty", O_RDWR), ENXIO);
}

TEST(Tty, OpenByLeaderMakesItControlling) {
  Pty p;
  Fd again(MUST(open(p.name.c_str(), O_RDWR)));
  EXPECT_RET(tcgetsid(again), getsid(0));
}

TEST(Tty, InterruptGoesToForeground) {
  Pty p;
  p.NoEcho();
  MUST(ioctl(p.slave, TIOCSCTTY, 0));
  signal(SIGTTOU, SIG_IGN);
  pid_t child = st::Spawn([] { pause(); });
  MUST(setpgid(child, child));
  EXPECT_OK(tcsetpgrp(p.slave, child));
  Put(p.master, "\x03");
  EXPECT_SIGNALED(st::WaitStatus(child), SIGINT);
}

TEST(Tty, QuitAndSuspendCharacters) {
  Pty p;
  p.NoEcho();
  MUST(ioctl(p.slave, TIOCSCTTY, 0));
  signal(SIGTTOU, SIG_IGN);
  pid_t child = st::Spawn([] {
    for (;;) pause();
  });
  MUST(setpgid(child, child));
  MUST(tcsetpgrp(p.slave, child));
  Put(p.master, "\x1a");
  int status = 0;
  EXPECT_RET(waitpid(child, &status, WUNTRACED), child);
  EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
  MUST(kill(child, SIGCONT));
  Put(p.master, "\x1c");
  EXPECT_RET(waitpid(child, &status, 0), child);
  EXPECT_SIGNALED(status, SIGQUIT);
}

TEST(Tty, BackgroundReadStops) {
  Pty p;
  MUST(ioctl(p.slave, TIOCSCTTY, 0));
  pid_t child = st::Spawn([&] {
    setpgid(0, 0);
    char c;
    read(p.slave, &c, 1);
  });
  int status = 0;
  EXPECT_RET(waitpid(child, &status, WUNTRACED), child);
  EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
  MUST(kill(child, SIGKILL));
  st::WaitStatus(child);
}

TEST(Tty, BackgroundReadWithSignalIgnoredIsEIO) {
  Pty p;
  MUST(ioctl(p.slave, TIOCSCTTY, 0));
  EXPECT_CHILD_OK([&] {
    setpgid(0, 0);
    signal(SIGTTIN, SIG_IGN);
    char c;
    EXPECT_ERR(read(p.slave, &c, 1), EIO);
  });
}

TEST(Tty, BackgroundSettingStops) {
  Pty p;
  MUST(ioctl(p.slave, TIOCSCTTY, 0));
  pid_t child = st::Spawn([&] {
    setpgid(0, 0);
    tcsetpgrp(p.slave, getpgrp());
  });
  int status = 0;
  EXPECT_RET(waitpid(child, &status, WUNTRACED), child);
  EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTOU);
  MUST(kill(child, SIGKILL));
  st::WaitStatus(child);
}

TEST(Tty, MasterCloseHangsUp) {
  Pty p;
  pid_t child = st::Spawn([&] {
    signal(SIGHUP, SIG_DFL);
    MUST(setsid());
    MUST(ioctl(p.slave, TIOCSCTTY, 0));
    p.master.reset();
    pause();
  });
  st::WaitBlocked(child);
  p.master.reset();
  EXPECT_SIGNALED(st::WaitStatus(child), SIGHUP);
  char c;
  EXPECT_RET(read(p.slave, &c, 1), 0);
  EXPECT_ERR(write(p.slave, "x", 1), EIO);
}

TEST(Tty, SlaveCloseGivesMasterEIO) {
  Pty p;
  Put(p.slave, "last");
  p.slave.reset();
  EXPECT_EQ(Get(p.master), "last");
  char c;
  EXPECT_ERR(read(p.master, &c, 1), EIO);
  struct pollfd f = {p.master, POLLIN, 0};
  EXPECT_RET(poll(&f, 1, 0), 1);
  EXPECT_TRUE(f.revents & POLLHUP);
}

TEST(Tty, LockedSlaveCannotBeOpened) {
  Fd m(MUST(open("/dev/ptmx", O_RDWR | O_NOCTTY)));
  int n = 0;
  MUST(ioctl(m, TIOCGPTN, &n));
  EXPECT_ERR(open(("/dev/pts/" + std::to_string(n)).c_str(), O_RDWR | O_NOCTTY), EIO);
  m.reset();
}

}  // namespace
