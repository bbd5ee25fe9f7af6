// mount, umount2, pivot_root, chroot: in a mount namespace of the case's own.
#include <sched.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "test/syscalls/harness/test.h"

TOUCHES("mount", "umount2", "pivot_root", "chroot", "unshare", "statfs")

namespace {

using st::Exists;
using st::Tmp;

std::string Dir(const char* name) {
  MUST(mkdir(Tmp(name).c_str(), 0755));
  return Tmp(name);
}

void OwnNamespace() {
  st::NeedRoot();
  if (unshare(CLONE_NEWNS) != 0) SKIP("no mount namespaces here");
  // Not everywhere are there propagation types; where there are, nothing may leak out.
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 && errno != EINVAL)
    SKIP("mounts can't be private");
}

TEST(Mount, TmpfsHidesAndUnmountShows) {
  OwnNamespace();
  std::string d = Dir("m");
  st::WriteFile(d + "/below", "x");
  EXPECT_OK(mount("none", d.c_str(), "tmpfs", 0, "size=1m,mode=0700"));
  EXPECT_FALSE(Exists(d + "/below"));
  struct statfs s;
  MUST(statfs(d.c_str(), &s));
  EXPECT_EQ(s.f_type, 0x01021994);
  EXPECT_EQ(st::StatOf(d).st_mode & 0777, 0700u);
  st::WriteFile(d + "/above", "y");
  EXPECT_OK(umount2(d.c_str(), 0));
  EXPECT_TRUE(Exists(d + "/below"));
  EXPECT_FALSE(Exists(d + "/above"));
}

TEST(Mount, TmpfsSizeLimit) {
  OwnNamespace();
  std::string d = Dir("m");
  MUST(mount("none", d.c_str(), "tmpfs", 0, "size=64k"));
  Fd fd(MUST(open((d + "/f").c_str(), O_WRONLY | O_CREAT, 0600)));
  std::string data(40000, 'x');
  MUST(write(fd, data.data(), data.size()));
  EXPECT_TRUE(write(fd, data.data(), data.size()) < 40000);
  EXPECT_ERR(write(fd, data.data(), data.size()), ENOSPC);
  fd.reset();
  MUST(umount2(d.c_str(), 0));
}

TEST(Mount, BindShowsTheSameTree) {
  OwnNamespace();
  std::string a = Dir("a"), b = Dir("b");
  st::WriteFile(a + "/f", "1");
  EXPECT_OK(mount(a.c_str(), b.c_str(), nullptr, MS_BIND, nullptr));
  EXPECT_EQ(st::ReadFile(b + "/f"), "1");
  st::WriteFile(b + "/g", "2");
  EXPECT_EQ(st::ReadFile(a + "/g"), "2");
  EXPECT_ERR(rename((a + "/f").c_str(), (b + "/h").c_str()), EXDEV);
  EXPECT_OK(umount2(b.c_str(), MNT_DETACH));
}

TEST(Mount, BindOfAFile) {
  OwnNamespace();
  st::WriteFile(Tmp("a"), "from a");
  st::WriteFile(Tmp("b"), "from b");
  EXPECT_OK(mount(Tmp("a").c_str(), Tmp("b").c_str(), nullptr, MS_BIND, nullptr));
  EXPECT_EQ(st::ReadFile(Tmp("b")), "from a");
  EXPECT_ERR(unlink(Tmp("b").c_str()), EBUSY);
  EXPECT_OK(umount2(Tmp("b").c_str(), 0));
  EXPECT_ERR(mount(Tmp("a").c_str(), Tmp().c_str(), nullptr, MS_BIND, nullptr), ENOTDIR);
}

TEST(Mount, ReadOnlyRemount) {
  OwnNamespace();
  std::string d = Dir("m");
  MUST(mount("none", d.c_str(), "tmpfs", 0, nullptr));
  st::WriteFile(d + "/f", "x");
  EXPECT_OK(mount("none", d.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr));
  EXPECT_ERR(open((d + "/f").c_str(), O_WRONLY), EROFS);
  EXPECT_ERR(mkdir((d + "/d").c_str(), 0700), EROFS);
  EXPECT_ERR(unlink((d + "/f").c_str()), EROFS);
  EXPECT_ERR(access((d + "/f").c_str(), W_OK), EROFS);
  EXPECT_OK(open((d + "/f").c_str(), O_RDONLY));
  EXPECT_OK(umount2(d.c_str(), MNT_DETACH));
}

TEST(Mount, NoexecAndNosuid) {
  OwnNamespace();
  std::string d = Dir("m");
  MUST(mount("none", d.c_str(), "tmpfs", MS_NOEXEC, nullptr));
  st::WriteFile(d + "/s", "#!/bin/true\n", 0755);
  char* const argv[] = {const_cast<char*>("s"), nullptr};
  EXPECT_ERR(execv((d + "/s").c_str(), argv), EACCES);
  MUST(umount2(d.c_str(), MNT_DETACH));
}

TEST(Mount, BusyAndDetach) {
  OwnNamespace();
  std::string d = Dir("m");
  MUST(mount("none", d.c_str(), "tmpfs", 0, nullptr));
  Fd fd(MUST(open((d + "/f").c_str(), O_RDWR | O_CREAT, 0600)));
  EXPECT_ERR(umount2(d.c_str(), 0), EBUSY);
  EXPECT_ERR(rmdir(d.c_str()), EBUSY);
  EXPECT_OK(umount2(d.c_str(), MNT_DETACH));
  EXPECT_RET(write(fd, "still", 5), 5);
  EXPECT_OK(rmdir(d.c_str()));
}

TEST(Mount, Move) {
  OwnNamespace();
  std::string a = Dir("a"), b = Dir("b");
  MUST(mount("none", a.c_str(), "tmpfs", 0, nullptr));
  MUST(mount("none", a.c_str(), nullptr, MS_PRIVATE, nullptr) == 0 || errno == EINVAL ? 0 : -1);
  st::WriteFile(a + "/f", "moved");
  EXPECT_OK(mount(a.c_str(), b.c_str(), nullptr, MS_MOVE, nullptr));
  EXPECT_EQ(st::ReadFile(b + "/f"), "moved");
  EXPECT_FALSE(Exists(a + "/f"));
  MUST(umount2(b.c_str(), 0));
}

TEST(Mount, NamespaceIsOwn) {
  OwnNamespace();
  std::string d = Dir("m");
  EXPECT_CHILD_OK([&] {
    MUST(unshare(CLONE_NEWNS));
    MUST(mount("none", d.c_str(), "tmpfs", 0, nullptr));
    st::WriteFile(d + "/inner", "x");
  });
  EXPECT_FALSE(Exists(d + "/inner"));
}

TEST(Mount, DotDotAtMountRoot) {
  OwnNamespace();
  std::string d = Dir("m");
  MUST(mount("none", d.c_str(), "tmpfs", 0, nullptr));
  st::WriteFile(Tmp("outside"), "o");
  MUST(chdir(d.c_str()));
  EXPECT_EQ(st::ReadFile("../outside"), "o");
  char b[4096];
  EXPECT_EQ(std::string(getcwd(b, sizeof b)), d);
  MUST(chdir("/"));
  MUST(umount2(d.c_str(), 0));
}

TEST(Mount, Errors) {
  OwnNamespace();
  std::string d = Dir("m");
  EXPECT_ERR(mount("none", d.c_str(), "nosuchfs", 0, nullptr), ENODEV);
  EXPECT_ERR(mount("none", Tmp("none").c_str(), "tmpfs", 0, nullptr), ENOENT);
  EXPECT_ERR(mount("none", st::Bad<char>(), "tmpfs", 0, nullptr), EFAULT);
  st::WriteFile(Tmp("f"), "");
  EXPECT_ERR(mount("none", Tmp("f").c_str(), "tmpfs", 0, nullptr), ENOTDIR);
  EXPECT_ERR(umount2(d.c_str(), 0), EINVAL);
  EXPECT_ERR(umount2(d.c_str(), 0x100), EINVAL);
  EXPECT_ERR(umount2(Tmp("none").c_str(), 0), ENOENT);
  EXPECT_ERR(mount(d.c_str(), d.c_str(), nullptr, MS_MOVE, nullptr), EINVAL);
}

TEST(Mount, NeedsCapability) {
  if (geteuid() == 0) {
    EXPECT_CHILD_OK([] {
      st::DropToNobody();
      EXPECT_ERR(mount("none", "/tmp", "tmpfs", 0, nullptr), EPERM);
      EXPECT_ERR(umount2("/tmp", 0), EPERM);
      EXPECT_ERR(unshare(CLONE_NEWNS), EPERM);
      EXPECT_ERR(chroot("/tmp"), EPERM);
      EXPECT_ERR(syscall(SYS_pivot_root, "/tmp", "/tmp"), EPERM);
    });
    return;
  }
  EXPECT_ERR(mount("none", "/tmp", "tmpfs", 0, nullptr), EPERM);
}

TEST(PivotRoot, SwapsTheRoot) {
  st::NeedMountedRoot();
  OwnNamespace();
  std::string d = Dir("root");
  MUST(mount("none", d.c_str(), "tmpfs", 0, nullptr));
  MUST(mkdir((d + "/old").c_str(), 0755));
  st::WriteFile(d + "/marker", "new root");
  EXPECT_OK(syscall(SYS_pivot_root, d.c_str(), (d + "/old").c_str()));
  MUST(chdir("/"));
  EXPECT_EQ(st::ReadFile("/marker"), "new root");
  EXPECT_TRUE(Exists("/old/proc"));
  EXPECT_OK(umount2("/old", MNT_DETACH));
  EXPECT_FALSE(Exists("/old/proc"));
}

TEST(PivotRoot, Errors) {
  OwnNamespace();
  std::string d = Dir("plain");
  MUST(mount("none", d.c_str(), "tmpfs", 0, nullptr));
  std::string sub = d + "/sub";
  MUST(mkdir(sub.c_str(), 0755));
  EXPECT_ERR(syscall(SYS_pivot_root, sub.c_str(), sub.c_str()), EINVAL);  // not a mount point
  EXPECT_ERR(syscall(SYS_pivot_root, Tmp("none").c_str(), d.c_str()), ENOENT);
}

TEST(Chroot, ConfinesLookups) {
  st::NeedRoot();
  std::string d = Dir("jail");
  st::WriteFile(d + "/inside", "in");
  st::WriteFile(Tmp("outside"), "out");
  EXPECT_CHILD_OK([&] {
    EXPECT_OK(chroot(d.c_str()));
    MUST(chdir("/"));
    EXPECT_EQ(st::ReadFile("/inside"), "in");
    EXPECT_EQ(st::ReadFile("/../../inside"), "in");
    EXPECT_FALSE(Exists("/../outside"));
    EXPECT_ERR(open("/proc/self", O_RDONLY), ENOENT);
  });
  EXPECT_ERR(chroot(Tmp("outside").c_str()), ENOTDIR);
  EXPECT_ERR(chroot(Tmp("none").c_str()), ENOENT);
}

}  // namespace
