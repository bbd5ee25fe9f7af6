// chmod, chown, utimensat, truncate and their kin.
#include <sys/time.h>
#include <utime.h>

#include "test/syscalls/harness/test.h"

TOUCHES("chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "utimensat", "utime", "utimes",
        "futimesat", "truncate", "ftruncate", "fallocate", "fsync", "fdatasync", "umask", "sync")

namespace {

using st::Bad;
using st::StatOf;
using st::Tmp;

mode_t Mode(const std::string& p) { return StatOf(p).st_mode & 07777; }

TEST(Chmod, AllTwelveBits) {
  st::WriteFile(Tmp("f"), "");
  EXPECT_OK(syscall(SYS_chmod, Tmp("f").c_str(), 06751));
  EXPECT_EQ(Mode(Tmp("f")), 06751u);
  Fd fd(MUST(open(Tmp("f").c_str(), O_RDONLY)));
  EXPECT_OK(fchmod(fd, 0100));
  EXPECT_EQ(Mode(Tmp("f")), 0100u);
  EXPECT_OK(syscall(SYS_fchmodat, AT_FDCWD, Tmp("f").c_str(), 0644));
  EXPECT_EQ(Mode(Tmp("f")), 0644u);
}

TEST(Chmod, FollowsLinksAndErrors) {
  st::WriteFile(Tmp("f"), "");
  MUST(symlink("f", Tmp("l").c_str()));
  EXPECT_OK(chmod(Tmp("l").c_str(), 0600));
  EXPECT_EQ(Mode(Tmp("f")), 0600u);
  EXPECT_ERR(chmod(Tmp("none").c_str(), 0600), ENOENT);
  EXPECT_ERR(fchmod(st::BadFd(), 0600), EBADF);
  EXPECT_ERR(syscall(SYS_chmod, Bad(), 0600), EFAULT);
}

TEST(Chmod, OnlyOwnerMay) {
  st::NeedRoot();
  st::WriteFile(Tmp("f"), "", 0666);
  std::string f = Tmp("f");
  EXPECT_CHILD_OK([&] {
    st::DropToNobody();
    EXPECT_ERR(chmod(f.c_str(), 0666), EPERM);
    EXPECT_ERR(chown(f.c_str(), 65534, -1), EPERM);
  });
}

TEST(Chmod, UpdatesChangeTime) {
  st::WriteFile(Tmp("f"), "");
  struct stat a = StatOf(Tmp("f"));
  st::SleepMs(30);
  MUST(chmod(Tmp("f").c_str(), 0600));
  struct stat b = StatOf(Tmp("f"));
  EXPECT_TRUE(b.st_ctim.tv_sec > a.st_ctim.tv_sec || b.st_ctim.tv_nsec > a.st_ctim.tv_nsec);
  EXPECT_EQ(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
}

TEST(Chown, ChangesEachHalf) {
  st::NeedRoot();
  st::WriteFile(Tmp("f"), "");
  EXPECT_OK(syscall(SYS_chown, Tmp("f").c_str(), 11, 22));
  EXPECT_EQ(StatOf(Tmp("f")).st_uid, 11u);
  EXPECT_EQ(StatOf(Tmp("f")).st_gid, 22u);
  EXPECT_OK(chown(Tmp("f").c_str(), -1, 33));
  EXPECT_OK(chown(Tmp("f").c_str(), 44, -1));
  EXPECT_EQ(StatOf(Tmp("f")).st_uid, 44u);
  EXPECT_EQ(StatOf(Tmp("f")).st_gid, 33u);
  Fd fd(MUST(open(Tmp("f").c_str(), O_RDONLY)));
  EXPECT_OK(fchown(fd, 1, 2));
  EXPECT_EQ(StatOf(Tmp("f")).st_gid, 2u);
}

TEST(Chown, LinkItself) {
  st::NeedRoot();
  st::WriteFile(Tmp("f"), "");
  MUST(symlink("f", Tmp("l").c_str()));
  EXPECT_OK(syscall(SYS_lchown, Tmp("l").c_str(), 5, 6));
  EXPECT_EQ(StatOf(Tmp("l")).st_uid, 5u);
  EXPECT_EQ(StatOf(Tmp("f")).st_uid, 0u);
  EXPECT_OK(fchownat(AT_FDCWD, Tmp("l").c_str(), 7, 8, AT_SYMLINK_NOFOLLOW));
  EXPECT_EQ(StatOf(Tmp("l")).st_gid, 8u);
  EXPECT_ERR(fchownat(AT_FDCWD, Tmp("l").c_str(), 7, 8, 0x40000000), EINVAL);
}

TEST(Chown, ClearsSetidBits) {
  st::NeedRoot();
  st::WriteFile(Tmp("f"), "");
  MUST(chmod(Tmp("f").c_str(), 06755));
  MUST(chown(Tmp("f").c_str(), 1, 1));
  EXPECT_EQ(Mode(Tmp("f")), 0755u);
}

TEST(Chown, WriteByOtherClearsSetuid) {
  st::NeedRoot();
  st::WriteFile(Tmp("f"), "");
  MUST(chown(Tmp("f").c_str(), 65534, 65534));
  MUST(chmod(Tmp("f").c_str(), 04755));
  std::string f = Tmp("f");
  EXPECT_CHILD_OK([&] {
    st::DropToNobody();
    Fd fd(MUST(open(f.c_str(), O_WRONLY)));
    MUST(write(fd, "x", 1));
  });
  EXPECT_EQ(Mode(Tmp("f")), 0755u);
}

TEST(Utimens, SetsBothExactly) {
  st::WriteFile(Tmp("f"), "");
  struct timespec t[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
  EXPECT_OK(syscall(SYS_utimensat, AT_FDCWD, Tmp("f").c_str(), t, 0));
  struct stat s = StatOf(Tmp("f"));
  EXPECT_EQ(s.st_atim.tv_sec, 1000000000);
  EXPECT_EQ(s.st_mtim.tv_sec, 1100000000);
  EXPECT_EQ(s.st_mtim.tv_nsec, 987654321);
}

TEST(Utimens, OmitAndNow) {
  st::WriteFile(Tmp("f"), "");
  struct timespec base[2] = {{1000, 0}, {2000, 0}};
  MUST(utimensat(AT_FDCWD, Tmp("f").c_str(), base, 0));
  struct timespec t[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  EXPECT_OK(utimensat(AT_FDCWD, Tmp("f").c_str(), t, 0));
  struct stat s = StatOf(Tmp("f"));
  EXPECT_EQ(s.st_atim.tv_sec, 1000);
  EXPECT_GT(s.st_mtim.tv_sec, 1500000000);
}

TEST(Utimens, ErrorsAndFd) {
  st::WriteFile(Tmp("f"), "");
  Fd fd(MUST(open(Tmp("f").c_str(), O_RDONLY)));
  struct timespec bad[2] = {{1, 1000000000}, {1, 0}}, t[2] = {{7, 0}, {8, 0}};
  EXPECT_ERR(utimensat(AT_FDCWD, Tmp("f").c_str(), bad, 0), EINVAL);
  EXPECT_OK(syscall(SYS_utimensat, static_cast<int>(fd), nullptr, t, 0));  // futimens
  EXPECT_EQ(StatOf(Tmp("f")).st_mtim.tv_sec, 8);
  EXPECT_ERR(utimensat(AT_FDCWD, Tmp("none").c_str(), t, 0), ENOENT);
  EXPECT_ERR(syscall(SYS_utimensat, AT_FDCWD, Tmp("f").c_str(), Bad(), 0), EFAULT);
}

TEST(Utimens, SymlinkItself) {
  MUST(symlink("gone", Tmp("l").c_str()));
  struct timespec t[2] = {{7, 0}, {8, 0}};
  EXPECT_OK(utimensat(AT_FDCWD, Tmp("l").c_str(), t, AT_SYMLINK_NOFOLLOW));
  EXPECT_EQ(StatOf(Tmp("l")).st_mtim.tv_sec, 8);
}

TEST(Utimens, OlderCalls) {
  st::WriteFile(Tmp("f"), "");
  struct utimbuf u = {11, 12};
  EXPECT_OK(syscall(SYS_utime, Tmp("f").c_str(), &u));
  EXPECT_EQ(StatOf(Tmp("f")).st_mtim.tv_sec, 12);
  struct timeval v[2] = {{21, 0}, {22, 5}};
  EXPECT_OK(syscall(SYS_utimes, Tmp("f").c_str(), v));
  EXPECT_EQ(StatOf(Tmp("f")).st_mtim.tv_nsec, 5000);
  EXPECT_OK(syscall(SYS_futimesat, AT_FDCWD, Tmp("f").c_str(), v));
  v[1].tv_usec = 1000000;
  EXPECT_ERR(syscall(SYS_utimes, Tmp("f").c_str(), v), EINVAL);
}

TEST(Utimens, NowNeedsWriteAccessOnly) {
  st::NeedRoot();
  st::WriteFile(Tmp("f"), "");
  MUST(chmod(Tmp("f").c_str(), 0666));
  std::string f = Tmp("f");
  EXPECT_CHILD_OK([&] {
    st::DropToNobody();
    struct timespec t[2] = {{7, 0}, {8, 0}};
    EXPECT_OK(utimensat(AT_FDCWD, f.c_str(), nullptr, 0));
    EXPECT_ERR(utimensat(AT_FDCWD, f.c_str(), t, 0), EPERM);
  });
}

TEST(Times, ReadAndWriteUpdate) {
  st::WriteFile(Tmp("f"), "");
  struct timespec t[2] = {{7, 0}, {8, 0}};
  MUST(utimensat(AT_FDCWD, Tmp("f").c_str(), t, 0));
  Fd fd(MUST(open(Tmp("f").c_str(), O_WRONLY)));
  EXPECT_EQ(StatOf(Tmp("f")).st_mtim.tv_sec, 8);
  MUST(write(fd, "x", 1));
  EXPECT_GT(StatOf(Tmp("f")).st_mtim.tv_sec, 1500000000);
  EXPECT_EQ(StatOf(Tmp("f")).st_atim.tv_sec, 7);
}

TEST(Times, DirectoryChangesOnEntry) {
  MUST(mkdir(Tmp("d").c_str(), 0755));
  struct timespec t[2] = {{7, 0}, {8, 0}};
  MUST(utimensat(AT_FDCWD, Tmp("d").c_str(), t, 0));
  st::WriteFile(Tmp("d/f"), "");
  EXPECT_GT(StatOf(Tmp("d")).st_mtim.tv_sec, 1500000000);
}

TEST(Truncate, ShrinkThenGrowIsZeroFilled) {
  st::WriteFile(Tmp("f"), "0123456789");
  EXPECT_OK(syscall(SYS_truncate, Tmp("f").c_str(), 4L));
  EXPECT_OK(truncate(Tmp("f").c_str(), 8));
  EXPECT_EQ(st::ReadFile(Tmp("f")), std::string("0123\0\0\0\0", 8));
}

TEST(Truncate, Errors) {
  st::WriteFile(Tmp("f"), "x");
  EXPECT_ERR(truncate(Tmp("f").c_str(), -1), EINVAL);
  EXPECT_ERR(truncate(Tmp().c_str(), 0), EISDIR);
  EXPECT_ERR(truncate(Tmp("none").c_str(), 0), ENOENT);
  Fd ro(MUST(open(Tmp("f").c_str(), O_RDONLY)));
  EXPECT_ERR(ftruncate(ro, 0), EINVAL);
  EXPECT_ERR(ftruncate(st::BadFd(), 0), EBADF);
  st::Pipe p;
  EXPECT_ERR(ftruncate(p.w, 0), EINVAL);
}

TEST(Truncate, FtruncateKeepsOffset) {
  st::WriteFile(Tmp("f"), "0123456789");
  Fd fd(MUST(open(Tmp("f").c_str(), O_RDWR)));
  MUST(lseek(fd, 8, SEEK_SET));
  EXPECT_OK(ftruncate(fd, 2));
  EXPECT_RET(lseek(fd, 0, SEEK_CUR), 8);
  char b;
  EXPECT_RET(read(fd, &b, 1), 0);
}

TEST(Fallocate, GrowsAndKeepsSize) {
  Fd fd(MUST(open(Tmp("f").c_str(), O_RDWR | O_CREAT, 0600)));
  if (fallocate(fd, 0, 0, 1) != 0 && errno == EOPNOTSUPP) SKIP("file system has no fallocate");
  EXPECT_OK(fallocate(fd, 0, 0, 5000));
  EXPECT_EQ(StatOf(Tmp("f")).st_size, 5000);
  EXPECT_OK(fallocate(fd, 1 /*KEEP_SIZE*/, 5000, 5000));
  EXPECT_EQ(StatOf(Tmp("f")).st_size, 5000);
  EXPECT_ERR(fallocate(fd, 0, 0, 0), EINVAL);
  EXPECT_ERR(fallocate(fd, 0, -1, 1), EINVAL);
}

TEST(Sync, Calls) {
  Fd fd(MUST(open(Tmp("f").c_str(), O_RDWR | O_CREAT, 0600)));
  EXPECT_OK(fsync(fd));
  EXPECT_OK(fdatasync(fd));
  EXPECT_OK(syscall(SYS_sync));
  EXPECT_ERR(fsync(st::BadFd()), EBADF);
  st::Pipe p;
  EXPECT_ERR(fsync(p.w), EINVAL);
}

TEST(Umask, ReturnsOldAndMasksToNine) {
  umask(0123);
  EXPECT_RET(syscall(SYS_umask, 07777), 0123);
  EXPECT_RET(syscall(SYS_umask, 0), 0777);
}

}  // namespace
