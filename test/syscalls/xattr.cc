// Extended attributes.
#include <sys/xattr.h>

#include "test/syscalls/harness/test.h"

TOUCHES("setxattr", "lsetxattr", "fsetxattr", "getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr",
        "flistxattr", "removexattr", "lremovexattr", "fremovexattr")

namespace {

std::string File() {
  std::string f = st::Tmp("f");
  st::WriteFile(f, "");
  if (setxattr(f.c_str(), "user.probe", "", 0, 0) != 0 && errno == EOPNOTSUPP) {
    SKIP("no user attributes on this file system");
  }
  MUST(removexattr(f.c_str(), "user.probe"));
  return f;
}

TEST(Xattr, SetGetList) {
  std::string f = File();
  EXPECT_OK(setxattr(f.c_str(), "user.a", "value", 5, 0));
  char b[64];
  EXPECT_RET(getxattr(f.c_str(), "user.a", b, sizeof b), 5);
  EXPECT_EQ(std::string(b, 5), "value");
  EXPECT_RET(getxattr(f.c_str(), "user.a", nullptr, 0), 5);
  EXPECT_ERR(getxattr(f.c_str(), "user.a", b, 2), ERANGE);
  EXPECT_RET(listxattr(f.c_str(), b, sizeof b), 7);
  EXPECT_EQ(std::string(b), "user.a");
  EXPECT_RET(listxattr(f.c_str(), nullptr, 0), 7);
  EXPECT_ERR(listxattr(f.c_str(), b, 3), ERANGE);
}

TEST(Xattr, CreateAndReplace) {
  std::string f = File();
  EXPECT_ERR(setxattr(f.c_str(), "user.a", "x", 1, XATTR_REPLACE), ENODATA);
  EXPECT_OK(setxattr(f.c_str(), "user.a", "x", 1, XATTR_CREATE));
  EXPECT_ERR(setxattr(f.c_str(), "user.a", "x", 1, XATTR_CREATE), EEXIST);
  EXPECT_OK(setxattr(f.c_str(), "user.a", "yy", 2, XATTR_REPLACE));
  EXPECT_ERR(setxattr(f.c_str(), "user.a", "x", 1, 64), EINVAL);
}

TEST(Xattr, Remove) {
  std::string f = File();
  MUST(setxattr(f.c_str(), "user.a", "", 0, 0));
  EXPECT_OK(removexattr(f.c_str(), "user.a"));
  EXPECT_ERR(removexattr(f.c_str(), "user.a"), ENODATA);
  char b[8];
  EXPECT_ERR(getxattr(f.c_str(), "user.a", b, 8), ENODATA);
}

TEST(Xattr, ByDescriptor) {
  std::string f = File();
  Fd fd(MUST(open(f.c_str(), O_RDONLY)));
  EXPECT_OK(fsetxattr(fd, "user.d", "1", 1, 0));
  char b[64];
  EXPECT_RET(fgetxattr(fd, "user.d", b, 64), 1);
  EXPECT_RET(flistxattr(fd, b, 64), 7);
  EXPECT_OK(fremovexattr(fd, "user.d"));
  EXPECT_ERR(fgetxattr(st::BadFd(), "user.d", b, 64), EBADF);
  EXPECT_ERR(fsetxattr(st::BadFd(), "user.d", b, 1, 0), EBADF);
}

TEST(Xattr, LinksFollowedOrNot) {
  std::string f = File(), l = st::Tmp("l");
  MUST(symlink("f", l.c_str()));
  EXPECT_OK(setxattr(l.c_str(), "user.a", "1", 1, 0));
  char b[64];
  EXPECT_RET(getxattr(f.c_str(), "user.a", b, 64), 1);
  EXPECT_ERR(lsetxattr(l.c_str(), "user.a", "1", 1, 0), EPERM);  // a link has no user attributes
  EXPECT_RET(lgetxattr(f.c_str(), "user.a", b, 64), 1);
  EXPECT_RET(llistxattr(f.c_str(), b, 64), 7);
  EXPECT_OK(lremovexattr(f.c_str(), "user.a"));
}

TEST(Xattr, Errors) {
  std::string f = File();
  char b[8];
  EXPECT_ERR(setxattr(st::Tmp("none").c_str(), "user.a", "", 0, 0), ENOENT);
  EXPECT_ERR(getxattr(st::Tmp("none").c_str(), "user.a", b, 8), ENOENT);
  EXPECT_ERR(setxattr(f.c_str(), "", "", 0, 0), ERANGE);
  EXPECT_ERR(setxattr(f.c_str(), ("user." + std::string(300, 'n')).c_str(), "", 0, 0), ERANGE);
  EXPECT_ERR(setxattr(f.c_str(), "nonamespace", "", 0, 0), EOPNOTSUPP);
  EXPECT_ERR(setxattr(f.c_str(), "user.a", "", 70000, 0), E2BIG);
  EXPECT_ERR(setxattr(f.c_str(), "user.a", st::Bad(), 8, 0), EFAULT);
  EXPECT_ERR(getxattr(f.c_str(), st::Bad<char>(), b, 8), EFAULT);
}

TEST(Xattr, NeedsPermission) {
  st::NeedRoot();
  std::string f = File();
  MUST(setxattr(f.c_str(), "user.a", "1", 1, 0));
  EXPECT_CHILD_OK([&] {
    st::DropToNobody();
    char b[8];
    EXPECT_RET(getxattr(f.c_str(), "user.a", b, 8), 1);
    EXPECT_ERR(setxattr(f.c_str(), "user.a", "2", 1, 0), EACCES);
    EXPECT_ERR(setxattr(f.c_str(), "trusted.a", "2", 1, 0), EPERM);
  });
}

}  // namespace
