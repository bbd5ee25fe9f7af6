// What /proc tells of the system, and the devices every program expects.
#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>

#include "test/syscalls/harness/test.h"

TOUCHES("open", "read", "statfs", "getdents64")

namespace {

using st::ReadFile;

bool Has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

long Value(const std::string& text, const char* key) {
  size_t at = text.find(key);
  return at == std::string::npos ? -1 : atol(text.c_str() + at + strlen(key));
}

TEST(Proc, Meminfo) {
  std::string m = ReadFile("/proc/meminfo");
  EXPECT_TRUE(Value(m, "MemTotal:") > 0);
  EXPECT_TRUE(Value(m, "MemFree:") > 0);
  EXPECT_TRUE(Value(m, "MemAvailable:") > 0);
  EXPECT_LE(Value(m, "MemFree:"), Value(m, "MemTotal:"));
  EXPECT_TRUE(Value(m, "SwapTotal:") >= 0);
}

TEST(Proc, CpuinfoHasEachCpu) {
  std::string c = ReadFile("/proc/cpuinfo");
  long n = sysconf(_SC_NPROCESSORS_ONLN);
  EXPECT_TRUE(Has(c, "processor\t: " + std::to_string(n - 1)));
  EXPECT_TRUE(Has(c, "flags\t\t:"));
  EXPECT_TRUE(Has(c, " sse2 "));
}

TEST(Proc, UptimeMoves) {
  double a = atof(ReadFile("/proc/uptime").c_str());
  EXPECT_TRUE(a > 0);
  EXPECT_TRUE(st::WaitUntil([a] { return atof(ReadFile("/proc/uptime").c_str()) > a; }));
}

TEST(Proc, StatHasCpuAndBootTime) {
  std::string s = ReadFile("/proc/stat");
  EXPECT_EQ(s.find("cpu "), 0u);
  EXPECT_TRUE(Has(s, "\ncpu0 "));
  EXPECT_TRUE(Value(s, "btime ") > 0);
}

TEST(Proc, VersionAndLoad) {
  EXPECT_EQ(ReadFile("/proc/version").find("Linux version "), 0u);
  double a, b, c;
  EXPECT_EQ(sscanf(ReadFile("/proc/loadavg").c_str(), "%lf %lf %lf", &a, &b, &c), 3);
}

TEST(Proc, FilesystemsAndMounts) {
  std::string f = ReadFile("/proc/filesystems");
  EXPECT_TRUE(Has(f, "nodev\tproc\n"));
  EXPECT_TRUE(Has(f, "nodev\ttmpfs\n"));
  EXPECT_TRUE(Has(ReadFile("/proc/mounts"), " /proc proc "));
}

TEST(Proc, SysctlValues) {
  EXPECT_TRUE(atol(ReadFile("/proc/sys/kernel/pid_max").c_str()) > 300);
  EXPECT_TRUE(!ReadFile("/proc/sys/kernel/osrelease").empty());
  EXPECT_EQ(ReadFile("/proc/sys/kernel/ostype"), "Linux\n");
  char host[65];
  MUST(gethostname(host, sizeof host));
  EXPECT_EQ(ReadFile("/proc/sys/kernel/hostname"), std::string(host) + "\n");
}

TEST(Proc, RootListsSelfAndPids) {
  DIR* d = opendir("/proc");
  ASSERT_TRUE(d != nullptr);
  bool self = false, own = false;
  while (dirent* e = readdir(d)) {
    self |= !strcmp(e->d_name, "self");
    own |= atoi(e->d_name) == getpid();
  }
  closedir(d);
  EXPECT_TRUE(self);
  EXPECT_TRUE(own);
}

TEST(Proc, FilesAreSizeZeroAndSeekable) {
  struct stat s = st::StatOf("/proc/meminfo");
  EXPECT_EQ(s.st_size, 0);
  EXPECT_TRUE(S_ISREG(s.st_mode));
  Fd fd(MUST(open("/proc/version", O_RDONLY)));
  char a[6], b[6];
  MUST(read(fd, a, 5));
  EXPECT_RET(lseek(fd, 0, SEEK_SET), 0);
  MUST(read(fd, b, 5));
  EXPECT_EQ(memcmp(a, b, 5), 0);
  EXPECT_RET(pread(fd, b, 5, 1), 5);
  EXPECT_EQ(b[0], 'i');
}

TEST(Proc, IsProcfs) {
  struct statfs s;
  EXPECT_OK(statfs("/proc", &s));
  EXPECT_EQ(s.f_type, 0x9fa0);
}

TEST(Dev, NumbersOfTheUsualDevices) {
  struct {
    const char* path;
    unsigned major, minor;
  } devices[] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
                 {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};
  for (auto& d : devices) {
    struct stat s = st::StatOf(d.path);
    EXPECT_TRUE(S_ISCHR(s.st_mode));
    EXPECT_EQ(major(s.st_rdev), d.major);
    EXPECT_EQ(minor(s.st_rdev), d.minor);
  }
}

TEST(Dev, FullAndRandom) {
  Fd full(MUST(open("/dev/full", O_RDWR)));
  EXPECT_ERR(write(full, "x", 1), ENOSPC);
  char b[64] = {1};
  EXPECT_RET(read(full, b, 64), 64);
  EXPECT_EQ(b[0], 0);
  Fd random(MUST(open("/dev/urandom", O_RDONLY)));
  EXPECT_RET(read(random, b, 64), 64);
  bool any = false;
  for (char c : b) any |= c != 0;
  EXPECT_TRUE(any);
  EXPECT_ERR(ioctl(full, 0x5401, b), ENOTTY);
}

TEST(Dev, StandardLinks) {
  char b[64] = {};
  EXPECT_OK(readlink("/dev/fd", b, 63));
  EXPECT_EQ(std::string(b), "/proc/self/fd");
  EXPECT_EQ(static_cast<bool>(st::Exists("/dev/shm")), true);
}

}  // namespace
