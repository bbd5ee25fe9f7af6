// symlinks, and how a path is walked.
#include <limits.h>

#include "test/syscalls/harness/test.h"

TOUCHES("symlink", "symlinkat", "readlink", "readlinkat", "chdir", "fchdir", "getcwd", "chroot")

namespace {

using st::Bad;
using st::Tmp;

int Open(const std::string& p, int flags = O_RDONLY) { return open(p.c_str(), flags); }

// Opens, and reports only whether that went well.
int Try(const std::string& p, int flags = O_RDONLY) {
  Fd fd(Open(p, flags));
  return fd < 0 ? -1 : 0;
}

TEST(Symlink, ReadlinkDoesNotTerminate) {
  EXPECT_OK(syscall(SYS_symlink, "abcdef", Tmp("l").c_str()));
  char b[16];
  memset(b, 'Z', sizeof b);
  EXPECT_RET(syscall(SYS_readlink, Tmp("l").c_str(), b, sizeof b), 6);
  EXPECT_EQ(std::string(b, 7), "abcdefZ");
  EXPECT_RET(readlink(Tmp("l").c_str(), b, 3), 3);
}

TEST(Symlink, Errors) {
  st::WriteFile(Tmp("f"), "");
  char b[4];
  EXPECT_ERR(symlink("", Tmp("l").c_str()), ENOENT);
  EXPECT_ERR(symlink("x", Tmp("f").c_str()), EEXIST);
  EXPECT_ERR(symlink("x", Tmp("none/l").c_str()), ENOENT);
  EXPECT_ERR(readlink(Tmp("f").c_str(), b, 4), EINVAL);
  EXPECT_ERR(readlink(Tmp("none").c_str(), b, 4), ENOENT);
  EXPECT_ERR(syscall(SYS_readlink, Tmp("f").c_str(), b, 0), EINVAL);
  EXPECT_ERR(syscall(SYS_readlink, Tmp("f").c_str(), b, -1), EINVAL);
}

TEST(Symlink, LongestTarget) {
  std::string t(PATH_MAX - 1, 'x'), too_long(PATH_MAX, 'x');
  EXPECT_OK(symlink(t.c_str(), Tmp("l").c_str()));
  EXPECT_ERR(symlink(too_long.c_str(), Tmp("m").c_str()), ENAMETOOLONG);
  char b[PATH_MAX];
  EXPECT_RET(readlink(Tmp("l").c_str(), b, sizeof b), PATH_MAX - 1);
  EXPECT_EQ(st::StatOf(Tmp("l")).st_size, PATH_MAX - 1);
}

TEST(Symlink, AtCalls) {
  Fd dir(MUST(open(Tmp().c_str(), O_RDONLY)));
  EXPECT_OK(symlinkat("target", dir, "l"));
  char b[16];
  EXPECT_RET(readlinkat(dir, "l", b, sizeof b), 6);
  EXPECT_ERR(symlinkat("target", st::BadFd(), "l"), EBADF);
  EXPECT_ERR(readlinkat(st::BadFd(), "l", b, sizeof b), EBADF);
}

TEST(PathWalk, LinkInTheMiddle) {
  MUST(mkdir(Tmp("real").c_str(), 0755));
  st::WriteFile(Tmp("real/f"), "x");
  MUST(symlink("real", Tmp("rel").c_str()));
  MUST(symlink(Tmp("real").c_str(), Tmp("abs").c_str()));
  EXPECT_OK(Try(Tmp("rel/f")));
  EXPECT_OK(Try(Tmp("abs/f")));
  EXPECT_OK(Try(Tmp("abs/../rel/f")));
}

TEST(PathWalk, DotDotOfLinkIsTargetsParent) {
  MUST(mkdir(Tmp("a").c_str(), 0755));
  MUST(mkdir(Tmp("a/b").c_str(), 0755));
  st::WriteFile(Tmp("a/mark"), "");
  MUST(symlink("a/b", Tmp("l").c_str()));
  EXPECT_OK(Try(Tmp("l/../mark")));
}

TEST(PathWalk, LoopIsELOOP) {
  MUST(symlink("b", Tmp("a").c_str()));
  MUST(symlink("a", Tmp("b").c_str()));
  MUST(symlink("self", Tmp("self").c_str()));
  EXPECT_ERR(Try(Tmp("a")), ELOOP);
  EXPECT_ERR(Try(Tmp("self/x")), ELOOP);
}

TEST(PathWalk, FortyLinksAreTheLimit) {
  st::WriteFile(Tmp("l0"), "end");
  for (int i = 1; i <= 41; i++) {
    MUST(symlink(("l" + std::to_string(i - 1)).c_str(), Tmp("l" + std::to_string(i)).c_str()));
  }
  EXPECT_OK(Try(Tmp("l40")));
  EXPECT_ERR(Try(Tmp("l41")), ELOOP);
}

TEST(PathWalk, NameLengthLimit) {
  std::string ok(255, 'n'), bad(256, 'n');
  EXPECT_ERR(Try(Tmp(ok)), ENOENT);
  EXPECT_ERR(Try(Tmp(bad)), ENAMETOOLONG);
  EXPECT_ERR(Try(Tmp(bad + "/x")), ENAMETOOLONG);
  st::WriteFile(Tmp(ok), "");
  EXPECT_OK(Try(Tmp(ok)));
}

TEST(PathWalk, PathLengthLimit) {
  std::string p = Tmp();
  while (p.size() + 2 < PATH_MAX) p += "/.";
  while (p.size() < PATH_MAX - 1) p += "/";
  EXPECT_EQ(p.size(), static_cast<size_t>(PATH_MAX - 1));
  EXPECT_OK(Try(p));
  EXPECT_ERR(Try(p + "/"), ENAMETOOLONG);
}

TEST(PathWalk, FileAsDirectoryIsENOTDIR) {
  st::WriteFile(Tmp("f"), "");
  EXPECT_ERR(Try(Tmp("f/x")), ENOTDIR);
  EXPECT_ERR(Try(Tmp("f/")), ENOTDIR);
  EXPECT_ERR(Try(Tmp("f/.")), ENOTDIR);
  EXPECT_ERR(Try(Tmp("f/..")), ENOTDIR);
  EXPECT_ERR(Try(Tmp("none/..")), ENOENT);
}

TEST(PathWalk, TrailingSlashOnCreate) {
  EXPECT_ERR(open(Tmp("f/").c_str(), O_RDWR | O_CREAT, 0600), EISDIR);
  EXPECT_FALSE(st::Exists(Tmp("f")));
}

TEST(PathWalk, ManySlashesAreOne) {
  st::WriteFile(Tmp("f"), "");
  EXPECT_OK(Try("//" + Tmp() + "////./f"));
}

TEST(PathWalk, TrailingSlashFollowsLink) {
  MUST(mkdir(Tmp("d").c_str(), 0755));
  MUST(symlink("d", Tmp("l").c_str()));
  struct stat s;
  MUST(lstat(Tmp("l/").c_str(), &s));
  EXPECT_TRUE(S_ISDIR(s.st_mode));
}

TEST(PathWalk, RootsParentIsRoot) {
  struct stat a, b;
  MUST(stat("/", &a));
  MUST(stat("/../../..", &b));
  EXPECT_EQ(a.st_ino, b.st_ino);
}

TEST(PathWalk, SearchPermission) {
  st::NeedRoot();
  MUST(mkdir(Tmp("d").c_str(), 0700));
  st::WriteFile(Tmp("d/f"), "");
  MUST(chmod(Tmp("d").c_str(), 0644));  // list, but not enter
  std::string d = Tmp("d");
  EXPECT_CHILD_OK([&] {
    st::DropToNobody();
    EXPECT_OK(Try(d));
    EXPECT_ERR(Try(d + "/f"), EACCES);
    EXPECT_ERR(Try(d + "/."), EACCES);
    EXPECT_ERR(chdir(d.c_str()), EACCES);
  });
}

TEST(Cwd, GetcwdFollowsChdirAndRename) {
  MUST(mkdir(Tmp("d").c_str(), 0755));
  EXPECT_OK(syscall(SYS_chdir, Tmp("d").c_str()));
  char b[PATH_MAX];
  EXPECT_RET(syscall(SYS_getcwd, b, sizeof b), Tmp("d").size() + 1);  // counts the NUL
  EXPECT_EQ(std::string(b), Tmp("d"));
  MUST(rename(Tmp("d").c_str(), Tmp("moved").c_str()));
  MUST(syscall(SYS_getcwd, b, sizeof b));
  EXPECT_EQ(std::string(b), Tmp("moved"));
  EXPECT_ERR(syscall(SYS_getcwd, b, 3), ERANGE);
  EXPECT_ERR(syscall(SYS_getcwd, Bad(), 4096), EFAULT);
}

TEST(Cwd, FchdirAndErrors) {
  st::WriteFile(Tmp("f"), "");
  Fd dir(MUST(Open(Tmp(), O_PATH))), file(MUST(Open(Tmp("f"))));
  EXPECT_OK(fchdir(dir));
  EXPECT_OK(Try("f"));
  EXPECT_ERR(fchdir(file), ENOTDIR);
  EXPECT_ERR(fchdir(st::BadFd()), EBADF);
  EXPECT_ERR(chdir(Tmp("f").c_str()), ENOTDIR);
  EXPECT_ERR(chdir(Tmp("none").c_str()), ENOENT);
}

TEST(Cwd, ForkInheritsACopy) {
  MUST(chdir("/"));
  EXPECT_CHILD_OK([] { MUST(chdir(Tmp().c_str())); });
  char b[PATH_MAX];
  MUST(syscall(SYS_getcwd, b, sizeof b));
  EXPECT_EQ(std::string(b), "/");
}

TEST(Chroot, NewRootBoundsDotDot) {
  st::NeedRoot();
  MUST(mkdir(Tmp("r").c_str(), 0755));
  st::WriteFile(Tmp("r/inside"), "");
  MUST(symlink("/inside", Tmp("r/abs").c_str()));
  std::string r = Tmp("r");
  EXPECT_CHILD_OK([&] {
    MUST(chroot(r.c_str()));
    MUST(chdir("/"));
    EXPECT_OK(Try("/inside"));
    EXPECT_OK(Try("/../../inside"));
    EXPECT_OK(Try("/abs"));
    EXPECT_ERR(Try("/proc"), ENOENT);
  });
  EXPECT_CHILD_OK([&] {
    st::DropToNobody();
    EXPECT_ERR(chroot(r.c_str()), EPERM);
  });
}

}  // namespace
