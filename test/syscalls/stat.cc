// stat, lstat, fstat, newfstatat, statx, access, statfs.
#include <linux/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "test/syscalls/harness/test.h"

TOUCHES("stat", "lstat", "fstat", "newfstatat", "statx", "access", "faccessat", "faccessat2", "statfs", "fstatfs",
        "mknod", "mknodat")

namespace {

using st::Bad;
using st::Tmp;

int RawStat(const char* p, struct stat* s) { return static_cast<int>(syscall(SYS_stat, p, s)); }

TEST(Stat, RegularFileFields) {
  st::WriteFile(Tmp("f"), "12345", 0640);
  struct stat s;
  MUST(RawStat(Tmp("f").c_str(), &s));
  EXPECT_EQ(s.st_mode, static_cast<mode_t>(S_IFREG | 0640));
  EXPECT_EQ(s.st_size, 5);
  EXPECT_EQ(s.st_nlink, 1u);
  EXPECT_EQ(s.st_uid, geteuid());
  EXPECT_GT(s.st_blksize, 0);
  EXPECT_NE(s.st_ino, 0u);
}

TEST(Stat, LstatSeesLinkStatFollows) {
  st::WriteFile(Tmp("f"), "12345");
  MUST(symlink("f", Tmp("l").c_str()));
  struct stat s;
  MUST(static_cast<int>(syscall(SYS_lstat, Tmp("l").c_str(), &s)));
  EXPECT_TRUE(S_ISLNK(s.st_mode));
  EXPECT_EQ(s.st_size, 1);
  EXPECT_EQ(s.st_mode & 0777, 0777u);
  MUST(RawStat(Tmp("l").c_str(), &s));
  EXPECT_TRUE(S_ISREG(s.st_mode));
}

TEST(Stat, SameInodeByEveryWay) {
  st::WriteFile(Tmp("f"), "1");
  MUST(link(Tmp("f").c_str(), Tmp("g").c_str()));
  Fd fd(MUST(open(Tmp("f").c_str(), O_RDONLY)));
  struct stat a, b, c;
  MUST(RawStat(Tmp("f").c_str(), &a));
  MUST(RawStat(Tmp("g").c_str(), &b));
  MUST(static_cast<int>(syscall(SYS_fstat, static_cast<int>(fd), &c)));
  EXPECT_EQ(a.st_ino, b.st_ino);
  EXPECT_EQ(a.st_ino, c.st_ino);
  EXPECT_EQ(a.st_dev, c.st_dev);
  EXPECT_EQ(a.st_nlink, 2u);
}

TEST(Stat, DirectoryLinkCount) {
  struct stat s;
  MUST(RawStat(Tmp().c_str(), &s));
  nlink_t before = s.st_nlink;
  MUST(mkdir(Tmp("a").c_str(), 0755));
  MUST(RawStat(Tmp().c_str(), &s));
  EXPECT_EQ(s.st_nlink, before + 1);
}

TEST(Stat, PipeAndSocketTypes) {
  st::Pipe p;
  st::SockPair sp(1);
  struct stat s;
  MUST(fstat(p.r, &s));
  EXPECT_TRUE(S_ISFIFO(s.st_mode));
  MUST(fstat(sp.a, &s));
  EXPECT_TRUE(S_ISSOCK(s.st_mode));
}

TEST(Stat, DevNullNumbers) {
  struct stat s;
  MUST(RawStat("/dev/null", &s));
  EXPECT_TRUE(S_ISCHR(s.st_mode));
  EXPECT_EQ(s.st_rdev, makedev(1, 3));
  MUST(RawStat("/dev/zero", &s));
  EXPECT_EQ(s.st_rdev, makedev(1, 5));
}

TEST(Stat, FaultAndMissing) {
  struct stat s;
  EXPECT_ERR(RawStat(Bad<char>(), &s), EFAULT);
  EXPECT_ERR(RawStat("/", Bad<struct stat>()), EFAULT);
  EXPECT_ERR(RawStat(Tmp("none").c_str(), Bad<struct stat>()), ENOENT);
  EXPECT_ERR(syscall(SYS_fstat, st::BadFd(), Bad()), EBADF);
}

TEST(Fstatat, EmptyPathMeansFd) {
  st::WriteFile(Tmp("f"), "123");
  Fd fd(MUST(open(Tmp("f").c_str(), O_RDONLY)));
  struct stat s;
  EXPECT_OK(fstatat(fd, "", &s, AT_EMPTY_PATH));
  EXPECT_EQ(s.st_size, 3);
  EXPECT_ERR(fstatat(fd, "", &s, 0), ENOENT);
  EXPECT_ERR(fstatat(fd, "x", &s, 0), ENOTDIR);
  EXPECT_ERR(fstatat(fd, "", &s, 0x40000000), EINVAL);
}

TEST(Fstatat, NoFollow) {
  MUST(symlink("nowhere", Tmp("l").c_str()));
  Fd dir(MUST(open(Tmp().c_str(), O_RDONLY)));
  struct stat s;
  EXPECT_OK(fstatat(dir, "l", &s, AT_SYMLINK_NOFOLLOW));
  EXPECT_TRUE(S_ISLNK(s.st_mode));
  EXPECT_ERR(fstatat(dir, "l", &s, 0), ENOENT);
}

TEST(Statx, BasicMaskAndFields) {
  st::WriteFile(Tmp("f"), "1234567");
  struct statx x = {};
  MUST(static_cast<int>(syscall(SYS_statx, AT_FDCWD, Tmp("f").c_str(), 0, STATX_BASIC_STATS, &x)));
  EXPECT_EQ(x.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
  EXPECT_EQ(x.stx_size, 7u);
  EXPECT_EQ(x.stx_mode, S_IFREG | 0644);
  struct stat s = st::StatOf(Tmp("f"));
  EXPECT_EQ(x.stx_ino, s.st_ino);
  EXPECT_EQ(makedev(x.stx_dev_major, x.stx_dev_minor), s.st_dev);
  EXPECT_EQ(x.stx_mtime.tv_sec, s.st_mtim.tv_sec);
}

TEST(Statx, BadFlags) {
  struct statx x;
  EXPECT_ERR(syscall(SYS_statx, AT_FDCWD, "/", AT_STATX_SYNC_TYPE, STATX_BASIC_STATS, &x), EINVAL);
  EXPECT_ERR(syscall(SYS_statx, AT_FDCWD, "/", 0, 0x80000000u, &x), EINVAL);
  EXPECT_ERR(syscall(SYS_statx, AT_FDCWD, "/", 0, STATX_BASIC_STATS, Bad()), EFAULT);
}

TEST(Access, RootReadsAllExecutesSome) {
  st::NeedRoot();
  st::WriteFile(Tmp("f"), "", 0000);
  st::WriteFile(Tmp("x"), "", 0100);
  MUST(chmod(Tmp("x").c_str(), 0100));
  auto raw = [](const std::string& p, int m) { return syscall(SYS_access, p.c_str(), m); };
  EXPECT_OK(raw(Tmp("f"), F_OK));
  EXPECT_OK(raw(Tmp("f"), R_OK | W_OK));
  EXPECT_ERR(raw(Tmp("f"), X_OK), EACCES);
  EXPECT_OK(raw(Tmp("x"), X_OK));
  EXPECT_ERR(raw(Tmp("none"), F_OK), ENOENT);
  EXPECT_ERR(raw(Tmp("f"), 8), EINVAL);
}

TEST(Access, UsesRealIdsUnlessAskedOtherwise) {
  st::NeedRoot();
  st::WriteFile(Tmp("f"), "", 0600);
  std::string f = Tmp("f");
  EXPECT_CHILD_OK([&] {
    MUST(setresuid(65534, 0, 0));  // real nobody, effective root
    EXPECT_ERR(syscall(SYS_access, f.c_str(), R_OK), EACCES);
    EXPECT_ERR(syscall(SYS_faccessat, AT_FDCWD, f.c_str(), R_OK), EACCES);
    EXPECT_OK(syscall(SYS_faccessat2, AT_FDCWD, f.c_str(), R_OK, AT_EACCESS));
  });
}

TEST(Access, OtherUserBits) {
  st::NeedRoot();
  st::WriteFile(Tmp("f"), "", 0604);
  std::string f = Tmp("f");
  EXPECT_CHILD_OK([&] {
    st::DropToNobody();
    EXPECT_OK(access(f.c_str(), R_OK));
    EXPECT_ERR(access(f.c_str(), W_OK), EACCES);
    EXPECT_ERR(access(f.c_str(), R_OK | X_OK), EACCES);
  });
}

TEST(Mknod, FifoAndRegular) {
  MUST(static_cast<int>(syscall(SYS_mknod, Tmp("p").c_str(), S_IFIFO | 0600, 0)));
  EXPECT_TRUE(S_ISFIFO(st::StatOf(Tmp("p")).st_mode));
  MUST(static_cast<int>(syscall(SYS_mknodat, AT_FDCWD, Tmp("r").c_str(), 0640, 0)));  // type 0 is a regular file
  EXPECT_EQ(st::StatOf(Tmp("r")).st_mode, static_cast<mode_t>(S_IFREG | 0640));
  EXPECT_ERR(mknod(Tmp("p").c_str(), S_IFIFO | 0600, 0), EEXIST);
  EXPECT_ERR(mknod(Tmp("d").c_str(), S_IFDIR | 0600, 0), EPERM);
  EXPECT_ERR(mknod(Tmp("l").c_str(), S_IFLNK | 0600, 0), EINVAL);
}

TEST(Statfs, PlausibleFields) {
  struct statfs s = {}, t = {};
  MUST(statfs(Tmp().c_str(), &s));
  EXPECT_GT(s.f_bsize, 0);
  EXPECT_GE(s.f_blocks, s.f_bfree);
  EXPECT_GE(s.f_namelen, 255);
  Fd fd(MUST(open(Tmp().c_str(), O_RDONLY)));
  MUST(fstatfs(fd, &t));
  EXPECT_EQ(s.f_type, t.f_type);
  EXPECT_EQ(s.f_bsize, t.f_bsize);
}

TEST(Statfs, ProcMagicAndErrors) {
  struct statfs s = {};
  MUST(statfs("/proc", &s));
  EXPECT_EQ(s.f_type, 0x9fa0);
  EXPECT_ERR(statfs(Tmp("none").c_str(), &s), ENOENT);
  EXPECT_ERR(fstatfs(st::BadFd(), &s), EBADF);
  EXPECT_ERR(statfs("/", Bad<struct statfs>()), EFAULT);
}

}  // namespace
