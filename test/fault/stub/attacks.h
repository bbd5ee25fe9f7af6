// Attacks on the systrap platform from inside of it. An attack runs in a process that
// stays honest and forks the hostile ones; a witness runs beside it. What an attack
// found to be wrong it tells by Fail.
#ifndef TEST_FAULT_STUB_ATTACKS_H_
#define TEST_FAULT_STUB_ATTACKS_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "platform/systrap/region.h"

namespace stub_attacks {

struct Options {
  bool full = false;
  uint64_t seed = 1;
};

void AttackArea(const Options& options);       // area.cc
void AttackOverwrite(const Options& options);  // area.cc
void AttackForge(const Options& options);      // forge.cc
void AttackEscape(const Options& options);     // escape.cc
void AttackFrames(const Options& options);     // frames.cc
void AttackJumps(const Options& options);      // jumps.cc
void AttackCalls(const Options& options);      // calls.cc
void AttackMappings(const Options& options);   // mappings.cc
void AttackKeeper(const Options& options);     // keeper.cc
void AttackThreads(const Options& options);    // threads.cc

// --- Honest side (util.cc) ------------------------------------------------------------

enum Breach : uint32_t { kHostMapping = 1, kHostAnswer, kKeeperPageLost, kKeeperPageWritable, kNoAttack };
// Shared by all processes of the program.
struct Shared {
  volatile uint32_t stop;     // tells the witness to end
  volatile uint32_t rounds;   // the witness's
  volatile uint32_t slowest;  // its slowest one, in ms
  volatile uint32_t breach;   // a hostile process got what no guest may have: a Breach
  volatile uint64_t progress[8];
};
extern Shared* shared;

[[gnu::format(printf, 1, 2)]] void Fail(const char* format, ...);
[[gnu::format(printf, 1, 2)]] void Note(const char* format, ...);
bool Failed();

uint64_t NowMs();
void SleepMs(int ms);
pid_t Spawn(const std::function<void()>& body);  // exits 0 behind it
// Waits for it; false: it lives on. Polls, since a hostile process may never end.
bool EndsWithin(pid_t pid, int ms, int* status = nullptr);
void KillGroup(pid_t pid);
struct Victim {
  pid_t pid;
  const char* what;
};
// Kills them, all at once; each that does not go in time is a failure.
void KillAll(std::span<const Victim> victims);
inline void Kill(pid_t pid, const char* what) {
  const Victim victim = {pid, what};
  KillAll({&victim, 1});
}
inline constexpr int kMsToDie = 8000;
// Time for `body` in a process of its own, and then its end.
void RunFor(int ms, const char* what, const std::function<void()>& body);
pid_t StartThread(void (*body)(void*), void* argument);  // of a hostile process; never joined

// The same numbers from the same seed.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}
  uint64_t Next();
  uint64_t Below(uint64_t bound) { return Next() % bound; }
  uint64_t Pick(std::span<const uint64_t> from) { return from[Below(from.size())]; }

 private:
  uint64_t state_;
};

// --- Hostile side (hostile.cc) --------------------------------------------------------

// Takes the faults of this process from now on, so that Try can come back from them.
void CatchFaults();
struct Caught {
  int signo = 0;  // 0: it came back by itself
  uint64_t rip = 0, rax = 0;
};
Caught Try(const std::function<void()>& body);
bool Readable(uint64_t address);
bool Writable(uint64_t address);  // writes back what it finds

struct JumpRegisters {
  uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15, rip;
};
extern "C" [[noreturn]] void Jump(const JumpRegisters* registers);
extern "C" void Landing();  // where a jump may come out: raises SIGILL
Caught TryJump(const JumpRegisters& registers);
uint64_t ScratchStack();  // its top
// The host's futex, which guest threads may call by the stub's instruction.
void HostFutex(const volatile void* word, uint64_t operation, uint64_t value);

struct Range {
  uint64_t begin, end;
};
// What of the stub area can be written, without looking for it page by page (area.cc does).
std::vector<Range> WritableRanges();
std::vector<uint64_t> SyscallInstructions();  // all 0f 05 in the stub's text
uint64_t TextEnd();

inline uint64_t RegionAddress(int thread) { return STUB_REGIONS + uint64_t{STUB_REGION_SIZE} * thread; }
inline platform::systrap::RegionWords& Region(int thread) {
  return *reinterpret_cast<platform::systrap::RegionWords*>(RegionAddress(thread) + REGION_WORDS);
}

// A signal frame for the stub's rt_sigreturn.
struct Frame {
  uint64_t flags, link, stack_sp, stack_flags, stack_size;
  uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
  uint64_t selectors, error_code, trap_number, old_mask, cr2, fpstate;
  uint64_t reserved[8];
  uint64_t mask;
  uint64_t info[16];
};
static_assert(offsetof(Frame, rip) == UC_RIP && offsetof(Frame, fpstate) == UC_FPSTATE &&
              offsetof(Frame, info) == UC_SIGINFO);
inline constexpr uint64_t kSelectors = 0x33 | uint64_t{0x2b} << 48;
inline constexpr uint64_t kSigUrgBit = 1 << 22;
Frame PlainFrame(void (*code)());
[[noreturn]] void Sigreturn(const Frame& frame);
// Goes on in `code`, which may not return, with these signals blocked for the host.
[[noreturn]] void RunWithMask(uint64_t mask, void (*code)());

// A page at kHole is mapped by the host only: the guest's own calls can't do it, as
// they name a descriptor that the guest has not. Watch tells Shared::breach.
inline constexpr uint64_t kHole = 0x123400000000;
void WatchHole();

}  // namespace stub_attacks

#endif  // TEST_FAULT_STUB_ATTACKS_H_
