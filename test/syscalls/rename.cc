// rename, renameat, renameat2.
#include "test/syscalls/harness/test.h"

TOUCHES("rename", "renameat", "renameat2")

namespace {

using st::Exists;
using st::Tmp;

int Rename(const std::string& a, const std::string& b) {
  return static_cast<int>(syscall(SYS_rename, a.c_str(), b.c_str()));
}
int Rename2(const std::string& a, const std::string& b, unsigned flags) {
  return static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), flags));
}
void Dir(const std::string& n) { MUST(mkdir(Tmp(n).c_str(), 0755)); }

TEST(Rename, KeepsInodeAndContent) {
  st::WriteFile(Tmp("a"), "data");
  ino_t ino = st::StatOf(Tmp("a")).st_ino;
  EXPECT_OK(Rename(Tmp("a"), Tmp("b")));
  EXPECT_FALSE(Exists(Tmp("a")));
  EXPECT_EQ(st::StatOf(Tmp("b")).st_ino, ino);
  EXPECT_EQ(st::ReadFile(Tmp("b")), "data");
}

TEST(Rename, ReplacesFileButOpenFdKeepsIt) {
  st::WriteFile(Tmp("a"), "new");
  st::WriteFile(Tmp("b"), "old");
  Fd old(MUST(open(Tmp("b").c_str(), O_RDONLY)));
  EXPECT_OK(Rename(Tmp("a"), Tmp("b")));
  EXPECT_EQ(st::ReadFile(Tmp("b")), "new");
  EXPECT_EQ(st::ReadAll(old), "old");
}

TEST(Rename, MissingSource) {
  EXPECT_ERR(Rename(Tmp("none"), Tmp("b")), ENOENT);
  EXPECT_ERR(Rename("", Tmp("b")), ENOENT);
  st::WriteFile(Tmp("a"), "");
  EXPECT_ERR(Rename(Tmp("a"), ""), ENOENT);
  EXPECT_ERR(Rename(Tmp("a"), Tmp("none/b")), ENOENT);
}

TEST(Rename, SameFileIsNoOp) {
  st::WriteFile(Tmp("a"), "");
  MUST(link(Tmp("a").c_str(), Tmp("b").c_str()));
  EXPECT_OK(Rename(Tmp("a"), Tmp("a")));
  EXPECT_OK(Rename(Tmp("a"), Tmp("b")));  // two names of one file: both stay
  EXPECT_TRUE(Exists(Tmp("a")));
  EXPECT_TRUE(Exists(Tmp("b")));
}

TEST(Rename, KindsMustAgree) {
  st::WriteFile(Tmp("f"), "");
  Dir("d");
  EXPECT_ERR(Rename(Tmp("f"), Tmp("d")), EISDIR);
  EXPECT_ERR(Rename(Tmp("d"), Tmp("f")), ENOTDIR);
}

TEST(Rename, OverEmptyDirectoryOnly) {
  Dir("a");
  Dir("b");
  Dir("b/x");
  EXPECT_ERR(Rename(Tmp("a"), Tmp("b")), ENOTEMPTY);
  MUST(rmdir(Tmp("b/x").c_str()));
  EXPECT_OK(Rename(Tmp("a"), Tmp("b")));
  EXPECT_FALSE(Exists(Tmp("a")));
}

TEST(Rename, IntoOwnSubtreeIsEINVAL) {
  Dir("a");
  Dir("a/b");
  EXPECT_ERR(Rename(Tmp("a"), Tmp("a/c")), EINVAL);
  EXPECT_ERR(Rename(Tmp("a"), Tmp("a/b")), EINVAL);
  EXPECT_ERR(Rename(Tmp("a/b"), Tmp("a")), ENOTEMPTY);  // an ancestor is never empty
}

TEST(Rename, DirectoryMoveFixesDotDotAndLinkCounts) {
  Dir("a");
  Dir("b");
  Dir("a/d");
  st::WriteFile(Tmp("b/mark"), "b");
  nlink_t a = st::StatOf(Tmp("a")).st_nlink, b = st::StatOf(Tmp("b")).st_nlink;
  EXPECT_OK(Rename(Tmp("a/d"), Tmp("b/d")));
  EXPECT_EQ(st::StatOf(Tmp("a")).st_nlink, a - 1);
  EXPECT_EQ(st::StatOf(Tmp("b")).st_nlink, b + 1);
  EXPECT_EQ(st::ReadFile(Tmp("b/d/../mark")), "b");
}

TEST(Rename, DotAndDotDotAreBusy) {
  Dir("a");
  EXPECT_ERR(Rename(Tmp("a/."), Tmp("b")), EBUSY);
  EXPECT_ERR(Rename(Tmp("a"), Tmp("a/..")), EBUSY);
  EXPECT_ERR(Rename("/", Tmp("b")), EBUSY);
}

TEST(Rename, TrailingSlash) {
  st::WriteFile(Tmp("f"), "");
  Dir("d");
  EXPECT_ERR(Rename(Tmp("f/"), Tmp("g")), ENOTDIR);
  EXPECT_ERR(Rename(Tmp("f"), Tmp("g/")), ENOTDIR);
  EXPECT_OK(Rename(Tmp("d/"), Tmp("e/")));
}

TEST(Rename, LinkItselfIsMoved) {
  MUST(symlink("nowhere", Tmp("l").c_str()));
  EXPECT_OK(Rename(Tmp("l"), Tmp("m")));
  EXPECT_TRUE(S_ISLNK(st::StatOf(Tmp("m")).st_mode));
}

TEST(Rename, AcrossMountsIsEXDEV) {
  st::WriteFile(Tmp("f"), "");
  EXPECT_ERR(Rename(Tmp("f"), "/proc/f"), EXDEV);
}

TEST(Renameat, RelativeToFds) {
  Dir("a");
  Dir("b");
  st::WriteFile(Tmp("a/f"), "x");
  Fd a(MUST(open(Tmp("a").c_str(), O_RDONLY))), b(MUST(open(Tmp("b").c_str(), O_PATH)));
  EXPECT_OK(syscall(SYS_renameat, static_cast<int>(a), "f", static_cast<int>(b), "g"));
  EXPECT_TRUE(Exists(Tmp("b/g")));
  EXPECT_ERR(syscall(SYS_renameat, st::BadFd(), "f", static_cast<int>(b), "g"), EBADF);
}

TEST(Renameat2, NoReplace) {
  st::WriteFile(Tmp("a"), "a");
  st::WriteFile(Tmp("b"), "b");
  EXPECT_ERR(Rename2(Tmp("a"), Tmp("b"), 1), EEXIST);
  EXPECT_OK(Rename2(Tmp("a"), Tmp("c"), 1));
  EXPECT_EQ(st::ReadFile(Tmp("b")), "b");
}

TEST(Renameat2, Exchange) {
  st::WriteFile(Tmp("a"), "a");
  Dir("d");
  EXPECT_OK(Rename2(Tmp("a"), Tmp("d"), 2));
  EXPECT_TRUE(S_ISDIR(st::StatOf(Tmp("a")).st_mode));
  EXPECT_EQ(st::ReadFile(Tmp("d")), "a");
  EXPECT_ERR(Rename2(Tmp("a"), Tmp("none"), 2), ENOENT);
}

TEST(Renameat2, BadFlags) {
  st::WriteFile(Tmp("a"), "a");
  EXPECT_ERR(Rename2(Tmp("a"), Tmp("b"), 3), EINVAL);
  EXPECT_ERR(Rename2(Tmp("a"), Tmp("b"), 1u << 20), EINVAL);
}

TEST(Rename, StickyDirectoryProtectsOthersFiles) {
  st::NeedRoot();
  Dir("s");
  MUST(chmod(Tmp("s").c_str(), 01777));
  st::WriteFile(Tmp("s/f"), "");
  std::string s = Tmp("s");
  EXPECT_CHILD_OK([&] {
    st::DropToNobody();
    EXPECT_ERR(Rename(s + "/f", s + "/g"), EPERM);
    EXPECT_ERR(unlink((s + "/f").c_str()), EPERM);
    st::WriteFile(s + "/mine", "");
    EXPECT_OK(Rename(s + "/mine", s + "/own"));
  });
}

}  // namespace
