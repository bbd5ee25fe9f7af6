// tmpfs as a file system: names, counts of links, unnamed files, limits, persistence of what is open.
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "test/syscalls/harness/test.h"

TOUCHES("mount", "link", "rename", "linkat", "statfs", "fallocate", "lseek")

namespace {

using st::StatOf;
using st::Tmp;

// A fresh tmpfs in a mount namespace of our own; the path of its root.
std::string Mounted(const char* options = "size=4m,nr_inodes=64") {
  st::NeedRoot();
  if (unshare(CLONE_NEWNS) != 0) SKIP("no mount namespaces here");
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 && errno != EINVAL)
    SKIP("mounts can't be private");
  std::string d = Tmp("tmpfs");
  MUST(mkdir(d.c_str(), 0755));
  MUST(mount("none", d.c_str(), "tmpfs", 0, options));
  return d;
}

TEST(Tmpfs, DirectoryLinkCounts) {
  std::string d = Mounted();
  EXPECT_EQ(StatOf(d).st_nlink, 2u);
  MUST(mkdir((d + "/a").c_str(), 0755));
  MUST(mkdir((d + "/b").c_str(), 0755));
  EXPECT_EQ(StatOf(d).st_nlink, 4u);
  MUST(rename((d + "/b").c_str(), (d + "/a/b").c_str()));
  EXPECT_EQ(StatOf(d).st_nlink, 3u);
  EXPECT_EQ(StatOf(d + "/a").st_nlink, 3u);
  EXPECT_ERR(rmdir((d + "/a").c_str()), ENOTEMPTY);
}

TEST(Tmpfs, HardLinksShareData) {
  std::string d = Mounted();
  st::WriteFile(d + "/f", "data");
  MUST(link((d + "/f").c_str(), (d + "/g").c_str()));
  EXPECT_EQ(StatOf(d + "/g").st_nlink, 2u);
  MUST(unlink((d + "/f").c_str()));
  EXPECT_EQ(st::ReadFile(d + "/g"), "data");
  EXPECT_EQ(StatOf(d + "/g").st_nlink, 1u);
}

TEST(Tmpfs, UnlinkedFileLivesWhileOpen) {
  std::string d = Mounted();
  Fd fd(MUST(open((d + "/f").c_str(), O_RDWR | O_CREAT, 0600)));
  MUST(unlink((d + "/f").c_str()));
  MUST(write(fd, "still", 5));
  char b[8];
  EXPECT_RET(pread(fd, b, 8, 0), 5);
  struct stat s;
  MUST(fstat(fd, &s));
  EXPECT_EQ(s.st_nlink, 0u);
}

TEST(Tmpfs, UnnamedFileCanBeLinked) {
  std::string d = Mounted();
  Fd fd(MUST(open(d.c_str(), O_TMPFILE | O_RDWR, 0600)));
  MUST(write(fd, "late", 4));
  std::string self = "/proc/self/fd/" + std::to_string(static_cast<int>(fd));
  EXPECT_OK(linkat(AT_FDCWD, self.c_str(), AT_FDCWD, (d + "/named").c_str(), AT_SYMLINK_FOLLOW));
  EXPECT_EQ(st::ReadFile(d + "/named"), "late");
  EXPECT_ERR(open(d.c_str(), O_TMPFILE | O_RDONLY, 0600), EINVAL);
}

TEST(Tmpfs, SpaceComesBack) {
  std::string d = Mounted();
  std::string data(3 << 20, 'x');
  for (int i = 0; i < 4; i++) {
    st::WriteFile(d + "/big", data);
    MUST(unlink((d + "/big").c_str()));
  }
  st::WriteFile(d + "/big", data);
  MUST(truncate((d + "/big").c_str(), 0));
  st::WriteFile(d + "/other", data);
}

TEST(Tmpfs, StatfsCountsBlocks) {
  std::string d = Mounted();
  struct statvfs a, b;
  MUST(statvfs(d.c_str(), &a));
  EXPECT_EQ(a.f_blocks * a.f_frsize, 4u << 20);
  st::WriteFile(d + "/f", std::string(1 << 20, 'x'));
  MUST(statvfs(d.c_str(), &b));
  EXPECT_EQ((a.f_bfree - b.f_bfree) * a.f_frsize, 1u << 20);
}

TEST(Tmpfs, BlocksOfSparseFiles) {
  std::string d = Mounted();
  Fd fd(MUST(open((d + "/s").c_str(), O_RDWR | O_CREAT, 0600)));
  MUST(ftruncate(fd, 1l << 40));
  EXPECT_EQ(StatOf(d + "/s").st_blocks, 0);
  MUST(pwrite(fd, "x", 1, 1l << 39));
  EXPECT_EQ(StatOf(d + "/s").st_blocks, 8);
  char b[4] = {1, 1, 1, 1};
  EXPECT_RET(pread(fd, b, 4, (1l << 39) - 2), 4);
  EXPECT_TRUE(b[0] == 0 && b[1] == 0 && b[2] == 'x' && b[3] == 0);
}

TEST(Tmpfs, FullMapFaultIsSIGBUS) {
  std::string d = Mounted();
  EXPECT_SIGNALED(st::RunInChild([&] {
                    Fd fd(MUST(open((d + "/m").c_str(), O_RDWR | O_CREAT, 0600)));
                    MUST(ftruncate(fd, 8 << 20));
                    auto* p = static_cast<char*>(MUST(mmap(nullptr, 8 << 20, PROT_WRITE, MAP_SHARED, fd, 0)));
                    memset(p, 1, 8 << 20);  // twice what the file system holds
                  }),
                  SIGBUS);
}

TEST(Tmpfs, NamesUpTo255) {
  std::string d = Mounted();
  st::WriteFile(d + "/" + std::string(255, 'n'), "");
  EXPECT_ERR(open((d + "/" + std::string(256, 'n')).c_str(), O_RDWR | O_CREAT, 0600), ENAMETOOLONG);
}

TEST(Tmpfs, ModeOfRootByDefault) {
  std::string d = Mounted(nullptr);
  EXPECT_EQ(StatOf(d).st_mode & 07777, 01777u);
}

}  // namespace
