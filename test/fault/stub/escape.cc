// Threads that the sentry's kick does not reach, each with its own way to keep the
// sentry waiting for them. They must still die when their process is killed.
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "test/fault/stub/attacks.h"

namespace stub_attacks {
namespace {

platform::systrap::RegionWords& Own() { return Region(0); }

[[noreturn]] void Spin() {
  while (true) asm volatile("pause");
}

// Neither the sentry's turn nor the guest's: a wait for it would end at once.
[[noreturn]] void StrangeTurn() {
  Own().turn = 2;
  Spin();
}

[[noreturn]] void ChangingTurn() {
  for (uint32_t i = 0;; i++) Own().turn = i % 2 == 0 ? 0 : i | 2;
}

// Gives the turn for ever, with `event` and what it says of itself.
[[noreturn]] void Report(uint32_t event, uint32_t code) {
  Frame* const frame = reinterpret_cast<Frame*>(RegionAddress(0) + 1024);
  while (true) {
    frame->info[1] = code;  // si_code
    Own().frame = RegionAddress(0) + 1024;
    Own().event = event;
    Own().turn = 1;
    while (Own().turn == 1) asm volatile("pause");
  }
}
[[noreturn]] void SignalsOfTheHost() { Report(SIGSEGV, 0); }
[[noreturn]] void UnknownSignals() { Report(64, 1); }
[[noreturn]] void OwnKicks() { Report(SIGURG, 0); }

// A call that ends the thread, and then does not end.
[[noreturn]] void CallOfExit() {
  Frame* const frame = reinterpret_cast<Frame*>(RegionAddress(0) + 1024);
  frame->rax = SYS_exit;
  frame->info[1] = 1;  // SYS_SECCOMP
  frame->info[3] = SYS_exit | uint64_t{0xc000003e} << 32;
  Own().frame = RegionAddress(0) + 1024;
  Own().event = SIGSYS;
  Own().turn = 1;
  Spin();
}

// Waits in the host's futex, on a word that nobody wakes.
[[noreturn]] void WaitForNobody() {
  static uint32_t word;
  while (true) HostFutex(&word, FUTEX_WAIT, 0);
}

// Wakes the sentry's wait for the turn all the time.
[[noreturn]] void WakeSentry() {
  while (true) HostFutex(&Own().turn, FUTEX_WAKE, 1);
}

// The host's own exit, behind the sentry's back.
[[noreturn]] void HostExit() {
  JumpRegisters registers = {};
  registers.rip = STUB_BASE + STUB_THREAD_EXIT_OFFSET;
  Jump(&registers);
}

// --- A new thread, taken over by a sibling before the sentry has seen it ---

std::array<char, 4096> stolen_stack;

constexpr int kNewThreads = 16;

// Takes each turn that a new thread gives, so that it runs in our code, unreachable. Its
// own region is among these, but it makes no calls.
[[noreturn]] void Steal() {
  for (int thread = 1;; thread = thread % kNewThreads + 1) {
    platform::systrap::RegionWords& words = Region(thread);
    if (words.turn != 1) continue;
    const uint64_t offset = words.frame - RegionAddress(thread);
    if (offset > REGION_WORDS - sizeof(Frame)) continue;
    Frame* const frame = reinterpret_cast<Frame*>(RegionAddress(thread) + offset);
    frame->rip = reinterpret_cast<uint64_t>(&Spin);
    frame->rsp = reinterpret_cast<uint64_t>(stolen_stack.data()) + stolen_stack.size() - 8;
    frame->mask = kSigUrgBit;
    words.command = COMMAND_RESUME;
    words.turn = 0;
  }
}

void StealStarts() {
  // The regions are there, and free again, before the thief has one of them.
  for (int i = 0; i < kNewThreads; i++) {
    StartThread(
        [](void*) {
          usleep(100000);
          syscall(SYS_exit, 0);
        },
        nullptr);
  }
  usleep(150000);
  CatchFaults();
  if (!Readable(RegionAddress(kNewThreads))) shared->breach = kNoAttack;
  StartThread([](void*) { Steal(); }, nullptr);
  for (int i = 1; i < kNewThreads; i++) StartThread([](void*) { pause(); }, nullptr);
  Spin();
}

struct Way {
  const char* name;
  void (*code)();
};
constexpr Way kWays[] = {
    {"spin", Spin},
    {"strange turn", StrangeTurn},
    {"changing turn", ChangingTurn},
    {"signals of the host", SignalsOfTheHost},
    {"unknown signals", UnknownSignals},
    {"own kicks", OwnKicks},
    {"call of exit", CallOfExit},
    {"host futex", WaitForNobody},
    {"wakes", WakeSentry},
    {"host exit", HostExit},
};

}  // namespace

void AttackEscape(const Options& options) {
  for (int round = 0; round < (options.full ? 10 : 1); round++) {
    std::vector<Victim> victims;
    for (const Way& way : kWays) {
      // All signals blocked, and only the kick: faults still reach the handler then.
      for (const uint64_t mask : {~uint64_t{0}, kSigUrgBit}) {
        victims.push_back({Spawn([&] { RunWithMask(mask, way.code); }), way.name});
      }
    }
    // The sentry's patience is the same for all.
    SleepMs(200);
    KillAll(victims);
    // Alone, and again: the thief must be faster than the sentry.
    for (int i = 0; i < 2; i++) {
      const pid_t pid = Spawn(StealStarts);
      SleepMs(500);
      Kill(pid, "stolen start");
    }
  }
}

}  // namespace stub_attacks
