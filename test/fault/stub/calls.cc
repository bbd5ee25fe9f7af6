// System calls from everywhere: guest code and the stub's own instructions, of every
// number and both other ways in.
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "test/fault/stub/attacks.h"

namespace stub_attacks {
namespace {

constexpr int kLastNumber = 1024;
constexpr uid_t kNobody = 65000;
constexpr uint64_t kX32 = 0x40000000;
const char marker[] = "MARKER of a host's write\n";

asm(R"(
    .text
    .globl GuestSyscall, GuestInt80, GuestSysenter
GuestSyscall:
    syscall
    ud2
GuestInt80:
    int $0x80
    ud2
GuestSysenter:
    sysenter
    ud2
)");
extern "C" void GuestSyscall();
extern "C" void GuestInt80();
extern "C" void GuestSysenter();

uint64_t Address(void (*code)()) { return reinterpret_cast<uint64_t>(code); }

// Those that make a second one of us or end us, which is no attack.
bool Harmless(int number) {
  constexpr int kNot[] = {SYS_fork, SYS_vfork, SYS_clone, SYS_exit, SYS_exit_group, SYS_pause, SYS_rt_sigsuspend};
  return std::find(std::begin(kNot), std::end(kNot), number) == std::end(kNot);
}

JumpRegisters CallAt(uint64_t rip, uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                     uint64_t f) {
  JumpRegisters r = {};
  r.rax = number;
  r.rdi = a, r.rsi = b, r.rdx = c, r.r10 = d, r.r8 = e, r.r9 = f;
  r.rsp = ScratchStack();
  r.r13 = Address(Landing);  // where the stub's futex goes next
  r.rip = rip;
  return r;
}
JumpRegisters CallWith(uint64_t rip, uint64_t number, uint64_t all) {
  return CallAt(rip, number, all, all, all, all, all, all);
}

// Runs `attempt` for all of [0, end), in as many processes as it takes.
void ForAll(int end, const char* what, const std::function<void(int)>& attempt) {
  volatile uint64_t& progress = shared->progress[0];
  progress = 0;
  std::vector<Victim> hung;
  while (progress < static_cast<uint64_t>(end)) {
    const pid_t pid = Spawn([&] {
      CatchFaults();
      WatchHole();
      while (progress < static_cast<uint64_t>(end)) {
        progress = progress + 1;
        attempt(static_cast<int>(progress - 1));
      }
    });
    uint64_t seen = ~uint64_t{0};
    while (true) {
      const uint64_t now = progress;
      if (EndsWithin(pid, 100)) break;
      if (progress != now || seen != now) {
        seen = now;
        continue;
      }
      KillGroup(pid);
      hung.push_back({pid, what});
      break;
    }
  }
  KillAll(hung);
}

// Every number, with arguments that are wrong, or point to where no guest may.
void EveryNumber(uint64_t rip, int step, const char* what) {
  constexpr uint64_t kArguments[] = {0, ~uint64_t{0}, STUB_BASE, STUB_REGIONS, STUB_REQUEST_PAGE};
  for (const uint64_t argument : kArguments) {
    ForAll(kLastNumber / step + 1, what, [&](int i) {
      const int number = i * step;
      if (!Harmless(number)) return;
      TryJump(CallWith(rip, number, argument));
      TryJump(CallWith(rip, number | kX32, argument));
    });
  }
}

// The guest's kernel answers, wherever the call comes from: where the answer can be
// seen it is the guest's own.
void AnswersOf(uint64_t instruction) {
  const Caught caught = TryJump(CallWith(instruction, SYS_getpid, 0));
  // Other code behind it (some are halves of other instructions) may have changed rax.
  const bool came_back = caught.signo == SIGILL && (caught.rip == instruction + 2 || caught.rip == Address(Landing));
  if (!came_back) return;
  shared->progress[1] = shared->progress[1] + 1;
  if (caught.rax != static_cast<uint64_t>(syscall(SYS_getpid))) {
    shared->breach = kHostAnswer;
  }
}

// What would be seen from outside: memory of the host's descriptor in the hole, a
// marker on the output, an end of others, the stub's own mappings.
void EffectsOf(uint64_t rip, int which) {
  const uint64_t text = reinterpret_cast<uint64_t>(marker);
  switch (which) {
    case 0:
      TryJump(CallAt(rip, SYS_mmap, kHole, 4096, 3, 0x11, STUB_FD_SMALL, 0));
      SleepMs(3);  // the watcher's turn
      break;
    case 1:
      TryJump(CallAt(rip, SYS_write, 1, text, sizeof(marker) - 1, 0, 0, 0));
      break;
    case 2:
      TryJump(CallAt(rip, SYS_write, 2, text, sizeof(marker) - 1, 0, 0, 0));
      break;
    case 3:
      TryJump(CallAt(rip, SYS_openat, -100, reinterpret_cast<uint64_t>("/etc/passwd"), 2, 0, 0, 0));
      close_range(0, 63, 0);  // the guest's kernel may well have opened it
      break;
    case 4:  // all that this user may: in the guest nobody, on the host all stubs
      if (setresuid(kNobody, kNobody, kNobody) == 0) TryJump(CallAt(rip, SYS_kill, -1, 9, 0, 0, 0, 0));
      break;
    case 5:
      TryJump(CallAt(rip, SYS_munmap, STUB_REQUEST_PAGE, 4096, 0, 0, 0, 0));
      if (!Readable(STUB_REQUEST_PAGE)) shared->breach = kKeeperPageLost;
      break;
    case 6:
      TryJump(CallAt(rip, SYS_mprotect, STUB_REQUEST_PAGE, 4096, 3, 0, 0, 0));
      if (Writable(STUB_REQUEST_PAGE)) shared->breach = kKeeperPageWritable;
      break;
    default:
      break;
  }
}
constexpr int kEffects = 7;

// Only the first two may reach the host: a wait that ends at once, and a wake.
void FutexOperation(int operation) {
  const uint64_t rip = STUB_BASE + STUB_FUTEX_IP_OFFSET - 2;
  TryJump(CallAt(rip, SYS_futex, STUB_REGIONS + REGION_TURN, operation, 77, 0, STUB_REGIONS + REGION_EVENT, 0));
}

}  // namespace

void AttackCalls(const Options& options) {
  std::vector<uint64_t> places = {Address(GuestSyscall), Address(GuestInt80), Address(GuestSysenter)};
  const pid_t finder = Spawn([] {
    CatchFaults();
    shared->progress[1] = SyscallInstructions().size();
  });
  EndsWithin(finder, 10000);
  const int found = static_cast<int>(shared->progress[1]);
  if (found < 8) return Fail("only %d syscall instructions in the stub's text", found);

  for (const uint64_t place : places) EveryNumber(place, 1, "a caller");
  const uint64_t fixed[] = {STUB_FUTEX_IP_OFFSET, STUB_SIGRETURN_IP_OFFSET, STUB_FORGET_IP_OFFSET, STUB_EXIT_IP_OFFSET};
  for (const uint64_t place : fixed) {
    // Behind the exit's `syscall` there is the exit again: each call costs a process.
    const int step = place == STUB_EXIT_IP_OFFSET ? 127 : 1;
    if (options.full || place == STUB_FUTEX_IP_OFFSET) EveryNumber(STUB_BASE + place - 2, step, "a caller in the stub");
  }
  shared->progress[1] = 0;
  ForAll(found, "a caller in the stub", [](int i) { AnswersOf(SyscallInstructions()[i]); });
  Note("%d syscall instructions, %lu answers seen", found, shared->progress[1]);
  if (shared->progress[1] < 3) Fail("no answers seen");
  ForAll((found + 3) * kEffects, "a caller", [&](int i) {
    const int place = i / kEffects;
    EffectsOf(place < 3 ? places[place] : SyscallInstructions()[place - 3], i % kEffects);
  });
  ForAll(512, "a caller of futex", FutexOperation);
}

}  // namespace stub_attacks
