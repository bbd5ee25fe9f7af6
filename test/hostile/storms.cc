// Many threads: births and deaths, signals at any rate, alternate stacks.
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "test/hostile/cases.h"
#include "test/hostile/child.h"
#include "test/hostile/output.h"
#include "test/hostile/probe.h"

namespace hostile {
namespace {

constexpr int kCrowd = 32;
// Two processors and a loaded host: far beyond what a kick takes.
constexpr uint64_t kBoundNs = 10'000'000'000;

uint64_t Until(const Options& options) { return NowNs() + (options.full ? 15 : 2) * uint64_t{1'000'000'000}; }

pid_t Tid() { return static_cast<pid_t>(syscall(SYS_gettid)); }
long Tgkill(pid_t tid, int signo) { return syscall(SYS_tgkill, getpid(), tid, signo); }

void OnSignal(int signo, void (*handler)(int), int flags = 0) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(signo, &action, nullptr);
}

// Threads that come and go; each must have run, once, with what it was given.
void ThreadBirths(const Options& options) {
  Violations violations("threads");
  const uint64_t end = Until(options);
  std::atomic<uint64_t> started = 0, ended = 0;
  const auto breed = [&] {
    while (NowNs() < end) {
      uint64_t number = ++started, seen = 0;
      std::thread child([&] {
        seen = number;
        ended++;
      });
      child.join();
      violations.Check(seen == number);
    }
  };
  {
    std::vector<std::thread> parents;
    for (int i = 0; i < kCrowd; i++) parents.emplace_back(breed);
    for (std::thread& parent : parents) parent.join();
  }
  violations.Check(started == ended);
}

// The same by processes, with threads that their exit ends wherever they are.
void ProcessBirths(const Options& options) {
  Violations violations("processes");
  for (const uint64_t end = Until(options); NowNs() < end;) {
    violations.Check(InChild([] {
                       for (int i = 0; i < 8; i++) {
                         std::thread([i] {
                           while (true) {
                             if (i % 2 == 0) sched_yield();
                           }
                         }).detach();
                       }
                       SpinNs(200'000);
                       _exit(7);
                     }) == "exit 7");
    // Killed at any moment, among births.
    const pid_t pid = fork();
    if (pid == 0) {
      while (true) std::thread([] {}).join();
    }
    SpinNs(300'000);
    kill(pid, SIGKILL);
    violations.Check(Await(pid) == "signal 9");
  }
}

std::atomic<uint64_t> handled[kCrowd];
thread_local int my_number;

// Threads that never enter the kernel by themselves get each signal in time.
void Kicks(const Options& options) {
  Violations violations("kicks");
  // More than there are processors, but each has to have its turn in time.
  const int crowd = std::min(kCrowd, 6 * static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
  OnSignal(SIGUSR1, [](int) { handled[my_number]++; });
  std::atomic<pid_t> tids[kCrowd];
  std::atomic<bool> stop = false;
  std::vector<std::thread> spinners;
  for (auto& tid : tids) tid = 0;
  for (int i = 0; i < crowd; i++) {
    spinners.emplace_back([&, i] {
      my_number = i;
      tids[i] = Tid();
      volatile uint64_t sum = 0;
      while (!stop.load(std::memory_order_relaxed)) sum = sum + 1;
    });
  }
  for (int i = 0; i < crowd; i++) {
    while (tids[i] == 0) sched_yield();
  }
  const auto kick = [&](int i) {
    const uint64_t before = handled[i];
    if (Tgkill(tids[i], SIGUSR1) != 0) Die("tgkill: %m");
    for (const uint64_t late = NowNs() + kBoundNs; handled[i] == before;) {
      if (NowNs() < late) {
        sched_yield();
      } else {
        violations.Add(before + 1, handled[i]);
        break;
      }
    }
  };
  int next = 0;
  const uint64_t end = Until(options);
  while (NowNs() < end) kick(next++ % crowd);
  // As fast as it goes: they may be merged, but the last one of each must come.
  for (int i = 0; i < (options.full ? 20'000 : 2'000); i++) Tgkill(tids[i % crowd], SIGUSR1);
  for (int i = 0; i < crowd; i++) kick(i);
  stop = true;
  for (std::thread& spinner : spinners) spinner.join();
}

// Signals from all to all, among calls, sleeps and returns of handlers.
void Storm(const Options& options) {
  Violations violations("storm");
  OnSignal(
      SIGUSR1, [](int) { handled[my_number]++; }, SA_RESTART);
  OnSignal(
      SIGUSR2, [](int) { Tgkill(Tid(), SIGUSR1); }, SA_NODEFER);
  std::atomic<pid_t> tids[8];
  for (auto& tid : tids) tid = 0;
  for (auto& count : handled) count = 0;
  const uint64_t end = Until(options);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; i++) {
    threads.emplace_back([&, i] {
      my_number = i;
      tids[i] = Tid();
      uint64_t state = i + 1;
      while (NowNs() < end) {
        state = state * 6364136223846793005 + 1442695040888963407;
        const pid_t other = tids[state >> 40 & 7];
        if (other != 0) Tgkill(other, (state >> 50 & 3) == 0 ? SIGUSR2 : SIGUSR1);
        if ((state >> 52 & 15) == 0) usleep(10);
        if ((state >> 56 & 3) == 0) violations.Check(getppid() > 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < 8; i++) violations.Check(handled[i] > 0);
}

// Cancellation: threads ended by a signal, in loops, calls and sleeps.
void Cancel(const Options& options) {
  Violations violations("cancel");
  int number = 0;
  for (const uint64_t end = Until(options); NowNs() < end; number++) {
    pthread_t threads[8];
    static std::atomic<int> running;
    running = 0;
    const auto body = [](void* how) -> void* {
      pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
      running++;
      while (true) {
        if (how == nullptr) sched_yield();
        if (how == &running) usleep(1'000'000);
      }
    };
    void* const ways[] = {nullptr, &running, threads};
    for (int i = 0; i < 8; i++) {
      if (pthread_create(&threads[i], nullptr, body, ways[(number + i) % 3]) != 0) Die("pthread_create");
    }
    while (running < 8) sched_yield();
    for (pthread_t thread : threads) pthread_cancel(thread);
    for (pthread_t thread : threads) {
      void* result = nullptr;
      pthread_join(thread, &result);
      violations.Check(result == PTHREAD_CANCELED);
    }
  }
}

// Nested handlers on alternate stacks, one a thread; each sees that it is on its own.
void AltStacks(const Options& options) {
  static Violations* violations;
  Violations own("alternate stacks");
  violations = &own;
  static thread_local char* stack;
  static thread_local int depth;
  constexpr size_t kSize = 64 << 10;
  const auto handler = [](int signo) {
    char here;
    violations->Check(&here >= stack && &here < stack + kSize);
    stack_t now = {};
    sigaltstack(nullptr, &now);
    violations->Check(now.ss_flags == SS_ONSTACK && now.ss_sp == stack);
    const stack_t other = {stack, 0, kSize};
    violations->Check(sigaltstack(&other, nullptr) != 0);  // EPERM
    if (signo == SIGUSR1 && ++depth < 4) Tgkill(Tid(), SIGUSR1);
    depth = 0;
  };
  OnSignal(SIGUSR1, handler, SA_ONSTACK | SA_NODEFER);
  const uint64_t end = Until(options);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; i++) {
    threads.emplace_back([&] {
      stack = static_cast<char*>(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      const stack_t mine = {stack, 0, kSize};
      while (NowNs() < end) {
        if (sigaltstack(&mine, nullptr) != 0) Die("sigaltstack: %m");
        Tgkill(Tid(), SIGUSR1);
        const stack_t none = {nullptr, SS_DISABLE, 0};
        if (sigaltstack(&none, nullptr) != 0) Die("sigaltstack: %m");
      }
      munmap(stack, kSize);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

constexpr Case kCases[] = {
    {"storm_threads", ThreadBirths}, {"storm_processes", ProcessBirths}, {"storm_kicks", Kicks},
    {"storm_signals", Storm},        {"storm_cancel", Cancel},           {"storm_altstacks", AltStacks},
};

}  // namespace

std::span<const Case> StormCases() { return kCases; }

}  // namespace hostile
