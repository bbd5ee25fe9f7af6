// What of the stub area a guest can reach; and all of that overwritten.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/fault/stub/attacks.h"

namespace stub_attacks {
namespace {

constexpr uint64_t kPage = 4096;

struct Expected {
  uint64_t begin, end;
  bool writable;
};
// The only places where there may be something. One thread: one region.
constexpr Expected kExpected[] = {
    {STUB_BASE, STUB_BASE + 0x10000, false},                // text
    {STUB_BASE + 0x10000, STUB_BASE + 0x20000, false},      // constants, filters
    {STUB_BASE + 0x20000, STUB_IMAGE_END, true},            // the keeper's data
    {STUB_REQUEST_PAGE, STUB_REQUEST_PAGE + kPage, false},  // what the keeper is asked for
    {STUB_VDSO - 16 * kPage, STUB_VDSO, false},             // the host's clocks
    {STUB_VDSO, STUB_VDSO + 4 * kPage, false},              // and their code
    // This thread's region.
    {STUB_REGIONS, STUB_REGIONS + STUB_REGION_READ_ONLY, false},
    {STUB_REGIONS + STUB_REGION_READ_ONLY, STUB_REGIONS + STUB_REGION_SIZE, true},
};

bool Allowed(uint64_t page, bool writable) {
  for (const Expected& e : kExpected) {
    if (page >= e.begin && page < e.end) return e.writable == writable;
  }
  return false;
}

void Scan() {
  CatchFaults();
  uint64_t begin = 0, seen = 0;
  bool begin_writable = false;
  const auto tell = [&](uint64_t end) {
    if (begin != 0) Note("area %lx-%lx r%c", begin, end, begin_writable ? 'w' : '-');
    begin = 0;
  };
  for (uint64_t page = STUB_BASE; page < STUB_END; page += kPage) {
    // Most of it is empty: a system call that looks there costs less than a fault.
    if (!Readable(page)) {
      tell(page);
      continue;
    }
    seen++;
    const bool writable = Writable(page);
    if (!Allowed(page, writable)) Fail("page %lx is readable%s", page, writable ? " and writable" : "");
    if (begin != 0 && writable != begin_writable) tell(page);
    if (begin == 0) begin = page, begin_writable = writable;
  }
  tell(STUB_END);
  if (seen < 5) Fail("only %lu pages seen: the scan sees nothing", seen);
  if (Failed()) _exit(1);
}

enum class Pattern { kZeros, kOnes, kRandom };

void Overwrite(const std::vector<Range>& ranges, Pattern pattern, Random& random) {
  for (const Range& range : ranges) {
    uint64_t* const words = reinterpret_cast<uint64_t*>(range.begin);
    for (size_t i = 0; i < (range.end - range.begin) / 8; i++) {
      words[i] = pattern == Pattern::kZeros ? 0 : pattern == Pattern::kOnes ? ~uint64_t{0} : random.Next();
    }
  }
}

// Calls of all the kinds that have parts of their own in the platform: mappings, files
// lent to the keeper, threads, sleep.
void MakeCalls() {
  const int self = open("/proc/self/exe", O_RDONLY);
  for (int i = 0;; i++) {
    syscall(SYS_getpid);
    void* p = mmap(nullptr, 3 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED) {
      *static_cast<volatile char*>(p) = 1;
      munmap(p, 3 * kPage);
    }
    if (i % 8 == 0) {
      p = mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, self, 0);
      if (p != MAP_FAILED) {
        (void)*static_cast<volatile char*>(p);
        munmap(p, kPage);
      }
    }
    if (i % 32 == 0) StartThread([](void*) { syscall(SYS_exit, 0); }, nullptr);
    if (i % 64 == 0) usleep(100);
  }
}

struct Job {
  std::vector<Range> ranges;
  Pattern pattern;
  Random random;
};

void Once(Pattern pattern, bool from_other_thread, uint64_t seed) {
  CatchFaults();
  static Job job = {WritableRanges(), pattern, Random(seed)};
  if (job.ranges.empty()) {
    Fail("nothing to write");
    shared->breach = kNoAttack;
  }
  close_range(0, 2, 0);  // libc has words for what befalls it here
  if (!from_other_thread) {
    Overwrite(job.ranges, job.pattern, job.random);
    MakeCalls();
  }
  // Both regions are there before.
  StartThread(
      [](void*) {
        while (true) Overwrite(job.ranges, job.pattern, job.random);
      },
      nullptr);
  job.ranges = WritableRanges();
  MakeCalls();
}

}  // namespace

void AttackArea(const Options&) {
  const pid_t pid = Spawn(Scan);
  int status = -1;
  if (!EndsWithin(pid, 60000, &status)) return Kill(pid, "scan");
  if (status != 0) Fail("scan: status %x", status);
}

void AttackOverwrite(const Options& options) {
  Random random(options.seed);
  for (int round = 0; round < (options.full ? 20 : 1); round++) {
    for (const Pattern pattern : {Pattern::kZeros, Pattern::kOnes, Pattern::kRandom}) {
      for (const bool other : {false, true}) {
        const uint64_t seed = random.Next();
        RunFor(300, "overwriter", [=] { Once(pattern, other, seed); });
      }
    }
  }
}

}  // namespace stub_attacks
