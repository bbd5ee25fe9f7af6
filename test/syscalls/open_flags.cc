// open and openat: creation, flags, permissions.
#include <sys/resource.h>

#include "test/syscalls/harness/test.h"

TOUCHES("open", "openat", "umask", "close", "openat2", "fcntl")

namespace {

using st::Bad;
using st::Tmp;

TEST(Open, MissingFileIsENOENT) {
  EXPECT_ERR(open(Tmp("none").c_str(), O_RDONLY), ENOENT);
  EXPECT_ERR(open("", O_RDONLY), ENOENT);
  EXPECT_ERR(open("", O_RDWR | O_CREAT, 0600), ENOENT);
}

TEST(Open, LowestFreeNumber) {
  Fd a(MUST(open("/dev/null", O_RDONLY)));
  Fd b(MUST(open("/dev/null", O_RDONLY)));
  int freed = a;
  a.reset();
  Fd c(MUST(open("/dev/null", O_RDONLY)));
  EXPECT_EQ(static_cast<int>(c), freed);
  EXPECT_LT(static_cast<int>(c), static_cast<int>(b));
}

TEST(Open, CreateUsesUmask) {
  umask(027);
  Fd fd(MUST(open(Tmp("f").c_str(), O_RDWR | O_CREAT, 0777)));
  EXPECT_EQ(st::StatOf(Tmp("f")).st_mode, static_cast<mode_t>(S_IFREG | 0750));
}

TEST(Open, CreateGivesWritableFdForReadOnlyMode) {
  Fd fd(MUST(open(Tmp("f").c_str(), O_RDWR | O_CREAT, 0400)));
  EXPECT_RET(write(fd, "x", 1), 1);
}

TEST(Open, ExclusiveFailsOnAnyExisting) {
  st::WriteFile(Tmp("f"), "");
  MUST(symlink("dangling", Tmp("l").c_str()));
  EXPECT_ERR(open(Tmp("f").c_str(), O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
  EXPECT_ERR(open(Tmp("l").c_str(), O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
  EXPECT_ERR(open(Tmp().c_str(), O_RDONLY | O_CREAT | O_EXCL, 0600), EEXIST);
  EXPECT_FALSE(st::Exists(Tmp("dangling")));
}

TEST(Open, CreateThroughDanglingLink) {
  MUST(symlink("target", Tmp("l").c_str()));
  Fd fd(MUST(open(Tmp("l").c_str(), O_RDWR | O_CREAT, 0600)));
  EXPECT_TRUE(st::Exists(Tmp("target")));
}

TEST(Open, DirectoryForWritingIsEISDIR) {
  EXPECT_ERR(open(Tmp().c_str(), O_WRONLY), EISDIR);
  EXPECT_ERR(open(Tmp().c_str(), O_RDWR), EISDIR);
  EXPECT_ERR(open(Tmp().c_str(), O_RDONLY | O_CREAT, 0600), EISDIR);
  Fd fd(EXPECT_OK(open(Tmp().c_str(), O_RDONLY)));
}

TEST(Open, DirectoryFlagOnFileIsENOTDIR) {
  st::WriteFile(Tmp("f"), "");
  EXPECT_ERR(open(Tmp("f").c_str(), O_RDONLY | O_DIRECTORY), ENOTDIR);
}

TEST(Open, NoFollowOnLinkIsELOOP) {
  st::WriteFile(Tmp("f"), "");
  MUST(symlink("f", Tmp("l").c_str()));
  MUST(symlink(".", Tmp("d").c_str()));
  EXPECT_ERR(open(Tmp("l").c_str(), O_RDONLY | O_NOFOLLOW), ELOOP);
  EXPECT_ERR(open(Tmp("d").c_str(), O_RDONLY | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
  Fd through(EXPECT_OK(open(Tmp("d/f").c_str(), O_RDONLY | O_NOFOLLOW)));  // only the last component counts
}

TEST(Open, TruncateCutsAndNeedsWrite) {
  st::WriteFile(Tmp("f"), "content");
  Fd fd(MUST(open(Tmp("f").c_str(), O_WRONLY | O_TRUNC)));
  EXPECT_EQ(st::StatOf(Tmp("f")).st_size, 0);
}

TEST(Open, PathFdAllowsLittle) {
  st::WriteFile(Tmp("f"), "x");
  Fd fd(MUST(open(Tmp("f").c_str(), O_PATH)));
  char b;
  struct stat s;
  EXPECT_ERR(read(fd, &b, 1), EBADF);
  EXPECT_ERR(write(fd, &b, 1), EBADF);
  EXPECT_ERR(lseek(fd, 0, SEEK_SET), EBADF);
  EXPECT_ERR(fchmod(fd, 0600), EBADF);
  EXPECT_ERR(ftruncate(fd, 0), EBADF);
  EXPECT_OK(fstat(fd, &s));
  EXPECT_EQ(MUST(fcntl(fd, F_GETFL)) & O_PATH, O_PATH);
}

TEST(Open, PathNoFollowOpensTheLink) {
  MUST(symlink("nowhere", Tmp("l").c_str()));
  Fd fd(MUST(open(Tmp("l").c_str(), O_PATH | O_NOFOLLOW)));
  struct stat s;
  MUST(fstat(fd, &s));
  EXPECT_TRUE(S_ISLNK(s.st_mode));
  char b[32] = {};
  EXPECT_RET(readlinkat(fd, "", b, sizeof b), 7);
  EXPECT_EQ(std::string(b), "nowhere");
}

TEST(Open, CloexecFlagIsSet) {
  Fd a(MUST(open("/dev/null", O_RDONLY | O_CLOEXEC)));
  Fd b(MUST(open("/dev/null", O_RDONLY)));
  EXPECT_RET(fcntl(a, F_GETFD), FD_CLOEXEC);
  EXPECT_RET(fcntl(b, F_GETFD), 0);
}

TEST(Open, StatusFlagsReadBack) {
  st::WriteFile(Tmp("f"), "");
  Fd fd(MUST(open(Tmp("f").c_str(), O_RDWR | O_APPEND | O_NONBLOCK | O_CREAT | O_CLOEXEC, 0600)));
  int fl = MUST(fcntl(fd, F_GETFL));
  EXPECT_EQ(fl & O_ACCMODE, O_RDWR);
  EXPECT_EQ(fl & (O_APPEND | O_NONBLOCK), O_APPEND | O_NONBLOCK);
  EXPECT_EQ(fl & (O_CREAT | O_CLOEXEC), 0);
}

TEST(Open, TooManyFilesIsEMFILE) {
  EXPECT_CHILD_OK([] {
    struct rlimit lim = {10, 10};
    MUST(setrlimit(RLIMIT_NOFILE, &lim));
    int fd, n = 0;
    while ((fd = open("/dev/null", O_RDONLY)) >= 0 && n < 20) n++;
    EXPECT_EQ(errno, EMFILE);
    EXPECT_LT(n, 10);
  });
}

TEST(Open, PermissionsForOthers) {
  st::NeedRoot();
  st::WriteFile(Tmp("secret"), "s", 0600);
  st::WriteFile(Tmp("public"), "p", 0644);
  MUST(mkdir(Tmp("closed").c_str(), 0700));
  st::WriteFile(Tmp("closed/f"), "", 0644);
  std::string dir = Tmp();
  EXPECT_CHILD_OK([&] {
    st::DropToNobody();
    EXPECT_ERR(open((dir + "/secret").c_str(), O_RDONLY), EACCES);
    EXPECT_ERR(open((dir + "/public").c_str(), O_RDWR), EACCES);
    EXPECT_ERR(open((dir + "/public").c_str(), O_RDONLY | O_TRUNC), EACCES);
    EXPECT_ERR(open((dir + "/new").c_str(), O_RDWR | O_CREAT, 0600), EACCES);
    EXPECT_ERR(open((dir + "/closed/f").c_str(), O_RDONLY), EACCES);
    EXPECT_ERR(open((dir + "/closed/none").c_str(), O_RDONLY), EACCES);
    Fd fd(EXPECT_OK(open((dir + "/public").c_str(), O_RDONLY)));
  });
}

TEST(Open, TmpfileHasNoName) {
  int raw = open(Tmp().c_str(), O_TMPFILE | O_RDWR, 0600);
  if (raw < 0 && errno == EOPNOTSUPP) SKIP("file system has no O_TMPFILE");
  Fd fd(MUST(raw));
  EXPECT_RET(write(fd, "t", 1), 1);
  struct stat s;
  MUST(fstat(fd, &s));
  EXPECT_EQ(s.st_nlink, 0u);
  EXPECT_ERR(open(Tmp().c_str(), O_TMPFILE | O_RDONLY, 0600), EINVAL);
}

TEST(Openat, RelativeToDirectoryFd) {
  MUST(mkdir(Tmp("d").c_str(), 0755));
  st::WriteFile(Tmp("d/f"), "in d");
  Fd dir(MUST(open(Tmp("d").c_str(), O_RDONLY | O_DIRECTORY)));
  Fd fd(MUST(openat(dir, "f", O_RDONLY)));
  EXPECT_EQ(st::ReadAll(fd), "in d");
  Fd up(MUST(openat(dir, "../d/./f", O_RDONLY)));
  EXPECT_EQ(st::ReadAll(up), "in d");
  Fd path_dir(MUST(open(Tmp("d").c_str(), O_PATH)));
  Fd by_path(MUST(openat(path_dir, "f", O_RDONLY)));
  EXPECT_EQ(st::ReadAll(by_path), "in d");
}

TEST(Openat, AbsolutePathIgnoresFd) {
  st::WriteFile(Tmp("f"), "x");
  Fd fd(EXPECT_OK(openat(st::BadFd(), Tmp("f").c_str(), O_RDONLY)));
}

TEST(Openat, BadDirectoryFds) {
  st::WriteFile(Tmp("f"), "x");
  Fd file(MUST(open(Tmp("f").c_str(), O_RDONLY)));
  EXPECT_ERR(openat(st::BadFd(), "f", O_RDONLY), EBADF);
  EXPECT_ERR(openat(file, "f", O_RDONLY), ENOTDIR);
  EXPECT_ERR(openat(st::BadFd(), "", O_RDONLY), ENOENT);
  EXPECT_ERR(openat(st::BadFd(), Bad<char>(), O_RDONLY), EFAULT);
}

TEST(Openat, CwdFollowsChdir) {
  st::WriteFile(Tmp("f"), "x");
  MUST(chdir(Tmp().c_str()));
  Fd fd(EXPECT_OK(openat(AT_FDCWD, "f", O_RDONLY)));
}

TEST(Openat, DirectoryFdSurvivesRename) {
  MUST(mkdir(Tmp("d").c_str(), 0755));
  st::WriteFile(Tmp("d/f"), "x");
  Fd dir(MUST(open(Tmp("d").c_str(), O_RDONLY)));
  MUST(rename(Tmp("d").c_str(), Tmp("e").c_str()));
  Fd fd(EXPECT_OK(openat(dir, "f", O_RDONLY)));
}

TEST(Openat, RemovedDirectoryHoldsNothing) {
  MUST(mkdir(Tmp("d").c_str(), 0755));
  Fd dir(MUST(open(Tmp("d").c_str(), O_RDONLY)));
  MUST(rmdir(Tmp("d").c_str()));
  EXPECT_ERR(openat(dir, "f", O_RDWR | O_CREAT, 0600), ENOENT);
}

}  // namespace
