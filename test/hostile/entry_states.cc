// Random states of the whole machine: what is entered, and what comes of it. A seed gives
// the same line on every kernel that is Linux.
#include <signal.h>

#include <string>

#include "test/hostile/cases.h"
#include "test/hostile/layout.h"
#include "test/hostile/output.h"
#include "test/hostile/states.h"

namespace hostile {
namespace {

std::string HashOfFpu(const Caught& caught) {
  const uint64_t legacy = Hash(&caught.fpu, sizeof(caught.fpu));
  return Format("%lx", Hash(&caught.ymm, sizeof(caught.ymm), legacy) & 0xffffffff);
}

void RunSeed(uint64_t seed, unsigned features) {
  Random random(seed * 16 + features);
  bool noise = false;
  FillPages(random);
  const State state = RandomState(random, features, noise);
  const Caught caught = (features & kWithDirect) != 0 ? EnterDirectly(state) : EnterBySigreturn(state);
  if (caught.signo == SIGALRM || caught.signo == kLost) {
    Say("%lu: from=%#lx %s", seed, state.regs.rip, Describe(state, caught).c_str());
    return;
  }
  uint64_t pages = 0;
  if (!noise) {
    for (const uint64_t at : {kData, kStack, kStack + 2 * kPage}) pages = HashPages(at, 2, pages);
    pages = HashPages(kShared, 1, pages);
  }
  // Of all, and of rip as itself, for what failed may be far from where it began.
  State from_zero = state;
  from_zero.regs.rip = 0;
  Say("%lu: from=%#lx %s fpu=%s mx=%x,%x,%x pages=%lx", seed, state.regs.rip, Describe(from_zero, caught).c_str(),
      HashOfFpu(caught).c_str(), caught.fpu.mxcsr, caught.fpu.fcw, caught.fpu.fsw, pages & 0xffffffff);
}

void Run(const Options& options, unsigned features) {
  InitMachine();
  WriteSnippets();
  const uint64_t count = options.count != 0 ? options.count : options.full ? 10000 : 500;
  for (uint64_t seed = options.first; seed < options.first + count; seed++) RunSeed(seed, features);
}

constexpr Case kCases[] = {
    {"entry_states", [](const Options& o) { Run(o, kPlain); }},
    {"entry_states_direct", [](const Options& o) { Run(o, kWithDirect); }},
    {"entry_states_bases", [](const Options& o) { Run(o, kWithBases); }},
    {"entry_states_selectors", [](const Options& o) { Run(o, kWithSelectors | kWithBases); }},
};

}  // namespace

std::span<const Case> EntryStateCases() { return kCases; }

}  // namespace hostile
