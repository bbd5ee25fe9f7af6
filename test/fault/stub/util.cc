#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/fault/stub/attacks.h"

namespace stub_attacks {

Shared* shared;

namespace {

bool failed = false;

void Say(const char* kind, const char* format, va_list args) {
  char line[512];
  int n = snprintf(line, sizeof(line), "%s: ", kind);
  n += vsnprintf(line + n, sizeof(line) - n - 1, format, args);
  n = n < static_cast<int>(sizeof(line)) - 1 ? n : static_cast<int>(sizeof(line)) - 2;
  line[n++] = '\n';
  [[maybe_unused]] const ssize_t written = write(1, line, n);
}

}  // namespace

void Fail(const char* format, ...) {
  va_list args;
  va_start(args, format);
  Say("FAIL", format, args);
  va_end(args);
  failed = true;
}

void Note(const char* format, ...) {
  va_list args;
  va_start(args, format);
  Say("note", format, args);
  va_end(args);
}

bool Failed() { return failed; }

uint64_t NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

void SleepMs(int ms) {
  const timespec time = {ms / 1000, ms % 1000 * 1'000'000L};
  nanosleep(&time, nullptr);
}

pid_t Spawn(const std::function<void()>& body) {
  const pid_t pid = fork();
  if (pid < 0) {
    Fail("fork: %m");
    exit(1);
  }
  if (pid > 0) return pid;
  // What it forks, perhaps by a jump to somewhere, ends with it.
  setpgid(0, 0);
  body();
  _exit(0);
}

void KillGroup(pid_t pid) {
  kill(-pid, SIGKILL);
  kill(pid, SIGKILL);  // it may not have come to make its group
}

bool EndsWithin(pid_t pid, int ms, int* status) {
  const uint64_t end = NowMs() + ms;
  int ignored;
  while (true) {
    if (waitpid(pid, status != nullptr ? status : &ignored, WNOHANG) != 0) {
      kill(-pid, SIGKILL);
      return true;
    }
    if (NowMs() >= end) return false;
    SleepMs(1);
  }
}

void KillAll(std::span<const Victim> victims) {
  for (const Victim& victim : victims) KillGroup(victim.pid);
  const uint64_t end = NowMs() + kMsToDie;
  for (const Victim& victim : victims) {
    const int left = static_cast<int>(end - NowMs());
    if (!EndsWithin(victim.pid, left > 0 ? left : 0)) Fail("%s: not gone %d ms after SIGKILL", victim.what, kMsToDie);
  }
}

void RunFor(int ms, const char* what, const std::function<void()>& body) {
  const pid_t pid = Spawn(body);
  if (!EndsWithin(pid, ms)) Kill(pid, what);
}

pid_t StartThread(void (*body)(void*), void* argument) {
  struct Start {
    void (*body)(void*);
    void* argument;
  };
  constexpr size_t kStack = 64 << 10;
  void* stack = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const auto entry = [](void* p) {
    const Start start = *static_cast<Start*>(p);
    start.body(start.argument);
    return 0;
  };
  // Not libc's threads: those die of a spoilt fs_base, and ours may be anything.
  return clone(entry, static_cast<char*>(stack) + kStack,
               CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
               new Start{body, argument});
}

uint64_t Random::Next() {
  state_ ^= state_ << 13;
  state_ ^= state_ >> 7;
  state_ ^= state_ << 17;
  return state_ * 0x2545f4914f6cdd1d;
}

}  // namespace stub_attacks
