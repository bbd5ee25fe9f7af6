// link, linkat, unlink, unlinkat, mkdir, rmdir.
#include "test/syscalls/harness/test.h"

TOUCHES("link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir")

namespace {

using st::Exists;
using st::Tmp;

TEST(Link, CountsAndSharesContent) {
  st::WriteFile(Tmp("a"), "1");
  EXPECT_OK(syscall(SYS_link, Tmp("a").c_str(), Tmp("b").c_str()));
  st::WriteFile(Tmp("b"), "two");
  EXPECT_EQ(st::ReadFile(Tmp("a")), "two");
  EXPECT_EQ(st::StatOf(Tmp("a")).st_nlink, 2u);
  EXPECT_OK(syscall(SYS_unlink, Tmp("a").c_str()));
  EXPECT_EQ(st::StatOf(Tmp("b")).st_nlink, 1u);
}

TEST(Link, Errors) {
  st::WriteFile(Tmp("a"), "");
  MUST(mkdir(Tmp("d").c_str(), 0755));
  EXPECT_ERR(link(Tmp("none").c_str(), Tmp("x").c_str()), ENOENT);
  EXPECT_ERR(link(Tmp("a").c_str(), Tmp("d").c_str()), EEXIST);
  EXPECT_ERR(link(Tmp("d").c_str(), Tmp("e").c_str()), EPERM);
  EXPECT_ERR(link(Tmp("a").c_str(), Tmp("none/x").c_str()), ENOENT);
}

TEST(Link, SymlinkIsNotFollowedUnlessAsked) {
  st::WriteFile(Tmp("a"), "");
  MUST(symlink("a", Tmp("l").c_str()));
  EXPECT_OK(link(Tmp("l").c_str(), Tmp("m").c_str()));
  EXPECT_TRUE(S_ISLNK(st::StatOf(Tmp("m")).st_mode));
  EXPECT_OK(linkat(AT_FDCWD, Tmp("l").c_str(), AT_FDCWD, Tmp("n").c_str(), AT_SYMLINK_FOLLOW));
  EXPECT_TRUE(S_ISREG(st::StatOf(Tmp("n")).st_mode));
  EXPECT_ERR(linkat(AT_FDCWD, Tmp("l").c_str(), AT_FDCWD, Tmp("o").c_str(), 0x40000000), EINVAL);
}

TEST(Link, EmptyPathLinksAnFd) {
  st::NeedRoot();  // or CAP_DAC_READ_SEARCH, until Linux 6.10
  st::WriteFile(Tmp("a"), "via fd");
  Fd fd(MUST(open(Tmp("a").c_str(), O_RDONLY)));
  EXPECT_OK(linkat(fd, "", AT_FDCWD, Tmp("b").c_str(), AT_EMPTY_PATH));
  EXPECT_EQ(st::ReadFile(Tmp("b")), "via fd");
  EXPECT_ERR(linkat(fd, "", AT_FDCWD, Tmp("c").c_str(), 0), ENOENT);
}

TEST(Unlink, DirectoryIsEISDIR) {
  MUST(mkdir(Tmp("d").c_str(), 0755));
  EXPECT_ERR(unlink(Tmp("d").c_str()), EISDIR);
  EXPECT_ERR(unlink(Tmp("none").c_str()), ENOENT);
  EXPECT_ERR(unlink(""), ENOENT);
}

TEST(Unlink, TrailingSlash) {
  st::WriteFile(Tmp("f"), "");
  MUST(mkdir(Tmp("d").c_str(), 0755));
  EXPECT_ERR(unlink(Tmp("f/").c_str()), ENOTDIR);
  EXPECT_ERR(unlink(Tmp("d/").c_str()), EISDIR);
  EXPECT_ERR(unlink(Tmp("none/").c_str()), ENOENT);
}

TEST(Unlink, SymlinkNotTarget) {
  st::WriteFile(Tmp("f"), "");
  MUST(symlink("f", Tmp("l").c_str()));
  EXPECT_OK(unlink(Tmp("l").c_str()));
  EXPECT_TRUE(Exists(Tmp("f")));
}

TEST(Unlink, NameIsFreeWhileFdIsOpen) {
  st::WriteFile(Tmp("f"), "old");
  Fd fd(MUST(open(Tmp("f").c_str(), O_RDONLY)));
  EXPECT_OK(unlink(Tmp("f").c_str()));
  st::WriteFile(Tmp("f"), "new");
  EXPECT_EQ(st::ReadAll(fd), "old");
  EXPECT_EQ(st::ReadFile(Tmp("f")), "new");
}

TEST(Unlinkat, FlagsAndFds) {
  MUST(mkdir(Tmp("d").c_str(), 0755));
  st::WriteFile(Tmp("f"), "");
  Fd dir(MUST(open(Tmp().c_str(), O_RDONLY)));
  EXPECT_ERR(unlinkat(dir, "d", 0), EISDIR);
  EXPECT_ERR(unlinkat(dir, "f", AT_REMOVEDIR), ENOTDIR);
  EXPECT_ERR(unlinkat(dir, "f", 0x1), EINVAL);
  EXPECT_OK(unlinkat(dir, "d", AT_REMOVEDIR));
  EXPECT_OK(unlinkat(dir, "f", 0));
  EXPECT_ERR(unlinkat(st::BadFd(), "f", 0), EBADF);
}

TEST(Mkdir, ModeAndUmask) {
  umask(022);
  EXPECT_OK(syscall(SYS_mkdir, Tmp("a").c_str(), 0777));
  EXPECT_EQ(st::StatOf(Tmp("a")).st_mode, static_cast<mode_t>(S_IFDIR | 0755));
  umask(0);
  EXPECT_OK(mkdir(Tmp("b").c_str(), 01777));
  EXPECT_EQ(st::StatOf(Tmp("b")).st_mode, static_cast<mode_t>(S_IFDIR | 01777));
}

TEST(Mkdir, Errors) {
  st::WriteFile(Tmp("f"), "");
  MUST(symlink("gone", Tmp("l").c_str()));
  EXPECT_ERR(mkdir(Tmp().c_str(), 0755), EEXIST);
  EXPECT_ERR(mkdir(Tmp("f").c_str(), 0755), EEXIST);
  EXPECT_ERR(mkdir(Tmp("l").c_str(), 0755), EEXIST);
  EXPECT_ERR(mkdir(Tmp("none/d").c_str(), 0755), ENOENT);
  EXPECT_ERR(mkdir(Tmp("f/d").c_str(), 0755), ENOTDIR);
  EXPECT_ERR(mkdir("/", 0755), EEXIST);
  EXPECT_OK(mkdir(Tmp("slash/").c_str(), 0755));
}

TEST(Mkdir, RelativeToFd) {
  Fd dir(MUST(open(Tmp().c_str(), O_RDONLY)));
  EXPECT_OK(mkdirat(dir, "x", 0700));
  EXPECT_TRUE(Exists(Tmp("x")));
  EXPECT_ERR(mkdirat(st::BadFd(), "x", 0700), EBADF);
}

TEST(Mkdir, SetgidDirectoryPassesGroupOn) {
  st::NeedRoot();
  MUST(mkdir(Tmp("g").c_str(), 0755));
  MUST(chown(Tmp("g").c_str(), 0, 1234));
  MUST(chmod(Tmp("g").c_str(), 02775));
  MUST(mkdir(Tmp("g/sub").c_str(), 0755));
  st::WriteFile(Tmp("g/f"), "");
  EXPECT_EQ(st::StatOf(Tmp("g/sub")).st_gid, 1234u);
  EXPECT_TRUE(st::StatOf(Tmp("g/sub")).st_mode & S_ISGID);
  EXPECT_EQ(st::StatOf(Tmp("g/f")).st_gid, 1234u);
  EXPECT_FALSE(st::StatOf(Tmp("g/f")).st_mode & S_ISGID);
}

TEST(Rmdir, Errors) {
  st::WriteFile(Tmp("f"), "");
  MUST(mkdir(Tmp("d").c_str(), 0755));
  MUST(mkdir(Tmp("d/e").c_str(), 0755));
  auto raw = [](const std::string& p) { return syscall(SYS_rmdir, p.c_str()); };
  EXPECT_ERR(raw(Tmp("d")), ENOTEMPTY);
  EXPECT_ERR(raw(Tmp("f")), ENOTDIR);
  EXPECT_ERR(raw(Tmp("none")), ENOENT);
  EXPECT_ERR(raw(Tmp("d/e/.")), EINVAL);
  EXPECT_ERR(raw(Tmp("d/e/..")), ENOTEMPTY);
  EXPECT_ERR(raw("/"), EBUSY);
  EXPECT_OK(raw(Tmp("d/e/")));
}

TEST(Rmdir, SymlinkToDirectoryIsENOTDIR) {
  MUST(mkdir(Tmp("d").c_str(), 0755));
  MUST(symlink("d", Tmp("l").c_str()));
  EXPECT_ERR(rmdir(Tmp("l").c_str()), ENOTDIR);
}

TEST(Rmdir, WorkingDirectoryGoesAway) {
  MUST(mkdir(Tmp("d").c_str(), 0755));
  MUST(chdir(Tmp("d").c_str()));
  EXPECT_OK(rmdir(Tmp("d").c_str()));
  char b[4096];
  EXPECT_ERR(syscall(SYS_getcwd, b, sizeof b), ENOENT);
  EXPECT_ERR(mkdir("x", 0755), ENOENT);
  EXPECT_OK(chdir(".."));
}

}  // namespace
