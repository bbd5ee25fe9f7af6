// /sys: what programs look up of CPUs, memory and devices. A kernel without a sysfs at /sys has nothing to be judged.
#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "test/syscalls/harness/test.h"

TOUCHES("statfs", "open", "read", "readlink", "mkdir", "mount")

namespace {

using st::ReadFile;
using st::Tmp;

constexpr char kCpu[] = "/sys/devices/system/cpu";

void NeedSysfs() {
  struct statfs s;
  if (statfs("/sys", &s) != 0 || s.f_type != 0x62656572) SKIP("no sysfs at /sys");
}

int OnlineCpus() {
  cpu_set_t cpus;
  MUST(sched_getaffinity(0, sizeof cpus, &cpus));
  return CPU_COUNT(&cpus);
}

std::string LinkOf(const std::string& path) {
  char target[4096];
  const ssize_t n = MUST(readlink(path.c_str(), target, sizeof target));
  return std::string(target, static_cast<size_t>(n));
}

TEST(Sysfs, OnlineCpusAreAList) {
  NeedSysfs();
  const std::string online = ReadFile(std::string(kCpu) + "/online");
  ASSERT_TRUE(!online.empty());
  EXPECT_EQ(online.back(), '\n');
  EXPECT_EQ(online[0], '0');
  EXPECT_TRUE(online.find_first_not_of("0123456789-,\n") == std::string::npos);
  EXPECT_EQ(ReadFile(std::string(kCpu) + "/present")[0], '0');
  EXPECT_EQ(ReadFile(std::string(kCpu) + "/possible")[0], '0');
  EXPECT_TRUE(atol(ReadFile(std::string(kCpu) + "/kernel_max").c_str()) + 1 >= OnlineCpus());
}

TEST(Sysfs, ConfiguredAndOnlineAgreeWithLibc) {
  NeedSysfs();
  long listed = 0;
  DIR* dir = opendir(kCpu);
  ASSERT_TRUE(dir != nullptr);
  while (dirent* entry = readdir(dir)) {
    int number, used = 0;
    if (sscanf(entry->d_name, "cpu%d%n", &number, &used) == 1 && entry->d_name[used] == '\0') ++listed;
  }
  closedir(dir);
  EXPECT_EQ(listed, sysconf(_SC_NPROCESSORS_CONF));
  EXPECT_TRUE(sysconf(_SC_NPROCESSORS_ONLN) <= listed);
  EXPECT_TRUE(OnlineCpus() <= listed);
}

TEST(Sysfs, TopologyOfTheFirstCpu) {
  NeedSysfs();
  const std::string topology = std::string(kCpu) + "/cpu0/topology/";
  EXPECT_TRUE(atol(ReadFile(topology + "physical_package_id").c_str()) >= -1);
  EXPECT_EQ(ReadFile(topology + "core_id").back(), '\n');
  EXPECT_EQ(ReadFile(topology + "thread_siblings_list")[0], '0');
  const std::string mask = ReadFile(topology + "core_siblings");
  EXPECT_TRUE(mask.find_first_not_of("0123456789abcdef,\n") == std::string::npos);
}

TEST(Sysfs, CachesHaveALine) {
  NeedSysfs();
  const std::string cache = std::string(kCpu) + "/cpu0/cache/index0/";
  if (!st::Exists(cache)) SKIP("no caches are told of");
  EXPECT_EQ(ReadFile(cache + "level"), "1\n");
  EXPECT_TRUE(atol(ReadFile(cache + "coherency_line_size").c_str()) >= 16);
  const std::string size = ReadFile(cache + "size");
  EXPECT_TRUE(size.size() > 2 && size[size.size() - 2] == 'K');
  // The C library asks CPUID itself; both must say the same.
  EXPECT_EQ(sysconf(_SC_LEVEL1_DCACHE_SIZE), atol(size.c_str()) * 1024);
  EXPECT_EQ(sysconf(_SC_LEVEL1_DCACHE_LINESIZE), atol(ReadFile(cache + "coherency_line_size").c_str()));
}

TEST(Sysfs, HugePageChoiceHasOneInBrackets) {
  NeedSysfs();
  const std::string enabled = ReadFile("/sys/kernel/mm/transparent_hugepage/enabled");
  EXPECT_TRUE(enabled == "[always] madvise never\n" || enabled == "always [madvise] never\n" ||
              enabled == "always madvise [never]\n");
  EXPECT_EQ(ReadFile("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"), "2097152\n");
}

TEST(Sysfs, Loopback) {
  NeedSysfs();
  const std::string lo = "/sys/class/net/lo/";
  if (!st::Exists(lo)) SKIP("no loopback is told of");
  EXPECT_EQ(ReadFile(lo + "address"), "00:00:00:00:00:00\n");
  EXPECT_EQ(ReadFile(lo + "type"), "772\n");
  EXPECT_EQ(ReadFile(lo + "ifindex"), "1\n");
  EXPECT_EQ(ReadFile(lo + "mtu"), "65536\n");
  EXPECT_EQ(ReadFile(lo + "uevent"), "INTERFACE=lo\nIFINDEX=1\n");
  Fd speed(MUST(open((lo + "speed").c_str(), O_RDONLY)));
  char c;
  EXPECT_ERR(read(speed, &c, 1), EINVAL);
  EXPECT_EQ(LinkOf("/sys/class/net/lo"), "../../devices/virtual/net/lo");
  EXPECT_EQ(LinkOf(lo + "subsystem"), "../../../../class/net");
}

TEST(Sysfs, DevicesByNumber) {
  NeedSysfs();
  if (!st::Exists("/sys/dev/char/1:3")) SKIP("no memory devices are told of");
  EXPECT_EQ(LinkOf("/sys/dev/char/1:3"), "../../devices/virtual/mem/null");
  EXPECT_EQ(ReadFile("/sys/class/mem/null/dev"), "1:3\n");
  EXPECT_EQ(ReadFile("/sys/class/mem/null/uevent"), "MAJOR=1\nMINOR=3\nDEVNAME=null\nDEVMODE=0666\n");
}

TEST(Sysfs, AttributesAreAPage) {
  NeedSysfs();
  const struct stat s = st::StatOf("/sys/kernel/uevent_seqnum");
  EXPECT_EQ(s.st_size, 4096);
  EXPECT_EQ(s.st_mode, static_cast<mode_t>(S_IFREG | 0444));
  EXPECT_EQ(st::StatOf("/sys/class/net").st_size, 0);
}

TEST(Sysfs, ReadsContinueAndStartAnew) {
  NeedSysfs();
  Fd fd(MUST(open((std::string(kCpu) + "/online").c_str(), O_RDONLY)));
  char first[64], c;
  const ssize_t n = MUST(read(fd, first, sizeof first));
  EXPECT_TRUE(n >= 2);
  EXPECT_RET(read(fd, &c, 1), 0);
  EXPECT_RET(pread(fd, &c, 1, 1), 1);
  EXPECT_EQ(c, first[1]);
  EXPECT_RET(lseek(fd, 0, SEEK_SET), 0);
  EXPECT_RET(read(fd, &c, 1), 1);
  EXPECT_EQ(c, first[0]);
}

TEST(Sysfs, AFreshMountTakesNoNewNames) {
  st::NeedRoot();
  if (unshare(CLONE_NEWNS) != 0) SKIP("no mount namespaces here");
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 && errno != EINVAL)
    SKIP("mounts can't be private");
  const std::string at = Tmp("sys");
  MUST(mkdir(at.c_str(), 0755));
  if (mount("sysfs", at.c_str(), "sysfs", 0, nullptr) != 0) SKIP("sysfs can't be mounted");
  EXPECT_ERR(mkdir((at + "/new").c_str(), 0755), EPERM);
  EXPECT_ERR(open((at + "/new").c_str(), O_WRONLY | O_CREAT, 0644), EACCES);
  EXPECT_ERR(open((at + "/kernel/uevent_seqnum").c_str(), O_WRONLY), EACCES);
  EXPECT_ERR(unlink((at + "/kernel/uevent_seqnum").c_str()), EPERM);
  EXPECT_ERR(symlink("x", (at + "/new").c_str()), EPERM);
  EXPECT_OK(umount2(at.c_str(), 0));
}

}  // namespace
