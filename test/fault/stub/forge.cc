// A thread writes the words that others exchange with the sentry, and their frames.
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/fault/stub/attacks.h"

namespace stub_attacks {
namespace {

constexpr int kRegions = 4;
constexpr uint64_t kFrameRoom = REGION_WORDS - sizeof(Frame);

constexpr int kKinds = 14;

uint64_t forge_seed;
// Which kinds of words this process forges: some end it so soon that the others would
// never be tried.
uint64_t forge_kinds;

uint64_t AnyAddress(Random& random, int thread) {
  const uint64_t values[] = {0,
                             ~uint64_t{0},
                             uint64_t{1} << 63,
                             STUB_BASE + random.Below(4096),
                             RegionAddress(thread) + random.Below(STUB_REGION_SIZE),
                             RegionAddress(thread) + (random.Below(kFrameRoom) & ~uint64_t{7}),
                             RegionAddress(thread) + kFrameRoom,
                             RegionAddress(thread) + STUB_REGION_SIZE,
                             STUB_REQUEST_PAGE,
                             STUB_END,
                             0x7fffdffff000,
                             reinterpret_cast<uint64_t>(&forge_seed),
                             random.Next()};
  return random.Pick(values);
}

uint32_t AnySignal(Random& random) {
  constexpr uint64_t kSignals[] = {SIGSYS, SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGURG, SIGKILL, 0, 64, ~0u};
  return static_cast<uint32_t>(random.Pick(kSignals));
}

// One word, or some of the frame that the region names.
void ForgeOnce(Random& random, int thread) {
  platform::systrap::RegionWords& words = Region(thread);
  const uint32_t small = static_cast<uint32_t>(random.Below(4));
  const uint64_t kind = random.Below(kKinds);
  if ((forge_kinds >> kind & 1) == 0) return;
  switch (kind) {
    case 0:
    case 1:
    case 2:
      words.turn = small;
      break;
    case 3:
      words.sentry_sleeps = small;
      break;
    case 4:
      words.stub_sleeps = small;
      break;
    case 5:
      words.kick = small;
      break;
    case 6:
      words.command = small;
      break;
    case 7:
      words.event = AnySignal(random);
      break;
    case 8:
      words.spin = static_cast<uint32_t>(random.Next());
      break;
    case 9:
      words.frame = AnyAddress(random, thread);
      break;
    case 10:
      words.fs_base = AnyAddress(random, thread);
      break;
    case 11:
      words.gs_base = AnyAddress(random, thread);
      break;
    case 12:
      *reinterpret_cast<volatile uint32_t*>(RegionAddress(thread) + random.Below(STUB_REGION_SIZE) / 4 * 4) = small;
      break;
    default: {
      const uint64_t offset = words.frame.load() - RegionAddress(thread);
      if (offset > kFrameRoom) break;
      uint64_t* const frame = reinterpret_cast<uint64_t*>(RegionAddress(thread) + (offset & ~uint64_t{7}));
      frame[random.Below(sizeof(Frame) / 8)] = AnyAddress(random, thread);
    }
  }
}

[[noreturn]] void Forge(void*) {
  Random random(forge_seed);
  forge_kinds = random.Next();
  while (true) {
    for (int i = 0; i < 64; i++) {
      // Its own too, while it is in no call: the sentry then acts for it.
      const int thread = static_cast<int>(random.Below(kRegions));
      if (Readable(RegionAddress(thread))) ForgeOnce(random, thread);
    }
    for (uint64_t n = random.Below(20000); n > 0; n--) asm volatile("pause");
  }
}

void CallForever(void*) {
  for (int i = 0;; i++) {
    syscall(SYS_getppid);
    if (i % 16 == 0) syscall(SYS_sched_yield);
    if (i % 64 == 0) StartThread([](void*) { syscall(SYS_exit, 0); }, nullptr);
  }
}

void Hostile(uint64_t seed) {
  CatchFaults();
  close_range(0, 2, 0);  // libc has words for what befalls it here
  forge_seed = seed;
  // The regions of threads that have ended stay mapped: three of other threads.
  for (int i = 0; i < kRegions - 2; i++)
    StartThread(
        [](void*) {
          usleep(20000);
          syscall(SYS_exit, 0);
        },
        nullptr);
  StartThread(CallForever, nullptr);
  // A thread's region may be mapped when it first runs, which a loaded host puts off.
  for (int i = 0; i < 1000 && !Readable(RegionAddress(1)); i++) usleep(100);
  if (!Readable(RegionAddress(1))) shared->breach = kNoAttack;
  Forge(nullptr);
}

}  // namespace

void AttackForge(const Options& options) {
  Random random(options.seed);
  for (int round = 0; round < (options.full ? 300 : 12); round++) {
    const uint64_t seed = random.Next();
    RunFor(200 + static_cast<int>(random.Below(300)), "forger", [=] { Hostile(seed); });
  }
}

}  // namespace stub_attacks
