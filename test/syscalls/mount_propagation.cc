// Shared, slave, private and unbindable mounts; flags of a mount, by mount(2) and mount_setattr(2).
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <sstream>

#include "test/syscalls/harness/test.h"

TOUCHES("mount", "umount2", "mount_setattr", "unshare", "pivot_root")

namespace {

using st::Exists;
using st::Tmp;

constexpr unsigned long kMsNoSymFollow = 256;
constexpr uint64_t kAttrNoSymFollow = 0x00200000;
constexpr int kAtRecursive = 0x8000;

std::string Dir(const std::string& path) {
  MUST(mkdir(path.c_str(), 0755));
  return path;
}

void OwnNamespace() {
  st::NeedRoot();
  if (unshare(CLONE_NEWNS) != 0) SKIP("no mount namespaces here");
  MUST(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
}

void Tmpfs(const std::string& path, const char* options = nullptr) {
  MUST(mount("none", path.c_str(), "tmpfs", 0, options));
}
int Change(const std::string& path, unsigned long flags) {
  return mount("none", path.c_str(), nullptr, flags, nullptr);
}
int Bind(const std::string& from, const std::string& to, unsigned long more = 0) {
  return mount(from.c_str(), to.c_str(), nullptr, MS_BIND | more, nullptr);
}

struct Line {
  std::string options, propagation, super;
};

// Of the topmost mount at `path`; empty if there is none.
Line InfoOf(const std::string& path) {
  std::istringstream file(st::ReadFile("/proc/self/mountinfo"));
  Line found;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string id, parent, device, root, point, word;
    Line here;
    words >> id >> parent >> device >> root >> point >> here.options;
    while (words >> word && word != "-") here.propagation += here.propagation.empty() ? word : " " + word;
    words >> word >> word >> here.super;
    if (point == path) found = here;
  }
  return found;
}
std::string PropagationOf(const std::string& path) { return InfoOf(path).propagation; }
bool IsMounted(const std::string& path) { return !InfoOf(path).options.empty(); }

int SetAttr(const std::string& path, uint64_t set, uint64_t clear, uint64_t propagation = 0, unsigned flags = 0) {
  mount_attr attr = {.attr_set = set, .attr_clr = clear, .propagation = propagation, .userns_fd = 0};
  return static_cast<int>(syscall(SYS_mount_setattr, AT_FDCWD, path.c_str(), flags, &attr, sizeof attr));
}

TEST(Propagation, PeersSeeEachOthersMounts) {
  OwnNamespace();
  const std::string a = Dir(Tmp("a")), b = Dir(Tmp("b"));
  Tmpfs(a);
  EXPECT_EQ(PropagationOf(a), "");
  EXPECT_OK(Change(a, MS_SHARED));
  EXPECT_EQ(PropagationOf(a).substr(0, 7), "shared:");
  Dir(a + "/x");
  EXPECT_OK(Bind(a, b));
  EXPECT_EQ(PropagationOf(b), PropagationOf(a));
  Tmpfs(a + "/x");
  st::WriteFile(b + "/x/f", "seen");
  EXPECT_EQ(st::ReadFile(a + "/x/f"), "seen");
  // What is mounted on a shared mount is shared.
  EXPECT_EQ(PropagationOf(a + "/x"), PropagationOf(b + "/x"));
  EXPECT_TRUE(PropagationOf(a + "/x") != PropagationOf(a));
  EXPECT_OK(umount2((b + "/x").c_str(), 0));
  EXPECT_FALSE(IsMounted(a + "/x"));
  EXPECT_FALSE(Exists(a + "/x/f"));
}

TEST(Propagation, SlaveReceivesAndDoesNotSend) {
  OwnNamespace();
  const std::string a = Dir(Tmp("a")), b = Dir(Tmp("b"));
  Tmpfs(a);
  MUST(Change(a, MS_SHARED));
  const std::string x = Dir(a + "/x"), y = Dir(a + "/y");
  MUST(Bind(a, b));
  EXPECT_OK(Change(b, MS_SLAVE));
  EXPECT_EQ(PropagationOf(b), "master:" + PropagationOf(a).substr(7));
  Tmpfs(x);
  EXPECT_TRUE(IsMounted(b + "/x"));
  EXPECT_EQ(PropagationOf(b + "/x"), "master:" + PropagationOf(x).substr(7));
  Tmpfs(b + "/y");
  EXPECT_FALSE(IsMounted(y));
  EXPECT_EQ(PropagationOf(b + "/y"), "");
  EXPECT_OK(umount2(x.c_str(), 0));
  EXPECT_FALSE(IsMounted(b + "/x"));
}

TEST(Propagation, SharedSlave) {
  OwnNamespace();
  const std::string a = Dir(Tmp("a")), b = Dir(Tmp("b")), c = Dir(Tmp("c"));
  Tmpfs(a);
  MUST(Change(a, MS_SHARED));
  Dir(a + "/x");
  MUST(Bind(a, b));
  MUST(Change(b, MS_SLAVE));
  EXPECT_OK(Change(b, MS_SHARED));
  MUST(Bind(b, c));
  EXPECT_EQ(PropagationOf(c), PropagationOf(b));
  EXPECT_TRUE(PropagationOf(b).find(" master:") != std::string::npos);
  Tmpfs(a + "/x");
  EXPECT_TRUE(IsMounted(b + "/x"));
  EXPECT_EQ(PropagationOf(b + "/x"), PropagationOf(c + "/x"));
  // The master goes: what was its slave is shared alone.
  MUST(umount2((a + "/x").c_str(), 0));
  EXPECT_OK(Change(a, MS_PRIVATE));
  EXPECT_EQ(PropagationOf(b).find("master:"), std::string::npos);
}

TEST(Propagation, SlaveWithoutPeersIsPrivate) {
  OwnNamespace();
  const std::string a = Dir(Tmp("a"));
  Tmpfs(a);
  EXPECT_OK(Change(a, MS_SLAVE));
  EXPECT_EQ(PropagationOf(a), "");
  MUST(Change(a, MS_SHARED));
  EXPECT_OK(Change(a, MS_SLAVE));
  EXPECT_EQ(PropagationOf(a), "");
}

TEST(Propagation, Unbindable) {
  OwnNamespace();
  const std::string a = Dir(Tmp("a")), b = Dir(Tmp("b"));
  Tmpfs(a);
  const std::string x = Dir(a + "/x"), y = Dir(a + "/y");
  Tmpfs(x);
  Tmpfs(y);
  EXPECT_OK(Change(x, MS_UNBINDABLE));
  EXPECT_EQ(PropagationOf(x), "unbindable");
  EXPECT_ERR(Bind(x, b), EINVAL);
  EXPECT_OK(Bind(a, b, MS_REC));
  EXPECT_FALSE(IsMounted(b + "/x"));
  EXPECT_TRUE(IsMounted(b + "/y"));
  EXPECT_OK(Change(x, MS_PRIVATE));
  EXPECT_OK(Bind(x, y));
}

TEST(Propagation, Recursive) {
  OwnNamespace();
  const std::string a = Dir(Tmp("a"));
  Tmpfs(a);
  Tmpfs(Dir(a + "/x"));
  EXPECT_OK(Change(a, MS_SHARED));
  EXPECT_EQ(PropagationOf(a + "/x"), "");
  EXPECT_OK(Change(a, MS_SHARED | MS_REC));
  EXPECT_EQ(PropagationOf(a + "/x").substr(0, 7), "shared:");
  EXPECT_OK(Change(a, MS_PRIVATE | MS_REC));
  EXPECT_EQ(PropagationOf(a) + PropagationOf(a + "/x"), "");
}

TEST(Propagation, IntoAnotherNamespace) {
  OwnNamespace();
  const std::string a = Dir(Tmp("a"));
  Tmpfs(a);
  Dir(a + "/x");
  MUST(Change(a, MS_SHARED));
  EXPECT_CHILD_OK([&] {
    MUST(unshare(CLONE_NEWNS));
    Tmpfs(a + "/x");
    st::WriteFile(a + "/x/f", "from there");
  });
  EXPECT_EQ(st::ReadFile(a + "/x/f"), "from there");
  MUST(umount2((a + "/x").c_str(), 0));
  EXPECT_CHILD_OK([&] {
    MUST(unshare(CLONE_NEWNS));
    MUST(Change(a, MS_SLAVE));
    Tmpfs(a + "/x");
  });
  EXPECT_FALSE(IsMounted(a + "/x"));
}

TEST(Propagation, OnlyWhereThePlaceIsSeen) {
  OwnNamespace();
  const std::string a = Dir(Tmp("a")), b = Dir(Tmp("b"));
  Tmpfs(a);
  MUST(Change(a, MS_SHARED));
  const std::string in = Dir(a + "/in"), out = Dir(a + "/out");
  Dir(in + "/x");
  MUST(Bind(in, b));
  Tmpfs(out);
  Tmpfs(in + "/x");
  EXPECT_TRUE(IsMounted(b + "/x"));
  EXPECT_FALSE(IsMounted(b + "/out"));
}

TEST(Propagation, BelowWhatIsThereAlready) {
  OwnNamespace();
  const std::string a = Dir(Tmp("a")), b = Dir(Tmp("b"));
  Tmpfs(a);
  MUST(Change(a, MS_SHARED));
  Dir(a + "/x");
  MUST(Bind(a, b));
  MUST(Change(b, MS_SLAVE));
  Tmpfs(b + "/x");
  st::WriteFile(b + "/x/top", "mine");
  Tmpfs(a + "/x");
  EXPECT_EQ(st::ReadFile(b + "/x/top"), "mine");
  EXPECT_OK(umount2((a + "/x").c_str(), 0));
  EXPECT_EQ(st::ReadFile(b + "/x/top"), "mine");
  EXPECT_OK(umount2((b + "/x").c_str(), 0));
  EXPECT_FALSE(IsMounted(b + "/x"));
}

TEST(Propagation, BusyElsewhere) {
  OwnNamespace();
  const std::string a = Dir(Tmp("a")), b = Dir(Tmp("b"));
  Tmpfs(a);
  MUST(Change(a, MS_SHARED));
  Dir(a + "/x");
  MUST(Bind(a, b));
  Tmpfs(a + "/x");
  Fd fd(MUST(open((b + "/x/f").c_str(), O_RDWR | O_CREAT, 0600)));
  EXPECT_ERR(umount2((a + "/x").c_str(), 0), EBUSY);
  EXPECT_OK(umount2((a + "/x").c_str(), MNT_DETACH));
  EXPECT_FALSE(IsMounted(b + "/x"));
}

TEST(Propagation, Move) {
  OwnNamespace();
  const std::string a = Dir(Tmp("a")), b = Dir(Tmp("b")), c = Dir(Tmp("c"));
  Tmpfs(a);
  Dir(a + "/x");
  MUST(Bind(a, b));
  MUST(Change(a, MS_SHARED));
  MUST(umount2(b.c_str(), 0));
  MUST(Bind(a, b));
  Tmpfs(c);
  st::WriteFile(c + "/f", "moved");
  EXPECT_OK(mount(c.c_str(), (a + "/x").c_str(), nullptr, MS_MOVE, nullptr));
  EXPECT_EQ(st::ReadFile(b + "/x/f"), "moved");
  EXPECT_ERR(mount((a + "/x").c_str(), c.c_str(), nullptr, MS_MOVE, nullptr), EINVAL);
  MUST(umount2((a + "/x").c_str(), 0));
  Tmpfs(c);
  MUST(Change(c, MS_UNBINDABLE));
  EXPECT_ERR(mount(c.c_str(), (a + "/x").c_str(), nullptr, MS_MOVE, nullptr), EINVAL);
}

TEST(Propagation, Errors) {
  OwnNamespace();
  const std::string a = Dir(Tmp("a"));
  EXPECT_ERR(Change(a, MS_SHARED), EINVAL);  // no mount
  Tmpfs(a);
  EXPECT_ERR(Change(a, MS_SHARED | MS_PRIVATE), EINVAL);
  EXPECT_ERR(Change(a, MS_SHARED | MS_NODEV), EINVAL);
  const std::string root = Dir(a + "/root");
  Tmpfs(root);
  Dir(root + "/old");
  MUST(Change(a, MS_SHARED));
  EXPECT_ERR(syscall(SYS_pivot_root, root.c_str(), (root + "/old").c_str()), EINVAL);
}

TEST(MountFlags, ShownAndEffective) {
  OwnNamespace();
  const std::string a = Dir(Tmp("a"));
  Tmpfs(a);
  EXPECT_EQ(InfoOf(a).options, "rw,relatime");
  st::WriteFile(a + "/file", "");
  MUST(symlink("file", (a + "/link").c_str()));
  const auto remount = [&](unsigned long flags) { return Change(a, MS_REMOUNT | MS_BIND | flags); };
  EXPECT_OK(remount(kMsNoSymFollow));
  EXPECT_EQ(InfoOf(a).options, "rw,relatime,nosymfollow");
  EXPECT_ERR(open((a + "/link").c_str(), O_RDONLY), ELOOP);
  char target[16];
  EXPECT_RET(readlink((a + "/link").c_str(), target, sizeof target), 4);
  struct statfs fs;
  MUST(statfs(a.c_str(), &fs));
  EXPECT_EQ(fs.f_flags & 0x2000, 0x2000);
  EXPECT_OK(remount(MS_NODIRATIME | MS_NOSUID));
  EXPECT_EQ(InfoOf(a).options, "rw,nosuid,nodiratime,relatime");
  EXPECT_OK(open((a + "/link").c_str(), O_RDONLY));
  EXPECT_OK(remount(0));  // access times stay
  EXPECT_EQ(InfoOf(a).options, "rw,nodiratime,relatime");
  EXPECT_OK(remount(MS_STRICTATIME));
  EXPECT_EQ(InfoOf(a).options, "rw");
  EXPECT_OK(remount(MS_NOATIME | MS_NODEV | MS_NOEXEC | MS_RDONLY));
  EXPECT_EQ(InfoOf(a).options, "ro,nodev,noexec,noatime");
  EXPECT_OK(remount(MS_NOATIME | MS_STRICTATIME));
  EXPECT_EQ(InfoOf(a).options, "rw");
}

TEST(MountFlags, Setattr) {
  OwnNamespace();
  const std::string a = Dir(Tmp("a"));
  Tmpfs(a);
  const std::string x = Dir(a + "/x");
  Tmpfs(x);
  if (SetAttr(a, 0, 0) != 0 && errno == ENOSYS) SKIP("no mount_setattr");
  EXPECT_OK(SetAttr(a, MOUNT_ATTR_NODEV | kAttrNoSymFollow, 0));
  EXPECT_EQ(InfoOf(a).options, "rw,nodev,relatime,nosymfollow");
  EXPECT_EQ(InfoOf(x).options, "rw,relatime");
  EXPECT_OK(SetAttr(a, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME | kAttrNoSymFollow, 0, kAtRecursive));
  EXPECT_EQ(InfoOf(a).options, "rw,nodev,noatime");
  EXPECT_EQ(InfoOf(x).options, "rw,noatime");
  EXPECT_OK(SetAttr(a, 0, MOUNT_ATTR__ATIME, MS_SHARED, kAtRecursive));
  EXPECT_EQ(InfoOf(x).options, "rw,relatime");
  EXPECT_EQ(PropagationOf(x).substr(0, 7), "shared:");
  EXPECT_OK(SetAttr(a, MOUNT_ATTR_RDONLY, 0));
  EXPECT_ERR(mkdir((a + "/d").c_str(), 0700), EROFS);
  EXPECT_OK(mkdir((x + "/d").c_str(), 0700));
}

TEST(MountFlags, SetattrErrors) {
  OwnNamespace();
  const std::string a = Dir(Tmp("a"));
  if (SetAttr(a, 0, 0) != 0 && errno == ENOSYS) SKIP("no mount_setattr");
  EXPECT_OK(SetAttr(a + "/none", 0, 0));  // nothing to do
  EXPECT_ERR(SetAttr(a + "/none", MOUNT_ATTR_NODEV, 0), ENOENT);
  EXPECT_ERR(SetAttr(a, MOUNT_ATTR_NODEV, 0), EINVAL);  // no mount
  Tmpfs(a);
  EXPECT_ERR(SetAttr(a, MOUNT_ATTR_NOATIME, 0), EINVAL);
  EXPECT_ERR(SetAttr(a, 0, MOUNT_ATTR_NOATIME), EINVAL);
  EXPECT_ERR(SetAttr(a, MOUNT_ATTR__ATIME, MOUNT_ATTR__ATIME), EINVAL);
  EXPECT_ERR(SetAttr(a, uint64_t{1} << 40, 0), EINVAL);
  EXPECT_ERR(SetAttr(a, 0, 0, MS_SHARED | MS_SLAVE), EINVAL);
  EXPECT_ERR(SetAttr(a, 0, 0, MS_REC), EINVAL);
  EXPECT_ERR(SetAttr(a, 0, 0, 0, 0x4000), EINVAL);
  char attr[48] = {};
  EXPECT_ERR(syscall(SYS_mount_setattr, AT_FDCWD, a.c_str(), 0, attr, 31), EINVAL);
  EXPECT_ERR(syscall(SYS_mount_setattr, AT_FDCWD, a.c_str(), 0, attr, 8192), E2BIG);
  EXPECT_OK(syscall(SYS_mount_setattr, AT_FDCWD, a.c_str(), 0, attr, 48));
  attr[40] = 1;
  EXPECT_ERR(syscall(SYS_mount_setattr, AT_FDCWD, a.c_str(), 0, attr, 48), E2BIG);
  EXPECT_ERR(syscall(SYS_mount_setattr, AT_FDCWD, a.c_str(), 0, nullptr, 32), EFAULT);
}

TEST(MountFlags, TmpfsInodes) {
  OwnNamespace();
  const std::string a = Dir(Tmp("a"));
  Tmpfs(a, "nr_inodes=3,size=1m");
  EXPECT_TRUE(InfoOf(a).super.find("nr_inodes=3") != std::string::npos);
  st::WriteFile(a + "/1", "");
  st::WriteFile(a + "/2", "");
  EXPECT_ERR(mkdir((a + "/3").c_str(), 0700), ENOSPC);
  EXPECT_ERR(symlink("1", (a + "/3").c_str()), ENOSPC);
  EXPECT_ERR(link((a + "/1").c_str(), (a + "/3").c_str()), ENOSPC);
  struct statfs fs;
  MUST(statfs(a.c_str(), &fs));
  EXPECT_EQ(fs.f_files, 3u);
  EXPECT_EQ(fs.f_ffree, 0u);
  MUST(unlink((a + "/2").c_str()));
  EXPECT_OK(link((a + "/1").c_str(), (a + "/3").c_str()));
  EXPECT_ERR(mkdir((a + "/4").c_str(), 0700), ENOSPC);
  MUST(unlink((a + "/1").c_str()));
  EXPECT_OK(mkdir((a + "/4").c_str(), 0700));
  const auto remount = [&](const char* data) { return mount("none", a.c_str(), nullptr, MS_REMOUNT, data); };
  EXPECT_ERR(remount("nr_inodes=2"), EINVAL);
  EXPECT_OK(remount("nr_inodes=4"));
  EXPECT_OK(mkdir((a + "/5").c_str(), 0700));
  EXPECT_ERR(remount("no_such_option"), EINVAL);
  EXPECT_ERR(mount("none", a.c_str(), "tmpfs", 0, "no_such_option=1"), EINVAL);
  EXPECT_ERR(mount("none", a.c_str(), "tmpfs", 0, "mode=9"), EINVAL);
  EXPECT_OK(mount("none", a.c_str(), "tmpfs", 0, "sync,lazytime,size=1"));
  MUST(statfs(a.c_str(), &fs));
  EXPECT_EQ(fs.f_blocks, 1u);
  EXPECT_ERR(mount("none", a.c_str(), "devpts", 0, "no_such_option=1"), EINVAL);
}

TEST(MountFlags, DevptsOptions) {
  OwnNamespace();
  const std::string a = Dir(Tmp("a"));
  MUST(mount("none", a.c_str(), "devpts", 0, "newinstance,ptmxmode=0642,mode=0600,gid=7"));
  EXPECT_EQ(st::StatOf(a + "/ptmx").st_mode & 0777, 0642u);
  EXPECT_EQ(InfoOf(a).super, "rw,gid=7,mode=600,ptmxmode=642");
  Fd master(MUST(open((a + "/ptmx").c_str(), O_RDWR | O_NOCTTY)));
  EXPECT_EQ(st::StatOf(a + "/0").st_gid, 7u);
  EXPECT_EQ(st::StatOf(a + "/0").st_mode & 0777, 0600u);
}

}  // namespace
