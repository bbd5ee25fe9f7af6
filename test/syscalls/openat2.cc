// openat2 and statx: their own arguments and results.
#include <linux/openat2.h>
#include <sys/sysmacros.h>

#include "test/syscalls/harness/test.h"

TOUCHES("openat2", "statx")

namespace {

using st::Tmp;

long Open2(int dir, const std::string& path, uint64_t flags, uint64_t mode = 0, uint64_t resolve = 0,
           size_t size = sizeof(open_how)) {
  open_how how = {};
  how.flags = flags;
  how.mode = mode;
  how.resolve = resolve;
  return syscall(SYS_openat2, dir, path.c_str(), &how, size);
}

struct Tree {
  Fd dir;
  Tree() {
    st::WriteFile(Tmp("outside"), "out");
    MUST(mkdir(Tmp("d").c_str(), 0755));
    MUST(mkdir(Tmp("d/sub").c_str(), 0755));
    st::WriteFile(Tmp("d/f"), "in");
    MUST(symlink("f", Tmp("d/link").c_str()));
    MUST(symlink("../outside", Tmp("d/escape").c_str()));
    MUST(symlink("/f", Tmp("d/absolute").c_str()));
    MUST(symlink("/proc/self/exe", Tmp("d/magic").c_str()));
    dir.reset(MUST(open(Tmp("d").c_str(), O_RDONLY | O_DIRECTORY)));
  }
};

TEST(Openat2, OpensAndCreates) {
  Tree t;
  Fd fd(EXPECT_OK(Open2(t.dir, "f", O_RDONLY | O_CLOEXEC)));
  EXPECT_EQ(st::ReadAll(fd), "in");
  EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  Fd made(EXPECT_OK(Open2(t.dir, "new", O_RDWR | O_CREAT, 0640)));
  EXPECT_EQ(st::StatOf(Tmp("d/new")).st_mode & 07777, 0640u);
}

TEST(Openat2, StricterThanOpenat) {
  Tree t;
  EXPECT_ERR(Open2(t.dir, "f", 1ull << 40), EINVAL);
  EXPECT_ERR(Open2(t.dir, "f", O_RDONLY, 0600), EINVAL);  // a mode without O_CREAT
  EXPECT_ERR(Open2(t.dir, "f", O_RDWR | O_CREAT, 0200000), EINVAL);
  EXPECT_ERR(Open2(t.dir, "f", O_RDONLY, 0, 1 << 20), EINVAL);
  EXPECT_ERR(Open2(t.dir, "f", O_PATH | O_RDWR), EINVAL);
}

TEST(Openat2, SizesOfTheStructure) {
  Tree t;
  EXPECT_ERR(Open2(t.dir, "f", O_RDONLY, 0, 0, 8), EINVAL);
  struct {
    open_how how;
    uint64_t more;
  } big = {};
  EXPECT_OK(syscall(SYS_openat2, static_cast<int>(t.dir), "f", &big, sizeof big));
  big.more = 1;
  EXPECT_ERR(syscall(SYS_openat2, static_cast<int>(t.dir), "f", &big, sizeof big), E2BIG);
  EXPECT_ERR(syscall(SYS_openat2, static_cast<int>(t.dir), "f", st::Bad(), sizeof(open_how)), EFAULT);
}

TEST(Openat2, Beneath) {
  Tree t;
  EXPECT_OK(Open2(t.dir, "sub/../f", O_RDONLY, 0, RESOLVE_BENEATH));
  EXPECT_OK(Open2(t.dir, "link", O_RDONLY, 0, RESOLVE_BENEATH));
  EXPECT_ERR(Open2(t.dir, "../outside", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
  EXPECT_ERR(Open2(t.dir, "escape", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
  EXPECT_ERR(Open2(t.dir, "absolute", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
  EXPECT_ERR(Open2(t.dir, Tmp("d/f"), O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
}

TEST(Openat2, InRoot) {
  Tree t;
  EXPECT_OK(Open2(t.dir, "/f", O_RDONLY, 0, RESOLVE_IN_ROOT));
  EXPECT_OK(Open2(t.dir, "absolute", O_RDONLY, 0, RESOLVE_IN_ROOT));
  EXPECT_OK(Open2(t.dir, "../../f", O_RDONLY, 0, RESOLVE_IN_ROOT));
  EXPECT_ERR(Open2(t.dir, "escape", O_RDONLY, 0, RESOLVE_IN_ROOT), ENOENT);
}

TEST(Openat2, NoLinks) {
  Tree t;
  EXPECT_ERR(Open2(t.dir, "link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), ELOOP);
  EXPECT_OK(Open2(t.dir, "f", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
  EXPECT_ERR(Open2(t.dir, "magic", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS), ELOOP);
  EXPECT_OK(Open2(t.dir, "link", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
}

TEST(Openat2, NoCrossingOfMounts) {
  Fd root(MUST(open("/", O_RDONLY | O_DIRECTORY)));
  EXPECT_ERR(Open2(root, "proc/self", O_RDONLY, 0, RESOLVE_NO_XDEV), EXDEV);
  Tree t;
  EXPECT_OK(Open2(t.dir, "sub/../f", O_RDONLY, 0, RESOLVE_NO_XDEV));
}

TEST(Statx, BasicFields) {
  st::WriteFile(Tmp("f"), "12345", 0640);
  struct statx x = {};
  EXPECT_OK(statx(AT_FDCWD, Tmp("f").c_str(), 0, STATX_BASIC_STATS, &x));
  struct stat s = st::StatOf(Tmp("f"));
  EXPECT_EQ(x.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
  EXPECT_EQ(x.stx_size, 5u);
  EXPECT_EQ(x.stx_mode, s.st_mode);
  EXPECT_EQ(x.stx_ino, s.st_ino);
  EXPECT_EQ(x.stx_nlink, 1u);
  EXPECT_EQ(x.stx_dev_major, major(s.st_dev));
  EXPECT_EQ(x.stx_dev_minor, minor(s.st_dev));
  EXPECT_EQ(x.stx_mtime.tv_sec, s.st_mtim.tv_sec);
  EXPECT_EQ(x.stx_mtime.tv_nsec, static_cast<uint32_t>(s.st_mtim.tv_nsec));
}

TEST(Statx, LinksAndDescriptors) {
  st::WriteFile(Tmp("f"), "1");
  MUST(symlink("f", Tmp("l").c_str()));
  struct statx x = {};
  EXPECT_OK(statx(AT_FDCWD, Tmp("l").c_str(), AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x));
  EXPECT_TRUE(S_ISLNK(x.stx_mode));
  EXPECT_OK(statx(AT_FDCWD, Tmp("l").c_str(), 0, STATX_TYPE, &x));
  EXPECT_TRUE(S_ISREG(x.stx_mode));
  Fd fd(MUST(open(Tmp("f").c_str(), O_RDONLY)));
  EXPECT_OK(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &x));
  EXPECT_EQ(x.stx_size, 1u);
}

TEST(Statx, Errors) {
  struct statx x;
  EXPECT_ERR(statx(AT_FDCWD, Tmp("none").c_str(), 0, STATX_BASIC_STATS, &x), ENOENT);
  EXPECT_ERR(statx(AT_FDCWD, "", 0, STATX_BASIC_STATS, &x), ENOENT);
  EXPECT_ERR(syscall(SYS_statx, AT_FDCWD, "/", 0x100000, STATX_BASIC_STATS, &x), EINVAL);
  EXPECT_ERR(syscall(SYS_statx, AT_FDCWD, "/", 0, 0x80000000u, &x), EINVAL);
  EXPECT_ERR(syscall(SYS_statx, AT_FDCWD, "/", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, 0, &x), EINVAL);
  EXPECT_ERR(syscall(SYS_statx, AT_FDCWD, "/", 0, 0, st::Bad()), EFAULT);
  EXPECT_ERR(syscall(SYS_statx, st::BadFd(), "f", 0, 0, &x), EBADF);
}

}  // namespace
