// Hostile signal frames for the stub's own rt_sigreturn.
#include <unistd.h>

#include <array>
#include <vector>

#include "test/fault/stub/attacks.h"

namespace stub_attacks {
namespace {

constexpr uint64_t kNonCanonical = 0x800000000000;

[[noreturn]] void Spin() {
  while (true) asm volatile("pause");
}
// Comes to the sentry as often as it can.
[[noreturn]] void Call() {
  while (true) asm volatile("syscall" ::"a"(39) : "rcx", "r11", "memory");
}

alignas(64) std::array<uint64_t, 1024> fp_area;

void SpoilFp(Frame& frame, Random& random) {
  frame.fpstate = reinterpret_cast<uint64_t>(fp_area.data());
  for (uint64_t& word : fp_area) word = random.Below(3) == 0 ? random.Next() : random.Below(2) - 1;
  switch (random.Below(6)) {
    case 0:
      frame.fpstate += random.Below(64);
      break;
    case 1:
      frame.fpstate = random.Next();
      break;
    case 2:
      frame.fpstate = RegionAddress(0) + random.Below(STUB_REGION_SIZE);
      break;
    default:  // an image that claims to be a whole one, with any header
      fp_area[464 / 8] = 0x46505853 | uint64_t{2700} << 32;
      fp_area[464 / 8 + 1] = random.Next();
      fp_area[464 / 8 + 2] = random.Below(2) == 0 ? random.Next() : 2696;
      frame.flags = random.Below(8);
  }
}

void SpoilSelectors(Frame& frame, Random& random) {
  constexpr uint64_t kSome[] = {0, 3, 0x10, 0x18, 0x23, 0x2b, 0x33, 0x53, 0xffff, 0x7b, 0x73};
  frame.selectors = random.Pick(kSome) | random.Pick(kSome) << 16 | random.Pick(kSome) << 32 | random.Pick(kSome) << 48;
  frame.flags = random.Below(8);
}

void SpoilAddresses(Frame& frame, Random& random) {
  const uint64_t some[] = {0,
                           1,
                           kNonCanonical,
                           ~uint64_t{0},
                           ~uint64_t{0} << 47,
                           STUB_END,
                           STUB_BASE,
                           STUB_BASE + 7,
                           STUB_REQUEST_PAGE,
                           RegionAddress(0),
                           0xffffffffff600000,
                           RegionAddress(0) + 8192,
                           kNonCanonical - 1,
                           0x7fffdfffffff,
                           random.Next()};
  if (random.Below(2) == 0) frame.rip = random.Pick(some);
  if (random.Below(2) == 0) frame.rsp = random.Pick(some);
  frame.stack_sp = random.Pick(some);
  frame.stack_size = random.Pick(some);
  frame.stack_flags = random.Below(2) == 0 ? 0 : random.Next();
}

void SpoilFlags(Frame& frame, Random& random) { frame.eflags = random.Below(2) == 0 ? ~uint64_t{0} : random.Next(); }

void SpoilAll(Frame& frame, Random& random) {
  uint64_t* const words = reinterpret_cast<uint64_t*>(&frame);
  for (size_t i = 0; i < sizeof(frame) / 8; i++) words[i] = random.Next();
  if (random.Below(2) == 0) frame.rip = reinterpret_cast<uint64_t>(&Call);
  if (random.Below(2) == 0) frame.selectors = kSelectors;
  if (random.Below(2) == 0) frame.fpstate = 0;
}

constexpr uint64_t Bit(int signo) { return uint64_t{1} << (signo - 1); }

void Once(uint64_t seed) {
  Random random(seed);
  constexpr uint64_t kMasks[] = {0, ~uint64_t{0}, Bit(31), Bit(11), kSigUrgBit, Bit(31) | Bit(11) | kSigUrgBit};
  Frame frame = PlainFrame(random.Below(2) == 0 ? Spin : Call);
  frame.mask = random.Pick(kMasks);
  switch (random.Below(6)) {
    case 0:
      SpoilFp(frame, random);
      break;
    case 1:
      SpoilSelectors(frame, random);
      break;
    case 2:
      SpoilAddresses(frame, random);
      break;
    case 3:
      SpoilFlags(frame, random);
      break;
    case 4:
      SpoilAll(frame, random);
      break;
    default:
      // Only the mask is bad.
      break;
  }
  close_range(0, 2, 0);  // libc has words for what befalls it here
  Sigreturn(frame);
}

}  // namespace

void AttackFrames(const Options& options) {
  Random random(options.seed);
  constexpr int kBatch = 24;  // those that hang take the sentry's patience, all at once
  int died = 0, killed = 0;
  for (int batch = 0; batch < (options.full ? 60 : 4); batch++) {
    std::vector<Victim> victims;
    for (int i = 0; i < kBatch; i++) {
      const uint64_t seed = random.Next();
      victims.push_back({Spawn([=] { Once(seed); }), "a process with a hostile frame"});
    }
    SleepMs(200);
    std::erase_if(victims, [&](const Victim& victim) {
      const bool gone = EndsWithin(victim.pid, 0);
      died += gone;
      return gone;
    });
    killed += static_cast<int>(victims.size());
    KillAll(victims);
  }
  Note("%d died of their frame, %d were killed", died, killed);
  if (died == 0 || killed == 0) Fail("the frames come to nothing");
}

}  // namespace stub_attacks
