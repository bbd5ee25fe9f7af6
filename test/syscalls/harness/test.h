// A small test framework for programs that judge a Linux kernel.
//
//   TOUCHES("read", "pread64")            system calls that this file exercises
//   TEST(ReadWrite, EmptyFileReturnsZero) { Fd fd(MUST(open(...))); EXPECT_RET(read(fd, b, 1), 0); }
//
// Each case runs in a forked child that leads its own session, so a crash or a hang fails that case only.
// EXPECT_* notes a failure and goes on; ASSERT_* and MUST end the case. They may also be used in threads and in
// forked children: failures are counted in memory that the whole case shares. No exceptions, no gtest.
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <type_traits>

namespace st {

// ---- Registration ----

struct Case {
  const char* file;
  const char* area;
  const char* name;
  void (*fn)();
  bool full_only;  // runs only with --tier=full
  Case* next = nullptr;
  Case(const char* file_path, const char* a, const char* n, void (*f)(), bool full);
  std::string Program() const;  // the file's name without folders and ".cc"
  std::string Name() const { return std::string(area) + "." + name; }
};

// An entry point for exec tests: the binary called with argv[0] == "st-helper:NAME".
struct Helper {
  const char* name;
  int (*fn)(int argc, char** argv);
  Helper* next = nullptr;
  Helper(const char* n, int (*f)(int, char**));
};

struct TouchList {
  const char* const* names;
  size_t count;
  TouchList* next = nullptr;
  TouchList(const char* const* n, size_t c);
};

// ---- Reporting ----

void Fail(const char* file, int line, const std::string& message);  // counts and prints; goes on
[[noreturn]] void EndCase();                                        // leaves the calling process
[[noreturn]] void Skip(const std::string& reason);                  // case process only
int Failures();                                                     // of this case, over all its processes
const char* ErrnoName(int e);
const char* SignalName(int sig);
std::string StatusText(int status);  // "exited 1", "killed by SIGSEGV"

template <class T>
std::string Show(const T& v) {
  if constexpr (std::is_same_v<T, bool>) {
    return v ? "true" : "false";
  } else if constexpr (std::is_enum_v<T>) {
    return std::to_string(static_cast<long long>(v));
  } else if constexpr (std::is_integral_v<T>) {
    std::string s = std::to_string(v);
    if (v > static_cast<T>(4095)) {
      char b[32];
      snprintf(b, sizeof b, " (0x%llx)", static_cast<unsigned long long>(v));
      s += b;
    }
    return s;
  } else if constexpr (std::is_floating_point_v<T>) {
    return std::to_string(v);
  } else if constexpr (std::is_convertible_v<T, std::string>) {
    return "\"" + std::string(v) + "\"";
  } else if constexpr (std::is_pointer_v<T>) {
    char b[32];
    snprintf(b, sizeof b, "%p", reinterpret_cast<const void*>(v));
    return b;
  } else {
    return "?";
  }
}

template <class T>
long AsLong(T v) {
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<long>(v);
  } else {
    return static_cast<long>(v);
  }
}

bool CheckOk(const char* expr, long r, int e, const char* file, int line);
bool CheckErr(const char* expr, long r, int e, int want, const char* want_text, const char* file, int line);
bool CheckRet(const char* expr, long r, int e, long want, const char* file, int line);
bool CheckTrue(const char* expr, bool v, bool want, const char* file, int line);
bool CheckExited(const char* expr, int status, int code, const char* file, int line);
bool CheckSignaled(const char* expr, int status, int sig, const char* file, int line);

inline std::string Normal(const char* s) { return s ? s : "(null)"; }
template <class T>
const T& Normal(const T& v) {
  return v;
}

template <class A, class B, class Op>
bool CheckCmp(const char* ea, const char* eb, const char* op, const A& a, const B& b, Op cmp, const char* file,
              int line) {
  if (cmp(a, b)) return true;
  Fail(file, line, std::string(ea) + " " + op + " " + eb + ": left " + Show(a) + ", right " + Show(b));
  return false;
}

// The value of a checking macro; a call, so that no compiler finds it unused.
template <class T>
T Value(T v) {
  return v;
}

// ---- Descriptors, paths, files ----

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& o) noexcept : fd_(o.release()) {}
  Fd& operator=(Fd&& o) noexcept {
    reset(o.release());
    return *this;
  }
  ~Fd() { reset(); }
  operator int() const { return fd_; }
  int release() {
    int f = fd_;
    fd_ = -1;
    return f;
  }
  void reset(int fd = -1) {
    if (fd_ >= 0) {
      int e = errno;
      close(fd_);
      errno = e;
    }
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

struct Pipe {
  Fd r, w;
  explicit Pipe(int flags = 0);
};

struct SockPair {
  Fd a, b;
  explicit SockPair(int type, int domain = 1 /*AF_UNIX*/);
};

const std::string& Tmp();               // the case's own empty directory, removed after the case; mode 0755
std::string Tmp(const std::string& n);  // a path in it
void WriteFile(const std::string& path, const std::string& data, mode_t mode = 0644);  // MUSTs
std::string ReadFile(const std::string& path);                                         // MUSTs; reads to EOF
std::string ReadAll(int fd);                                                           // MUSTs; from the offset
bool Exists(const std::string& path);                                                  // lstat
struct stat StatOf(const std::string& path);                                           // MUSTs; lstat
const char* SelfExe();   // path of this binary, for exec tests
std::string OuterTmp();  // the directory that holds all cases' directories

// ---- Processes, threads, time ----

[[noreturn]] void ExitChild();  // leaves a child made by Spawn: 0, or 1 after failures
int WaitStatus(pid_t pid);      // waitpid, retried over EINTR; MUSTs
pid_t MustFork();

template <class F>
pid_t Spawn(F fn) {
  pid_t pid = MustFork();
  if (pid == 0) {
    fn();
    ExitChild();
  }
  return pid;
}

template <class F>
int RunInChild(F fn) {
  return WaitStatus(Spawn(fn));
}

int64_t NowNs(int clock = 1 /*CLOCK_MONOTONIC*/);
void SleepMs(int ms);
pid_t GetTid();
// Waits until the thread is asleep in a system call, by /proc/PID/task/TID/stat; gives up quietly after a second.
void WaitBlocked(pid_t pid, pid_t tid = 0);

template <class F>
bool WaitUntil(F cond, int ms = 5000) {
  int64_t end = NowNs() + ms * 1000000LL;
  while (!cond()) {
    if (NowNs() > end) return false;
    SleepMs(1);
  }
  return true;
}

void* MapShared(size_t bytes);  // shared anonymous memory, zero-filled; MUSTs
template <class T>
T* SharedValue() {
  return static_cast<T*>(MapShared(sizeof(T)));
}

// A joinable thread. Runs fn(); its tid is known once the constructor returns.
class Thread {
 public:
  template <class F>
  explicit Thread(F fn) {
    auto* copy = new F(fn);
    Start(
        [](void* p) {
          auto* f = static_cast<F*>(p);
          (*f)();
          delete f;
        },
        copy);
  }
  Thread(const Thread&) = delete;
  ~Thread() { Join(); }
  void Join();
  pid_t tid() const { return tid_; }
  unsigned long handle() const { return handle_; }

 private:
  void Start(void (*run)(void*), void* arg);
  unsigned long handle_ = 0;
  pid_t tid_ = 0;
  bool joined_ = false;
};

// Installs a handler; with no SA_RESTART unless asked.
void OnSignal(int sig, void (*fn)(int), int flags = 0);
void OnSignalInfo(int sig, void (*fn)(int, siginfo_t*, void*), int flags = 0);
void BlockSignal(int sig);
void UnblockSignal(int sig);

inline long PageSize() { return 4096; }
char* BadAddr();  // one page that can't be read or written
template <class T = void>
T* Bad() {
  return reinterpret_cast<T*>(BadAddr());
}
inline int BadFd() { return 1000000; }

// Skips the case where it does not run as root.
void NeedRoot();
void NeedMountedRoot();  // in a chroot "/" is no mount point, and some calls refuse
// Becomes uid and gid 65534 with no extra groups (so, no capabilities). For children only; needs root.
void DropToNobody();

}  // namespace st

using st::Fd;

#define TEST_IMPL(Area, Name, full)                                                     \
  static void Area##_##Name();                                                          \
  static ::st::Case case_##Area##_##Name(__FILE__, #Area, #Name, &Area##_##Name, full); \
  static void Area##_##Name()
#define TEST(Area, Name) TEST_IMPL(Area, Name, false)
#define TEST_FULL(Area, Name) TEST_IMPL(Area, Name, true)

#define HELPER(name)                                        \
  static int Helper_##name(int argc, char** argv);          \
  static ::st::Helper helper_##name(#name, &Helper_##name); \
  static int Helper_##name([[maybe_unused]] int argc, [[maybe_unused]] char** argv)

#define TOUCHES(...)                                   \
  static const char* const kTouched[] = {__VA_ARGS__}; \
  static ::st::TouchList touch_list(kTouched, sizeof(kTouched) / sizeof(kTouched[0]));

// Evaluates a call once and returns its value; ends the case where it is -1 (or MAP_FAILED).
#define MUST(call)                                                                            \
  __extension__({                                                                             \
    errno = 0;                                                                                \
    auto st_v = (call);                                                                       \
    int st_e = errno;                                                                         \
    if (!::st::CheckOk(#call, ::st::AsLong(st_v), st_e, __FILE__, __LINE__)) ::st::EndCase(); \
    ::st::Value(st_v);                                                                        \
  })

#define ST_CALL(check, call, ...)                              \
  __extension__({                                              \
    errno = 0;                                                 \
    long st_v = ::st::AsLong(call);                            \
    int st_e = errno;                                          \
    check(#call, st_v, st_e, __VA_ARGS__, __FILE__, __LINE__); \
  })
// Yields the value of the call, as a long.
#define EXPECT_OK(call)                                   \
  __extension__({                                         \
    errno = 0;                                            \
    long st_v = ::st::AsLong(call);                       \
    int st_e = errno;                                     \
    ::st::CheckOk(#call, st_v, st_e, __FILE__, __LINE__); \
    ::st::Value(st_v);                                    \
  })
#define EXPECT_ERR(call, want) ST_CALL(::st::CheckErr, call, want, #want)
#define EXPECT_RET(call, want) ST_CALL(::st::CheckRet, call, ::st::AsLong(want))
#define EXPECT_TRUE(e) ::st::CheckTrue(#e, static_cast<bool>(e), true, __FILE__, __LINE__)
#define EXPECT_FALSE(e) ::st::CheckTrue(#e, static_cast<bool>(e), false, __FILE__, __LINE__)
#define EXPECT_EXITED(status, code) ::st::CheckExited(#status, status, code, __FILE__, __LINE__)
#define EXPECT_SIGNALED(status, sig) ::st::CheckSignaled(#status, status, sig, __FILE__, __LINE__)
#define EXPECT_CHILD_OK(...) EXPECT_EXITED(::st::RunInChild(__VA_ARGS__), 0)

#define ST_CMP(a, op, b)                                                                                            \
  ::st::CheckCmp(                                                                                                   \
      #a, #b, #op, ::st::Normal(a), ::st::Normal(b), [](const auto& x, const auto& y) { return x op y; }, __FILE__, \
      __LINE__)
#define EXPECT_EQ(a, b) ST_CMP(a, ==, b)
#define EXPECT_NE(a, b) ST_CMP(a, !=, b)
#define EXPECT_LT(a, b) ST_CMP(a, <, b)
#define EXPECT_LE(a, b) ST_CMP(a, <=, b)
#define EXPECT_GT(a, b) ST_CMP(a, >, b)
#define EXPECT_GE(a, b) ST_CMP(a, >=, b)

#define ST_ASSERT(check)           \
  do {                             \
    if (!(check)) ::st::EndCase(); \
  } while (0)
#define ASSERT_TRUE(e) ST_ASSERT(EXPECT_TRUE(e))
#define ASSERT_EQ(a, b) ST_ASSERT(EXPECT_EQ(a, b))
#define ASSERT_RET(call, want) ST_ASSERT(EXPECT_RET(call, want))
#define SKIP(reason) ::st::Skip(reason)
