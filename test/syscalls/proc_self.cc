// /proc/self and /proc/PID.
#include <sys/mman.h>
#include <sys/prctl.h>

#include "test/syscalls/harness/test.h"

TOUCHES("open", "readlink", "getdents64")

namespace {

using st::ReadFile;

std::string Link(const std::string& p) {
  char b[4096];
  long n = MUST(readlink(p.c_str(), b, sizeof b));
  return std::string(b, n);
}

bool Has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string Pid() { return "/proc/" + std::to_string(getpid()); }

TEST(ProcSelf, LinksToOwnPid) {
  EXPECT_EQ(Link("/proc/self"), std::to_string(getpid()));
  EXPECT_EQ(Link("/proc/thread-self"), std::to_string(getpid()) + "/task/" + std::to_string(st::GetTid()));
  EXPECT_CHILD_OK([] { EXPECT_EQ(Link("/proc/self"), std::to_string(getpid())); });
}

TEST(ProcSelf, ExeCwdRoot) {
  EXPECT_EQ(Link("/proc/self/exe"), std::string(st::SelfExe()));
  MUST(chdir(st::Tmp().c_str()));
  EXPECT_EQ(Link("/proc/self/cwd"), st::Tmp());
  EXPECT_EQ(Link("/proc/self/root"), "/");
  st::WriteFile(st::Tmp("here"), "x");
  EXPECT_EQ(ReadFile("/proc/self/cwd/here"), "x");
  std::string head = ReadFile("/proc/self/exe").substr(0, 4);
  EXPECT_EQ(head, "\177ELF");
}

TEST(ProcSelf, FdLinks) {
  st::WriteFile(st::Tmp("f"), "content");
  Fd fd(MUST(open(st::Tmp("f").c_str(), O_RDONLY)));
  std::string path = "/proc/self/fd/" + std::to_string(static_cast<int>(fd));
  EXPECT_EQ(Link(path), st::Tmp("f"));
  EXPECT_EQ(ReadFile(path), "content");  // a fresh description at offset 0
  EXPECT_RET(lseek(fd, 0, SEEK_CUR), 0);
  MUST(unlink(st::Tmp("f").c_str()));
  EXPECT_EQ(Link(path), st::Tmp("f") + " (deleted)");
  EXPECT_EQ(ReadFile(path), "content");
  st::Pipe p;
  struct stat s;
  MUST(fstat(p.r, &s));
  EXPECT_EQ(Link("/proc/self/fd/" + std::to_string(static_cast<int>(p.r))), "pipe:[" + std::to_string(s.st_ino) + "]");
  char b[8];
  EXPECT_ERR(readlink("/proc/self/fd/999", b, 8), ENOENT);
}

TEST(ProcSelf, FdReopensWithOtherMode) {
  Fd w(MUST(open(st::Tmp("f").c_str(), O_WRONLY | O_CREAT, 0600)));
  MUST(write(w, "abc", 3));
  Fd r(MUST(open(("/proc/self/fd/" + std::to_string(static_cast<int>(w))).c_str(), O_RDONLY)));
  EXPECT_EQ(st::ReadAll(r), "abc");
}

TEST(ProcSelf, FdInfo) {
  Fd fd(MUST(open(st::Tmp("f").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
  MUST(write(fd, "12345", 5));
  std::string info = ReadFile("/proc/self/fdinfo/" + std::to_string(static_cast<int>(fd)));
  EXPECT_TRUE(Has(info, "pos:\t5\n"));
  EXPECT_TRUE(Has(info, "flags:\t02"));
}

TEST(ProcSelf, MapsShowMappings) {
  char* p = static_cast<char*>(MUST(mmap(nullptr, 12288, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
  MUST(mprotect(p + 4096, 4096, PROT_READ | PROT_WRITE));
  char line[64];
  snprintf(line, sizeof line, "%lx-%lx rw-p 00000000 00:00 0", reinterpret_cast<long>(p) + 4096,
           reinterpret_cast<long>(p) + 8192);
  std::string maps = ReadFile("/proc/self/maps");
  EXPECT_TRUE(Has(maps, line));
  EXPECT_TRUE(Has(maps, "[stack]\n"));
  EXPECT_TRUE(Has(maps, "[vdso]\n"));
  EXPECT_TRUE(Has(maps, std::string(st::SelfExe()) + "\n"));
  EXPECT_TRUE(Has(maps, "r-xp"));
}

TEST(ProcSelf, MapsOfAFile) {
  st::WriteFile(st::Tmp("mapped"), std::string(8192, 'x'));
  Fd fd(MUST(open(st::Tmp("mapped").c_str(), O_RDONLY)));
  void* p = MUST(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 4096));
  char line[64];
  snprintf(line, sizeof line, "%lx-%lx r--s 00001000", reinterpret_cast<long>(p), reinterpret_cast<long>(p) + 4096);
  std::string maps = ReadFile("/proc/self/maps");
  EXPECT_TRUE(Has(maps, line));
  EXPECT_TRUE(Has(maps, st::Tmp("mapped") + "\n"));
}

TEST(ProcSelf, Stat) {
  MUST(prctl(PR_SET_NAME, "a) (b"));
  std::string s = ReadFile("/proc/self/stat");
  EXPECT_EQ(s.find(std::to_string(getpid()) + " (a) (b) R "), 0u);
  int ppid = 0, pgrp = 0, sid = 0;
  ASSERT_EQ(sscanf(s.c_str() + s.rfind(')'), ") R %d %d %d", &ppid, &pgrp, &sid), 3);
  EXPECT_EQ(ppid, getppid());
  EXPECT_EQ(pgrp, getpgrp());
  EXPECT_EQ(sid, getsid(0));
}

TEST(ProcSelf, Status) {
  std::string s = ReadFile("/proc/self/status");
  EXPECT_TRUE(Has(s, "\nPid:\t" + std::to_string(getpid()) + "\n"));
  EXPECT_TRUE(Has(s, "\nPPid:\t" + std::to_string(getppid()) + "\n"));
  std::string uid = std::to_string(getuid());
  EXPECT_TRUE(Has(s, "\nUid:\t" + uid + "\t" + uid + "\t" + uid + "\t" + uid + "\n"));
  EXPECT_TRUE(Has(s, "\nThreads:\t1\n"));
  EXPECT_TRUE(Has(s, "\nState:\tR (running)\n"));
  st::BlockSignal(SIGUSR1);
  EXPECT_TRUE(Has(ReadFile("/proc/self/status"), "\nSigBlk:\t0000000000000200\n"));
}

TEST(ProcSelf, CommandLineAndEnvironment) {
  std::string c = ReadFile("/proc/self/cmdline");
  EXPECT_TRUE(!c.empty() && c.back() == '\0');
  EXPECT_EQ(c.find('\0'), strlen(program_invocation_name));
  EXPECT_OK(open("/proc/self/environ", O_RDONLY));
}

TEST(ProcSelf, StatmAndMemory) {
  long size = 0, resident = 0;
  EXPECT_EQ(sscanf(ReadFile("/proc/self/statm").c_str(), "%ld %ld", &size, &resident), 2);
  EXPECT_TRUE(size >= resident && resident > 0);
  char* p =
      static_cast<char*>(MUST(mmap(nullptr, 1 << 22, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
  long size2 = 0, resident2 = 0;
  memset(p, 1, 1 << 22);
  sscanf(ReadFile("/proc/self/statm").c_str(), "%ld %ld", &size2, &resident2);
  EXPECT_GE(size2 - size, 1024);
  EXPECT_GE(resident2 - resident, 900);
}

TEST(ProcSelf, TaskListsThreads) {
  st::Pipe p;
  st::Thread t([&] {
    char c;
    MUST(read(p.r, &c, 1));
  });
  EXPECT_TRUE(st::Exists("/proc/self/task/" + std::to_string(t.tid()) + "/stat"));
  EXPECT_TRUE(st::Exists("/proc/self/task/" + std::to_string(getpid())));
  EXPECT_EQ(ReadFile("/proc/self/task/" + std::to_string(t.tid()) + "/comm"), ReadFile("/proc/self/comm"));
  MUST(write(p.w, "x", 1));
  t.Join();
}

TEST(ProcSelf, OtherProcessesComeAndGo) {
  pid_t child = st::Spawn([] { pause(); });
  std::string dir = "/proc/" + std::to_string(child);
  EXPECT_TRUE(st::Exists(dir + "/status"));
  st::WaitBlocked(child);
  EXPECT_TRUE(Has(ReadFile(dir + "/stat"), ") S " + std::to_string(getpid()) + " "));
  MUST(kill(child, SIGKILL));
  siginfo_t i;
  MUST(waitid(P_PID, child, &i, WEXITED | WNOWAIT));
  EXPECT_TRUE(Has(ReadFile(dir + "/stat"), ") Z "));
  st::WaitStatus(child);
  EXPECT_FALSE(st::Exists(dir));
}

TEST(ProcSelf, MountTables) {
  st::NeedMountedRoot();
  std::string m = ReadFile("/proc/self/mountinfo");
  EXPECT_TRUE(Has(m, " / / "));
  EXPECT_TRUE(Has(m, " /proc "));
  EXPECT_TRUE(Has(ReadFile("/proc/self/mounts"), " /proc proc "));
}

TEST(ProcSelf, CommCanBeWritten) {
  Fd fd(MUST(open("/proc/self/comm", O_RDWR)));
  EXPECT_RET(write(fd, "renamed\n", 7), 7);
  char name[17] = {};
  MUST(prctl(PR_GET_NAME, name));
  EXPECT_EQ(std::string(name), "renamed");
}

TEST(ProcSelf, MemReadsOwnMemory) {
  Fd fd(MUST(open("/proc/self/mem", O_RDONLY)));
  static const char kText[] = "find me";
  char b[8];
  EXPECT_RET(pread(fd, b, 8, reinterpret_cast<off_t>(kText)), 8);
  EXPECT_EQ(std::string(b), "find me");
  EXPECT_ERR(pread(fd, b, 8, 4096), EIO);
}

TEST(ProcSelf, ReadOnlyTree) {
  st::NeedRoot();  // others are refused earlier
  EXPECT_CHILD_OK([] {
    st::DropToNobody();
    EXPECT_ERR(open("/proc/self/stat", O_WRONLY), EACCES);
  });
  EXPECT_ERR(mkdir("/proc/self/new", 0700), ENOENT);
  EXPECT_ERR(unlink("/proc/self/stat"), EPERM);
  EXPECT_ERR(open((Pid() + "/none").c_str(), O_RDONLY), ENOENT);
}

}  // namespace
