// The parts of test.h that cases call.
#include "test/syscalls/harness/test.h"

#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "test/syscalls/harness/state.h"

namespace st {

SharedState* g_state = nullptr;
std::string g_case_dir;
std::string g_run_dir;
std::string g_self_exe;

static void Print(const std::string& s) {
  size_t done = 0;
  while (done < s.size()) {
    ssize_t n = write(1, s.data() + done, s.size() - done);
    if (n <= 0) return;
    done += n;
  }
}

void Fail(const char* file, int line, const std::string& message) {
  int e = errno;
  if (g_state) __atomic_add_fetch(&g_state->failures, 1, __ATOMIC_SEQ_CST);
  const char* base = strrchr(file, '/');
  Print("  " + std::string(base ? base + 1 : file) + ":" + std::to_string(line) + ": " + message + "\n");
  errno = e;
}

void EndCase() { _exit(kFailedExit); }
int Failures() { return g_state ? __atomic_load_n(&g_state->failures, __ATOMIC_SEQ_CST) : 0; }

void Skip(const std::string& reason) {
  if (g_state) snprintf(g_state->skip_reason, sizeof g_state->skip_reason, "%s", reason.c_str());
  _exit(kSkippedExit);
}

const char* ErrnoName(int e) {
  const char* n = strerrorname_np(e);
  return n ? n : "unknown";
}

const char* SignalName(int sig) {
  static char b[32];
  const char* n = sigabbrev_np(sig);
  if (n) {
    snprintf(b, sizeof b, "SIG%s", n);
  } else {
    snprintf(b, sizeof b, "signal %d", sig);
  }
  return b;
}

std::string StatusText(int status) {
  if (WIFEXITED(status)) return "exited " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return std::string("killed by ") + SignalName(WTERMSIG(status));
  if (WIFSTOPPED(status)) return std::string("stopped by ") + SignalName(WSTOPSIG(status));
  return "status " + std::to_string(status);
}

static std::string Outcome(long r, int e) {
  if (r == -1) return std::string("failed with ") + ErrnoName(e) + " (" + std::to_string(e) + ")";
  return "returned " + Show(r);
}

bool CheckOk(const char* expr, long r, int e, const char* file, int line) {
  if (r != -1) return true;
  Fail(file, line, std::string(expr) + ": " + Outcome(r, e) + ", expected success");
  return false;
}

bool CheckErr(const char* expr, long r, int e, int want, const char* want_text, const char* file, int line) {
  if (r == -1 && e == want) return true;
  Fail(file, line, std::string(expr) + ": " + Outcome(r, e) + ", expected " + want_text);
  return false;
}

bool CheckRet(const char* expr, long r, int e, long want, const char* file, int line) {
  if (r == want) return true;
  Fail(file, line, std::string(expr) + ": " + Outcome(r, e) + ", expected " + Show(want));
  return false;
}

bool CheckTrue(const char* expr, bool v, bool want, const char* file, int line) {
  if (v == want) return true;
  Fail(file, line, std::string(expr) + " is " + (v ? "true" : "false"));
  return false;
}

bool CheckExited(const char* expr, int status, int code, const char* file, int line) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == code) return true;
  Fail(file, line,
       std::string(expr).substr(0, 60) + ": " + StatusText(status) + ", expected exit " + std::to_string(code));
  return false;
}

bool CheckSignaled(const char* expr, int status, int sig, const char* file, int line) {
  if (WIFSIGNALED(status) && WTERMSIG(status) == sig) return true;
  Fail(file, line, std::string(expr).substr(0, 60) + ": " + StatusText(status) + ", expected " + SignalName(sig));
  return false;
}

Pipe::Pipe(int flags) {
  int p[2];
  MUST(pipe2(p, flags));
  r.reset(p[0]);
  w.reset(p[1]);
}

SockPair::SockPair(int type, int domain) {
  int p[2];
  MUST(socketpair(domain, type, 0, p));
  a.reset(p[0]);
  b.reset(p[1]);
}

const std::string& Tmp() {
  static bool made = false;
  if (!made) {
    made = true;
    if (mkdir(g_case_dir.c_str(), 0755) != 0 && errno != EEXIST) MUST(mkdir(g_case_dir.c_str(), 0755));
    MUST(chmod(g_case_dir.c_str(), 0755));
  }
  return g_case_dir;
}

std::string Tmp(const std::string& n) { return Tmp() + "/" + n; }
std::string OuterTmp() { return g_run_dir; }
const char* SelfExe() { return g_self_exe.c_str(); }

void WriteFile(const std::string& path, const std::string& data, mode_t mode) {
  Fd fd(MUST(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)));
  size_t done = 0;
  while (done < data.size()) done += MUST(write(fd, data.data() + done, data.size() - done));
}

std::string ReadAll(int fd) {
  std::string out;
  char b[4096];
  for (;;) {
    ssize_t n = MUST(read(fd, b, sizeof b));
    if (n == 0) return out;
    out.append(b, n);
  }
}

std::string ReadFile(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd < 0) {
    Fail(__FILE__, __LINE__, "open " + path + ": " + ErrnoName(errno));
    EndCase();
  }
  return ReadAll(fd);
}

bool Exists(const std::string& path) {
  struct stat s;
  return lstat(path.c_str(), &s) == 0;
}

struct stat StatOf(const std::string& path) {
  struct stat s;
  if (lstat(path.c_str(), &s) != 0) {
    Fail(__FILE__, __LINE__, "lstat " + path + ": " + ErrnoName(errno));
    EndCase();
  }
  return s;
}

void ExitChild() { _exit(Failures() ? kFailedExit : 0); }

int WaitStatus(pid_t pid) {
  int status = 0;
  for (;;) {
    pid_t r = waitpid(pid, &status, 0);
    if (r == pid) return status;
    if (r < 0 && errno == EINTR) continue;
    Fail(__FILE__, __LINE__, "waitpid(" + std::to_string(pid) + "): " + Outcome(r, errno));
    EndCase();
  }
}

pid_t MustFork() { return MUST(fork()); }

int64_t NowNs(int clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void SleepMs(int ms) {
  struct timespec t = {ms / 1000, (ms % 1000) * 1000000L};
  while (nanosleep(&t, &t) == -1 && errno == EINTR) {
  }
}

pid_t GetTid() { return static_cast<pid_t>(syscall(SYS_gettid)); }

static char StateOf(pid_t pid, pid_t tid) {
  char path[64], b[512];
  snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t n = read(fd, b, sizeof b - 1);
  close(fd);
  if (n <= 0) return 0;
  b[n] = 0;
  const char* p = strrchr(b, ')');
  return p && p[1] == ' ' ? p[2] : 0;
}

void WaitBlocked(pid_t pid, pid_t tid) {
  int e = errno;
  int asleep = 0;  // seen asleep twice, some time apart: not only a short sleep on the way
  WaitUntil(
      [&] {
        char s = StateOf(pid, tid ? tid : pid);
        asleep = s == 'S' || s == 'T' ? asleep + 1 : 0;
        if (asleep) SleepMs(5);
        return asleep >= 3;
      },
      1000);
  errno = e;
}

void* MapShared(size_t bytes) {
  return MUST(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

namespace {
struct ThreadStart {
  void (*run)(void*);
  void* arg;
  pid_t tid;
};
void* ThreadMain(void* p) {
  auto* s = static_cast<ThreadStart*>(p);
  auto run = s->run;
  auto* arg = s->arg;
  __atomic_store_n(&s->tid, GetTid(), __ATOMIC_SEQ_CST);
  run(arg);
  return nullptr;
}
}  // namespace

void Thread::Start(void (*run)(void*), void* arg) {
  auto* s = new ThreadStart{run, arg, 0};  // left behind: tiny, and its reader may be late
  pthread_t t;
  int r = pthread_create(&t, nullptr, ThreadMain, s);
  if (r != 0) {
    Fail(__FILE__, __LINE__, std::string("pthread_create: ") + ErrnoName(r));
    EndCase();
  }
  handle_ = t;
  WaitUntil([&] { return (tid_ = __atomic_load_n(&s->tid, __ATOMIC_SEQ_CST)) != 0; });
}

void Thread::Join() {
  if (joined_) return;
  joined_ = true;
  pthread_join(handle_, nullptr);
}

void OnSignal(int sig, void (*fn)(int), int flags) {
  struct sigaction sa = {};
  sa.sa_handler = fn;
  sa.sa_flags = flags;
  MUST(sigaction(sig, &sa, nullptr));
}

void OnSignalInfo(int sig, void (*fn)(int, siginfo_t*, void*), int flags) {
  struct sigaction sa = {};
  sa.sa_sigaction = fn;
  sa.sa_flags = flags | SA_SIGINFO;
  MUST(sigaction(sig, &sa, nullptr));
}

static void Mask(int how, int sig) {
  sigset_t s;
  sigemptyset(&s);
  sigaddset(&s, sig);
  MUST(sigprocmask(how, &s, nullptr));
}
void BlockSignal(int sig) { Mask(SIG_BLOCK, sig); }
void UnblockSignal(int sig) { Mask(SIG_UNBLOCK, sig); }

char* BadAddr() {
  static char* p = nullptr;
  if (!p) p = static_cast<char*>(MUST(mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
  return p;
}

void NeedRoot() {
  if (geteuid() != 0) Skip("needs root");
}

void NeedMountedRoot() {
  if (ReadFile("/proc/self/mountinfo").find(" / / ") == std::string::npos) Skip("needs a root that is a mount point");
}

void DropToNobody() {
  MUST(setgroups(0, nullptr));
  MUST(setresgid(65534, 65534, 65534));
  MUST(setresuid(65534, 65534, 65534));
}

}  // namespace st
