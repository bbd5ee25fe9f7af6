// Instructions by number: each `int n`, each opcode of the one- and two-byte maps; and those
// that tell of tables.
#include <string.h>

#include <string>
#include <string_view>

#include "test/hostile/cases.h"
#include "test/hostile/layout.h"
#include "test/hostile/output.h"

namespace hostile {
namespace {

using namespace std::string_view_literals;

struct Instruction {
  const char* name;
  std::string_view code;
};

// Tables and status words: refused with UMIP on a bare processor, emulated by Linux, or
// given. What they tell is the machine's; that they do the same each time is ours.
void Umip(const Options&) {
  InitMachine();
  constexpr Instruction kReads[] = {
      {"sgdt", "\x0f\x01\x07"sv},  {"sidt", "\x0f\x01\x0f"sv},   {"sldt", "\x0f\x00\xc0"sv},
      {"str", "\x0f\x00\xc8"sv},   {"smsw", "\x0f\x01\xe0"sv},   {"sldt m", "\x0f\x00\x07"sv},
      {"str m", "\x0f\x00\x0f"sv}, {"smsw m", "\x0f\x01\x27"sv},
  };
  for (const Instruction& i : kReads) {
    const State state = PointingState();
    const Caught caught = TryCode(i.code, state);
    Say("%s: %s", i.name, Ran(caught, i.code.size()) ? "ran" : "refused");
  }
  // Into pages that can't be written, the emulation faults like the instruction.
  for (const uint64_t at : {kReadOnly, kNone, kUnmapped, uint64_t{0x8000'0000'0000'0000}}) {
    State state = PointingState();
    state.regs.rdi = at;
    const Caught caught = TryCode("\x0f\x01\x07"sv, state);
    Say("sgdt at %#lx: sig=%d", at, caught.signo);
  }
}

// Every `int n`, but those that are calls of another ABI.
void Interrupts(const Options&) {
  InitMachine();
  Ranges ranges("int");
  for (int n = 0; n < 256; n++) {
    State state = PointingState();
    const char code[] = {'\xcd', static_cast<char>(n)};
    if (n == 0x80) {
      // i386's entry: natively it may exist. No i386 call has this number.
      state.regs.rax = 0xffff;
      const Caught caught = TryCode({code, 2}, state);
      const bool enosys = Ran(caught, 2) && caught.regs.rax == static_cast<uint64_t>(-38);
      const bool refused = caught.signo == 11 && caught.code == 0x80 && caught.regs.rip == kScratchCode;
      ranges.Add(n, enosys || refused ? "no such call" : Describe(state, caught));
      continue;
    }
    ranges.Add(n, Describe(state, TryCode({code, 2}, state)));
  }
}

// Every opcode of a map, by a single step.
void TryOpcode(Ranges& ranges, uint64_t number, std::string_view code) {
  State state = PointingState();
  state.regs.rax = kData + 0x400;
  state.regs.eflags |= 0x100;
  for (const uint64_t at : {kData, kData + kPage}) memset(reinterpret_cast<void*>(at), 0, 64);
  PutCode(code);
  ranges.Add(number, Describe(state, EnterBySigreturn(state), kHideRegisters | kHideFlags));
}

bool IsCall(uint8_t first, uint8_t second, uint8_t modrm) {
  if (first != 0x0f) return first == 0xcd || first == 0x9a || first == 0xea;
  if (second == 0x05 || second == 0x34) return true;
  return second == 0x01 && (modrm == 0xc1 || modrm == 0xd9);
}

void Opcodes(const Options& options) {
  InitMachine();
  Ranges ranges("op");
  const int modrm_step = options.full ? 1 : 37;
  for (int first = 0; first < 256; first++) {
    if (first == 0x0f) continue;
    const char code[] = {static_cast<char>(first), '\x07', 0, 0, 0, 0, 0, 0, 0, 0};
    if (!IsCall(first, 0, 0)) TryOpcode(ranges, first, {code, sizeof(code)});
  }
  for (int second = 0; second < 256; second++) {
    for (int modrm = second % modrm_step; modrm < 256; modrm += modrm_step) {
      const char code[] = {'\x0f', static_cast<char>(second), static_cast<char>(modrm), 0, 0, 0, 0, 0, 0, 0};
      // mwaitx may sleep, rdtsc and the like only hide their results.
      if (IsCall(0x0f, second, modrm) || (second == 1 && (modrm == 0xfa || modrm == 0xfb))) continue;
      TryOpcode(ranges, 0x0f'00'00 | second << 8 | modrm, {code, sizeof(code)});
    }
  }
}

constexpr Case kCases[] = {
    {"umip", Umip},
    {"interrupts", Interrupts},
    {"opcodes", Opcodes},
};

}  // namespace

std::span<const Case> OpcodeCases() { return kCases; }

}  // namespace hostile
