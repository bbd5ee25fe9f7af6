// Jumps to every byte of the stub's text, with hostile registers.
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "platform/stub/layout.h"
#include "test/fault/stub/attacks.h"

namespace stub_attacks {
namespace {

constexpr int kPatienceMs = 40;  // then the process is taken to hang
constexpr uint64_t kTextRoom = 0x10000;

// What the keeper would do for the sentry: the host's call that WatchHole looks for.
platform::stub::KeeperRequest fake_request = {
    .count = 2,
    .reserved = {},
    .ops = {{SYS_mmap, {kHole, 4096, 3, 0x11, STUB_FD_SMALL, 0}, 0}, {SYS_write, {0, STUB_BASE, 1}, 0}}};
const char marker[] = "MARKER of a host's write\n";

struct Job {
  int state;
  uint64_t seed;
};

JumpRegisters Registers(const Job& job, uint64_t offset) {
  Random random(job.seed + offset);
  const uint64_t region = RegionAddress(0), frame = Region(0).frame;
  const uint64_t landing = reinterpret_cast<uint64_t>(&Landing);
  const uint64_t call = reinterpret_cast<uint64_t>(fake_request.ops);
  JumpRegisters r = {};
  r.rsp = ScratchStack();
  switch (job.state) {
    case 0:
      break;
    case 1:  // as the handler has them
      r = {.rax = SYS_getpid,
           .rbx = region,
           .rcx = landing,
           .rdx = frame,
           .rsi = frame + UC_SIGINFO,
           .rdi = 11,
           .rbp = region,
           .rsp = frame,
           .r8 = 1000,
           .r9 = region,
           .r10 = 8,
           .r11 = 0x202,
           .r12 = frame,
           .r13 = landing,
           .r14 = region,
           .r15 = landing,
           .rip = 0};
      break;
    case 2:  // as the keeper has them, with a request of the guest's
      r = {.rax = SYS_mmap,
           .rbx = call,
           .rcx = landing,
           .rdx = 3,
           .rsi = 4096,
           .rdi = kHole,
           .rbp = 0,
           .rsp = ScratchStack(),
           .r8 = STUB_FD_SMALL,
           .r9 = 0,
           .r10 = 0x11,
           .r11 = 0x202,
           .r12 = 2,
           .r13 = 0,
           .r14 = 0,
           .r15 = 0,
           .rip = 0};
      break;
    case 3:  // a write to the host's descriptors 1 and 2
      r = {.rax = SYS_write,
           .rbx = call,
           .rcx = landing,
           .rdx = sizeof(marker),
           .rsi = reinterpret_cast<uint64_t>(marker),
           .rdi = 1 + offset % 2,
           .rbp = 0,
           .rsp = ScratchStack(),
           .r8 = 0,
           .r9 = 0,
           .r10 = 0,
           .r11 = 0x202,
           .r12 = 1,
           .r13 = landing,
           .r14 = 0,
           .r15 = 0,
           .rip = 0};
      break;
    default: {
      const uint64_t some[] = {
          0,         1,       ~uint64_t{0}, region,         region + REGION_WORDS, frame,
          STUB_BASE, landing, call,         ScratchStack(), uint64_t{1} << 47,     random.Below(512),
          11,        23,      31,           random.Next()};
      uint64_t* const words = reinterpret_cast<uint64_t*>(&r);
      for (size_t i = 0; i < sizeof(r) / 8; i++) words[i] = random.Pick(some);
    }
  }
  r.rip = STUB_BASE + offset;
  return r;
}

// Goes on behind where its predecessor came to an end.
void Work(const Job& job, volatile uint64_t& progress, uint64_t text_size) {
  // With some registers a jump comes to fork without an end, which would leave the witness nothing.
  constexpr rlimit kProcesses = {400, 400};
  constexpr uid_t kUser = 60001;
  if (setrlimit(RLIMIT_NPROC, &kProcesses) != 0 || setresuid(kUser, kUser, kUser) != 0) _exit(1);
  CatchFaults();
  WatchHole();
  while (progress < kTextRoom) {
    const uint64_t offset = progress;
    progress = offset + 1;
    TryJump(Registers(job, offset));
    // The next jump may be our end: the watcher could come too late.
    if (Readable(kHole)) shared->breach = kHostMapping;
    // Behind the text there is nothing but the end of its page, and no page at all.
    if (offset == text_size) progress = text_size / 4096 * 4096 + 4096;
    if (offset > text_size) progress = offset + 4096;
  }
}

uint64_t TextSize() {
  const pid_t pid = Spawn([] {
    CatchFaults();
    shared->progress[0] = TextEnd() - STUB_BASE;
  });
  EndsWithin(pid, 10000);
  return shared->progress[0];
}

// A job and the process that does it at present.
struct Worker {
  Job job;
  volatile uint64_t* progress = nullptr;
  pid_t pid = 0;
  uint64_t seen = 0, since = 0;

  bool Done() const { return pid == 0 && *progress >= kTextRoom; }
};

struct Count {
  int died = 0, hung = 0;
  // Were killed, and when; the sentry may take its time with them.
  std::vector<std::pair<pid_t, uint64_t>> dying;
};

void Tend(Worker& worker, uint64_t text_size, Count& count) {
  if (worker.Done()) return;
  if (worker.pid == 0) {
    worker.pid = Spawn([&] { Work(worker.job, *worker.progress, text_size); });
    worker.since = NowMs();
  }
  if (EndsWithin(worker.pid, 0)) {
    count.died++;
    worker.pid = 0;
    return;
  }
  if (*worker.progress != worker.seen) {
    worker.seen = *worker.progress;
    worker.since = NowMs();
  } else if (NowMs() - worker.since > kPatienceMs) {
    KillGroup(worker.pid);
    count.dying.emplace_back(worker.pid, NowMs());
    count.hung++;
    worker.pid = 0;
  }
}

void Reap(Count& count) {
  std::erase_if(count.dying, [](const auto& dying) {
    const bool gone = EndsWithin(dying.first, 0), late = NowMs() - dying.second > kMsToDie;
    if (late && !gone) Fail("a process in the stub's text: not gone %d ms after SIGKILL", kMsToDie);
    return gone || late;
  });
}

}  // namespace

void AttackJumps(const Options& options) {
  const uint64_t text_size = TextSize();
  if (text_size < 256) return Fail("no text found");
  Count count;
  constexpr int kAtOnce = 6;
  constexpr size_t kMaxDying = 100;
  for (int first = 0; first < (options.full ? 8 * kAtOnce : kAtOnce); first += kAtOnce) {
    std::vector<Worker> workers(kAtOnce);
    for (int i = 0; i < kAtOnce; i++) {
      shared->progress[i] = 0;
      workers[i].job = {first + i, options.seed * 1000 + first + i};
      workers[i].progress = &shared->progress[i];
    }
    while (!std::all_of(workers.begin(), workers.end(), [](const Worker& w) { return w.Done(); })) {
      Reap(count);
      for (Worker& worker : workers) {
        if (worker.pid != 0 || count.dying.size() < kMaxDying) Tend(worker, text_size, count);
      }
      SleepMs(1);
    }
  }
  while (!count.dying.empty()) {
    Reap(count);
    SleepMs(1);
  }
  Note("%lu bytes of text, %d processes died, %d hung", text_size, count.died, count.hung);
}

}  // namespace stub_attacks
