// Changes of mappings against threads that use them: once the call has returned, nobody may
// see what was.
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>

#include "test/hostile/cases.h"
#include "test/hostile/child.h"
#include "test/hostile/layout.h"
#include "test/hostile/output.h"
#include "test/hostile/probe.h"

namespace hostile {
namespace {

constexpr int kRw = PROT_READ | PROT_WRITE;
constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
constexpr int kThreads = 3;
void* const kAt = reinterpret_cast<void*>(kBase + 0x100000);
void* const kElsewhere = reinterpret_cast<void*>(kBase + 0x200000);

uint64_t Word(const void* at) { return __atomic_load_n(static_cast<const uint64_t*>(at), __ATOMIC_SEQ_CST); }
void Put(void* at, uint64_t value) { __atomic_store_n(static_cast<uint64_t*>(at), value, __ATOMIC_SEQ_CST); }
void Map(void* at, int prot = kRw) {
  if (mmap(at, kPage, prot, kPrivate, -1, 0) != at) Die("mmap: %m");
}

template <typename Body>
void ForAWhile(const Options& options, const Body& body) {
  const uint64_t end = NowNs() + (options.full ? 10 : 1) * uint64_t{1'000'000'000};
  for (uint64_t generation = 1; NowNs() < end; generation++) body(generation);
}

// What stands for generation g in memory must not be seen once `dead` is g.
void WatchGenerations(const char* name, const Options& options, std::optional<uint64_t> (*look)(const volatile void*),
                      void (*make)(uint64_t), void (*end)()) {
  Violations violations(name);
  std::atomic<uint64_t> dead = 0;
  std::atomic<bool> seen = false;
  Crowd crowd(kThreads, [&] {
    for (int i = 0; i < 64; i++) {
      const uint64_t before = dead.load();
      const std::optional<uint64_t> got = look(kAt);
      if (got && *got != 0) seen = true;
      if (got && *got != 0 && *got <= before) violations.Add(before, *got);
    }
  });
  ForAWhile(options, [&](uint64_t generation) {
    make(generation);
    // Some of them without a look, some with many.
    if (generation % 3 != 0) SpinNs(generation % 16 * 1000);
    end();
    dead = generation;
    if (generation % 4 == 0) sched_yield();
  });
  // On a busy machine nobody may have looked at the right time: then now.
  make(~uint64_t{0} >> 33);
  for (const uint64_t late = NowNs() + 10'000'000'000; !seen && NowNs() < late;) sched_yield();
  violations.Check(seen);
  end();
}

void Unmap(const Options& options) {
  InitProbes();
  const auto make = [](uint64_t generation) {
    Map(kAt);
    Put(kAt, generation);
  };
  WatchGenerations("munmap", options, TryLoad, make, [] { munmap(kAt, kPage); });
  WatchGenerations("mmap over", options, TryLoad, make, [] { Map(kAt); });
  WatchGenerations("mprotect to none", options, TryLoad, make, [] { mprotect(kAt, kPage, PROT_NONE); });
  WatchGenerations("mremap away", options, TryLoad, make,
                   [] { mremap(kAt, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, kElsewhere); });
}

void DontNeed(const Options& options) {
  InitProbes();
  Map(kAt);
  const auto make = [](uint64_t generation) { Put(kAt, generation); };
  WatchGenerations("madvise", options, TryLoad, make, [] { madvise(kAt, kPage, MADV_DONTNEED); });
  static const int file = memfd_create("race", 0);
  if (ftruncate(file, kPage) != 0 || mmap(kAt, kPage, kRw, MAP_SHARED | MAP_FIXED, file, 0) != kAt) Die("memfd: %m");
  const auto truncate = [] {
    if (ftruncate(file, 0) != 0 || ftruncate(file, kPage) != 0) Die("ftruncate: %m");
  };
  WatchGenerations("ftruncate", options, TryLoad, make, truncate);
  const auto punch = [] {
    if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kPage) != 0) Die("fallocate: %m");
  };
  WatchGenerations("punched hole", options, TryLoad, make, punch);
}

// mov $generation, %eax; ret
void MakeCode(uint64_t generation) {
  if (mmap(kAt, kPage, kRw, kPrivate, -1, 0) != kAt) Die("mmap: %m");
  auto* code = static_cast<uint8_t*>(kAt);
  code[0] = 0xb8;
  const auto number = static_cast<uint32_t>(generation);
  memcpy(code + 1, &number, sizeof(number));
  code[5] = 0xc3;
  if (mprotect(kAt, kPage, PROT_READ | PROT_EXEC) != 0) Die("mprotect: %m");
}

void Execute(const Options& options) {
  InitProbes();
  WatchGenerations("munmap of code", options, TryCall, MakeCode, [] { munmap(kAt, kPage); });
  WatchGenerations("code no longer executable", options, TryCall, MakeCode, [] { mprotect(kAt, kPage, PROT_READ); });
}

// Stores stop when the call returns: the counter stands still from then on.
void WatchStores(const char* name, const Options& options, bool (*forbid)(), void (*allow)(), const void* counter) {
  Violations violations(name);
  Crowd crowd(kThreads, [] {
    for (int i = 0; i < 64; i++) TryIncrement(kAt);
  });
  ForAWhile(options, [&](uint64_t generation) {
    allow();
    if (generation % 3 != 0) SpinNs(generation % 16 * 1000);
    if (!forbid()) Die("%s: %m", name);
    const uint64_t first = Word(counter);
    SpinNs(3000);
    const uint64_t second = Word(counter);
    if (first != second) violations.Add(first, second);
    if (generation % 4 == 0) sched_yield();
  });
}

void Protect(const Options& options) {
  InitProbes();
  Map(kAt);
  WatchStores(
      "mprotect to read-only", options, [] { return mprotect(kAt, kPage, PROT_READ) == 0; },
      [] { mprotect(kAt, kPage, kRw); }, kAt);
  WatchStores(
      "mremap of what is written", options,
      [] { return mremap(kAt, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, kElsewhere) == kElsewhere; },
      [] { Map(kAt); }, kElsewhere);
  // The file keeps what was written until then.
  const int file = memfd_create("race", 0);
  void* const view = mmap(nullptr, kPage, PROT_READ, MAP_SHARED, file, 0);
  static int shared;
  shared = file;
  if (ftruncate(file, kPage) != 0 || view == MAP_FAILED) Die("memfd: %m");
  WatchStores(
      "munmap of a shared page", options, [] { return munmap(kAt, kPage) == 0; },
      [] {
        if (mmap(kAt, kPage, kRw, MAP_SHARED | MAP_FIXED, shared, 0) != kAt) Die("mmap: %m");
      },
      view);
}

// A child sees the moment of the fork and nothing after it, and the parent nothing of the child.
void Fork(const Options& options) {
  InitProbes();
  Map(kAt);
  Violations violations("fork");
  constexpr uint64_t kChilds = 0xc411'd000'0000'0000;
  Crowd crowd(kThreads, [&violations] {
    for (int i = 0; i < 64; i++) {
      TryIncrement(kAt);
      const uint64_t seen = Word(kAt);
      if (seen >= kChilds) violations.Add(0, seen);
    }
  });
  ForAWhile(options, [&](uint64_t) {
    const pid_t pid = fork();
    if (pid == 0) {
      const uint64_t first = Word(kAt);
      SpinNs(20'000);
      const bool still = Word(kAt) == first;
      Put(kAt, kChilds);
      SpinNs(20'000);
      _exit(still && Word(kAt) == kChilds ? 0 : 1);
    }
    if (pid < 0) Die("fork: %m");
    violations.Check(Await(pid) == "exit 0");
  });
}

// What one process has freed and another has got: neither sees the other's.
void Reuse(const Options& options) {
  InitProbes();
  constexpr uint64_t kOurs = 0x0a0a'0a0a'0a0a'0a0a, kTheirs = 0x0b0b'0b0b'0b0b'0b0b;
  constexpr size_t kPages = 16;
  const auto use = [&](uint64_t pattern, Violations& violations) {
    ForAWhile(options, [&](uint64_t generation) {
      if (mmap(kAt, kPages * kPage, kRw, kPrivate, -1, 0) != kAt) Die("mmap: %m");
      for (size_t i = 0; i < kPages; i++) {
        char* page = static_cast<char*>(kAt) + i * kPage;
        const uint64_t fresh = Word(page + 8);
        if (fresh != 0) violations.Add(0, fresh);
        Put(page, pattern);
        Put(page + 8, pattern);
      }
      if (generation % 2 == 0) {
        munmap(kAt, kPages * kPage);
      } else {
        madvise(kAt, kPages * kPage, MADV_DONTNEED);
      }
    });
  };
  const auto watch = [](uint64_t pattern, Violations& violations) {
    for (size_t i = 0; i < kPages; i++) {
      const std::optional<uint64_t> got = TryLoad(static_cast<char*>(kAt) + i * kPage);
      if (got && *got != 0 && *got != pattern) violations.Add(pattern, *got);
    }
  };
  Violations violations("memory of others");
  const pid_t pid = fork();
  if (pid == 0) {
    {
      Violations theirs("memory of others, the child");
      Crowd crowd(2, [&] { watch(kTheirs, theirs); });
      use(kTheirs, theirs);
    }
    _exit(0);
  }
  {
    Crowd crowd(2, [&] { watch(kOurs, violations); });
    use(kOurs, violations);
  }
  Say("memory of others: %s", Await(pid).c_str());
}

constexpr Case kCases[] = {
    {"race_unmap", Unmap},     {"race_dontneed", DontNeed}, {"race_execute", Execute},
    {"race_protect", Protect}, {"race_fork", Fork},         {"race_reuse", Reuse},
};

}  // namespace

std::span<const Case> RaceCases() { return kCases; }

}  // namespace hostile
