// POSIX record locks, open file description locks, flock.
#include <sys/file.h>

#include "test/syscalls/harness/test.h"

TOUCHES("fcntl", "flock")

namespace {

using st::Tmp;

#ifndef F_OFD_SETLK
#error "needs _GNU_SOURCE"
#endif

struct flock Lock(int type, off_t start, off_t len) {
  struct flock l = {};
  l.l_type = static_cast<short>(type);
  l.l_whence = SEEK_SET;
  l.l_start = start;
  l.l_len = len;
  return l;
}

int Set(int fd, int type, off_t start, off_t len, int cmd = F_SETLK) {
  struct flock l = Lock(type, start, len);
  return fcntl(fd, cmd, &l);
}

Fd Open() { return Fd(MUST(open(Tmp("f").c_str(), O_RDWR | O_CREAT, 0600))); }

TEST(PosixLock, ConflictsBetweenProcesses) {
  Fd fd = Open();
  EXPECT_OK(Set(fd, F_WRLCK, 0, 10));
  EXPECT_CHILD_OK([&] {
    EXPECT_ERR(Set(fd, F_WRLCK, 5, 1), EAGAIN);
    EXPECT_ERR(Set(fd, F_RDLCK, 0, 0), EAGAIN);
    EXPECT_OK(Set(fd, F_WRLCK, 10, 5));
    struct flock l = Lock(F_RDLCK, 3, 1);
    EXPECT_OK(fcntl(fd, F_GETLK, &l));
    EXPECT_EQ(l.l_type, F_WRLCK);
    EXPECT_EQ(l.l_pid, getppid());
    EXPECT_EQ(l.l_start, 0);
    EXPECT_EQ(l.l_len, 10);
  });
}

TEST(PosixLock, OwnLocksReplaceAndSplit) {
  Fd fd = Open();
  EXPECT_OK(Set(fd, F_WRLCK, 0, 100));
  EXPECT_OK(Set(fd, F_UNLCK, 40, 20));
  EXPECT_CHILD_OK([&] {
    EXPECT_OK(Set(fd, F_WRLCK, 40, 20));
    EXPECT_ERR(Set(fd, F_WRLCK, 39, 1), EAGAIN);
    EXPECT_ERR(Set(fd, F_WRLCK, 60, 1), EAGAIN);
  });
}

TEST(PosixLock, ReadersShare) {
  Fd fd = Open();
  EXPECT_OK(Set(fd, F_RDLCK, 0, 0));
  EXPECT_CHILD_OK([&] {
    EXPECT_OK(Set(fd, F_RDLCK, 0, 0));
    EXPECT_ERR(Set(fd, F_WRLCK, 0, 1), EAGAIN);
  });
}

TEST(PosixLock, AnyCloseReleases) {
  Fd fd = Open();
  EXPECT_OK(Set(fd, F_WRLCK, 0, 0));
  Open().reset();  // another description of the same file
  EXPECT_CHILD_OK([&] { EXPECT_OK(Set(fd, F_WRLCK, 0, 0)); });
}

TEST(PosixLock, NotInheritedByFork) {
  Fd fd = Open();
  EXPECT_OK(Set(fd, F_WRLCK, 0, 0));
  EXPECT_CHILD_OK([&] { EXPECT_ERR(Set(fd, F_RDLCK, 0, 0), EAGAIN); });
}

TEST(PosixLock, WaitsUntilReleased) {
  Fd fd = Open();
  MUST(Set(fd, F_WRLCK, 0, 0));
  pid_t child = st::Spawn([&] { EXPECT_OK(Set(fd, F_WRLCK, 0, 0, F_SETLKW)); });
  st::WaitBlocked(child);
  MUST(Set(fd, F_UNLCK, 0, 0));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(PosixLock, ExitReleases) {
  Fd fd = Open();
  st::Pipe p;
  pid_t child = st::Spawn([&] {
    MUST(Set(fd, F_WRLCK, 0, 0));
    MUST(write(p.w, "x", 1));
    pause();
  });
  char c;
  MUST(read(p.r, &c, 1));
  EXPECT_ERR(Set(fd, F_WRLCK, 0, 0), EAGAIN);
  MUST(kill(child, SIGKILL));
  EXPECT_SIGNALED(st::WaitStatus(child), SIGKILL);
  EXPECT_OK(Set(fd, F_WRLCK, 0, 0));
}

TEST(PosixLock, DeadlockIsFound) {
  Fd fd = Open();
  MUST(Set(fd, F_WRLCK, 0, 1));
  st::Pipe p;
  pid_t child = st::Spawn([&] {
    MUST(Set(fd, F_WRLCK, 1, 1));
    MUST(write(p.w, "x", 1));
    EXPECT_OK(Set(fd, F_WRLCK, 0, 1, F_SETLKW));
  });
  char c;
  MUST(read(p.r, &c, 1));
  st::WaitBlocked(child);
  EXPECT_ERR(Set(fd, F_WRLCK, 1, 1, F_SETLKW), EDEADLK);
  MUST(Set(fd, F_UNLCK, 0, 1));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(PosixLock, WaitIsInterruptible) {
  Fd fd = Open();
  MUST(Set(fd, F_WRLCK, 0, 0));
  pid_t child = st::Spawn([&] {
    st::OnSignal(SIGUSR1, [](int) {});
    EXPECT_ERR(Set(fd, F_WRLCK, 0, 0, F_SETLKW), EINTR);
  });
  st::WaitBlocked(child);
  MUST(kill(child, SIGUSR1));
  EXPECT_EXITED(st::WaitStatus(child), 0);
}

TEST(PosixLock, ModesAndErrors) {
  Open().reset();
  Fd r(MUST(open(Tmp("f").c_str(), O_RDONLY))), w(MUST(open(Tmp("f").c_str(), O_WRONLY)));
  EXPECT_ERR(Set(r, F_WRLCK, 0, 0), EBADF);
  EXPECT_ERR(Set(w, F_RDLCK, 0, 0), EBADF);
  EXPECT_ERR(Set(r, 99, 0, 0), EINVAL);
  EXPECT_ERR(Set(r, F_RDLCK, -1, 0), EINVAL);
  EXPECT_ERR(Set(r, F_RDLCK, 0, -1), EINVAL);
  EXPECT_ERR(fcntl(r, F_SETLK, st::Bad()), EFAULT);
  struct flock l = Lock(F_RDLCK, 0, 0);
  EXPECT_OK(fcntl(r, F_GETLK, &l));
  EXPECT_EQ(l.l_type, F_UNLCK);
}

TEST(OfdLock, BelongsToTheDescription) {
  Fd a = Open(), b = Open();
  EXPECT_OK(Set(a, F_WRLCK, 0, 0, F_OFD_SETLK));
  EXPECT_ERR(Set(b, F_WRLCK, 0, 0, F_OFD_SETLK), EAGAIN);
  Fd c(MUST(dup(a)));
  EXPECT_OK(Set(c, F_WRLCK, 0, 0, F_OFD_SETLK));
  a.reset();
  EXPECT_ERR(Set(b, F_WRLCK, 0, 0, F_OFD_SETLK), EAGAIN);
  c.reset();
  EXPECT_OK(Set(b, F_WRLCK, 0, 0, F_OFD_SETLK));
}

TEST(OfdLock, ConflictsWithPosix) {
  Fd a = Open(), b = Open();
  EXPECT_OK(Set(a, F_WRLCK, 0, 0, F_OFD_SETLK));
  EXPECT_ERR(Set(b, F_RDLCK, 0, 0), EAGAIN);
  struct flock l = Lock(F_RDLCK, 0, 0);
  EXPECT_OK(fcntl(b, F_GETLK, &l));
  EXPECT_EQ(l.l_pid, -1);
  l = Lock(F_RDLCK, 0, 0);
  l.l_pid = 1;
  EXPECT_ERR(fcntl(b, F_OFD_SETLK, &l), EINVAL);
}

TEST(Flock, ExclusiveAndShared) {
  Fd a = Open(), b = Open();
  EXPECT_OK(flock(a, LOCK_EX));
  EXPECT_ERR(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
  EXPECT_OK(flock(a, LOCK_SH));
  EXPECT_OK(flock(b, LOCK_SH | LOCK_NB));
  EXPECT_ERR(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
  EXPECT_OK(flock(a, LOCK_UN));
  EXPECT_OK(flock(b, LOCK_EX | LOCK_NB));
}

TEST(Flock, SharedByDupAndFork) {
  Fd a = Open();
  EXPECT_OK(flock(a, LOCK_EX));
  EXPECT_CHILD_OK([&] { EXPECT_OK(flock(a, LOCK_EX | LOCK_NB)); });
  Fd b = Open();
  EXPECT_ERR(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);  // the child's exit did not unlock
  a.reset();
  EXPECT_OK(flock(b, LOCK_EX | LOCK_NB));
}

TEST(Flock, WaitsAndErrors) {
  Fd a = Open();
  MUST(flock(a, LOCK_EX));
  pid_t child = st::Spawn([] {
    Fd b = Open();
    EXPECT_OK(flock(b, LOCK_EX));
  });
  st::WaitBlocked(child);
  MUST(flock(a, LOCK_UN));
  EXPECT_EXITED(st::WaitStatus(child), 0);
  EXPECT_ERR(flock(a, 64), EINVAL);
  EXPECT_ERR(flock(st::BadFd(), LOCK_SH), EBADF);
}

}  // namespace
