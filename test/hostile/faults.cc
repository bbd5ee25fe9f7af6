// Faults of ordinary instructions: addresses, alignment, arithmetic, and code that is not there.
#include <string.h>

#include <string>

#include "test/hostile/cases.h"
#include "test/hostile/layout.h"
#include "test/hostile/output.h"

namespace hostile {
namespace {

using namespace std::string_view_literals;

struct Access {
  const char* name;
  std::string_view code;
};

// Through rdi (or rsp, rbp: the stack segment).
constexpr Access kAccesses[] = {
    {"load", "\x48\x8b\x07"sv},
    {"store", "\x48\x89\x07"sv},
    {"add to", "\x48\x01\x07"sv},
    {"load byte", "\x8a\x07"sv},
    {"movaps", "\x0f\x28\x07"sv},
    {"movaps to", "\x0f\x29\x07"sv},
    {"movups", "\x0f\x10\x07"sv},
    {"vmovups ymm to", "\xc5\xfc\x11\x07"sv},
    {"fld", "\xdd\x07"sv},
    {"fstp", "\xdd\x1f"sv},
    {"cmpxchg16b", "\x48\x0f\xc7\x0f"sv},
    {"lock inc", "\xf0\xff\x07"sv},
    {"xchg", "\x87\x07"sv},
    {"clflush", "\x0f\xae\x3f"sv},
    {"prefetch", "\x0f\x18\x0f"sv},
    {"lea", "\x48\x8d\x07"sv},
    {"jmp", "\xff\xe7"sv},
    {"jmp via", "\xff\x27"sv},
    {"call", "\xff\xd7"sv},
    {"call via", "\xff\x17"sv},
    {"push of", "\xff\x37"sv},
    {"pop to", "\x8f\x07"sv},
    {"stosb", "\xaa"sv},
    {"lodsb", "\x48\x89\xfe\xac"sv},
    {"rep movsb", "\xf3\xa4"sv},
    {"fxsave", "\x0f\xae\x07"sv},
    {"fxrstor", "\x0f\xae\x0f"sv},
    {"ldmxcsr", "\x0f\xae\x17"sv},
    {"maskmovdqu", "\x66\x0f\xf7\xc1"sv},
    {"movntq", "\x48\x0f\xc3\x07"sv},
    {"rsp load", "\x48\x89\xfc\x48\x8b\x04\x24"sv},
    {"push", "\x48\x89\xfc\x50"sv},
    {"pop", "\x48\x89\xfc\x58"sv},
    {"ret", "\x48\x89\xfc\xc3"sv},
    {"call with rsp", "\x48\x89\xfc\xe8\x00\x00\x00\x00"sv},
    {"rbp store", "\x48\x89\xfd\x48\x89\x45\x00"sv},
    {"leave", "\x48\x89\xfd\xc9"sv},
    {"enter", "\x48\x89\xfc\xc8\x10\x00\x00"sv},
    {"pushf", "\x48\x89\xfc\x9c"sv},
    {"popf", "\x48\x89\xfc\x9d"sv},
    {"iretq", "\x48\x89\xfc\x48\xcf"sv},
};

// (0x7fffe0000000 is where a sandbox may end.)
constexpr uint64_t kPlaces[] = {
    kData + 0x100,
    kData + 0x104,
    kData + 0x101,
    kData + 2 * kPage - 4,
    kReadOnly,
    kReadOnly + 0xffc,
    kNone,
    kPastEnd,
    kPastEnd + 0xffc,
    kUnmapped,
    kData - 4,
    0,
    8,
    0xffff,
    0x7fff'dfff'e000,
    0x7fff'ffff'f000,
    0x7fff'ffff'fffc,
    0x8000'0000'0000,
    0xffff'7fff'ffff'fff8,
    0xffff'7fff'ffff'fffc,
    0xffff'8000'0000'0000,
    0xffff'ffff'8000'0000,
    0xffff'ffff'ffff'fff8,
    0xffff'ffff'ffff'ffff,
};

void FillPages() {
  memset(reinterpret_cast<void*>(kData), 0, 2 * kPage);
  memset(reinterpret_cast<void*>(kStack), 0, 4 * kPage);
  for (uint64_t at = kData; at < kData + 2 * kPage; at += 8) memcpy(reinterpret_cast<void*>(at), &at, 8);
}

void AccessAll(uint64_t flags) {
  InitMachine();
  for (const Access& access : kAccesses) {
    for (const uint64_t place : kPlaces) {
      // Noise: what it writes holds where x87 instructions were.
      const bool noise = access.name == "fxsave"sv;
      FillPages();
      State state = PlainState();
      state.regs.rdi = place;
      state.regs.rsi = kData + 0x300;
      state.regs.rcx = 0x20;
      state.regs.eflags |= flags;
      const Caught caught = TryCode(access.code, state);
      Say("%s %#lx: %s pages=%lx", access.name, place, Describe(state, caught).c_str(),
          noise ? 0 : HashPages(kData, 2, HashPages(kStack, 4)) & 0xffffffff);
    }
  }
}

struct Sum {
  const char* name;
  std::string_view code;
  uint64_t rax, rdx, rcx;
};
constexpr uint64_t kMin = uint64_t{1} << 63;

void Division(const Options&) {
  InitMachine();
  constexpr Sum kSums[] = {
      {"div by 0", "\x48\xf7\xf1"sv, 1, 0, 0},
      {"div too big", "\x48\xf7\xf1"sv, 0, 5, 5},
      {"idiv by 0", "\x48\xf7\xf9"sv, 1, 0, 0},
      {"idiv min by -1", "\x48\xf7\xf9"sv, kMin, ~uint64_t{0}, ~uint64_t{0}},
      {"idiv too big", "\x48\xf7\xf9"sv, 0, 1, 1},
      {"div ecx by 0", "\xf7\xf1"sv, 1, 0, 0},
      {"idiv ecx min", "\xf7\xf9"sv, 0x80000000, 0xffffffff, 0xffffffff},
      {"div cl by 0", "\xf6\xf1"sv, 1, 0, 0},
      {"div cl too big", "\xf6\xf1"sv, 0x500, 0, 5},
      {"idiv cl min", "\xf6\xf9"sv, 0xff80, 0, 0xff},
      {"div good", "\x48\xf7\xf1"sv, 100, 0, 7},
  };
  for (const Sum& sum : kSums) {
    State state = PlainState();
    state.regs.rax = sum.rax;
    state.regs.rdx = sum.rdx;
    state.regs.rcx = sum.rcx;
    Report(sum.name, state, TryCode(sum.code, state), kHideFlags);  // they are undefined
  }
}

// Each exception of x87 and SSE alone, unmasked: 0 invalid, 1 denormal, 2 zero divide, 3 overflow, 4 underflow, 5
// precision.
void FloatingPoint(const Options&) {
  InitMachine();
  struct Operation {
    const char* name;
    std::string_view code;
    double a, b;
  };
  const double denormal = 4.9406564584124654e-324, big = 1e308, small = 1e-308;
  const Operation kOperations[] = {
      {"0/0", "\xf2\x0f\x5e\xc1"sv, 0, 0},         {"1/0", "\xf2\x0f\x5e\xc1"sv, 1, 0},
      {"big*big", "\xf2\x0f\x59\xc1"sv, big, big}, {"small*small", "\xf2\x0f\x59\xc1"sv, small, small},
      {"1/3", "\xf2\x0f\x5e\xc1"sv, 1, 3},         {"denormal", "\xf2\x0f\x58\xc1"sv, denormal, 1},
      {"sqrt(-1)", "\xf2\x0f\x51\xc0"sv, -1, 0},   {"cvt big", "\xf2\x48\x0f\x2d\xc0"sv, big, 0},
  };
  for (const Operation& operation : kOperations) {
    for (int unmasked = -1; unmasked < 6; unmasked++) {
      State state = PlainState();
      state.set_fpu = true;
      state.fpu.fcw = 0x37f;
      state.fpu.mxcsr = 0x1f80 & ~(unmasked < 0 ? 0 : 0x80u << unmasked);
      memcpy(state.fpu.xmm[0], &operation.a, 8);
      memcpy(state.fpu.xmm[1], &operation.b, 8);
      const Caught caught = TryCode(operation.code, state);
      Say("%s, unmasked %d: %s mx=%x", operation.name, unmasked, Describe(state, caught).c_str(), caught.fpu.mxcsr);
    }
  }
  // x87: the exception comes with the next instruction that waits.
  struct Waiting {
    const char* name;
    std::string_view code;
  };
  constexpr Waiting kWaiting[] = {
      {"fldz fdiv fwait", "\xd9\xe8\xd9\xee\xd8\xf9\xd8\xf1\x9b"sv},
      {"fld1 fldz fdivp fwait", "\xd9\xe8\xd9\xee\xde\xf9\x9b"sv},
      {"fldz fldz fdivp fwait", "\xd9\xee\xd9\xee\xde\xf9\x9b"sv},
      {"fld1 fldpi fdivp fwait", "\xd9\xe8\xd9\xeb\xde\xf9\x9b"sv},
      {"fsqrt -1 fwait", "\xd9\xe8\xd9\xe0\xd9\xfa\x9b"sv},
      {"stack underflow", "\xdd\xd8\xdd\xd8\x9b"sv},
      {"pending, fnop", "\xd9\xe8\xd9\xee\xde\xf9\x90\xd9\xd0"sv},
      {"pending, movq mm", "\xd9\xe8\xd9\xee\xde\xf9\x0f\x6f\xc0"sv},
      {"pending, emms", "\xd9\xe8\xd9\xee\xde\xf9\x0f\x77"sv},
      {"pending, fnclex", "\xd9\xe8\xd9\xee\xde\xf9\xdb\xe2\x9b"sv},
      {"pending, fninit", "\xd9\xe8\xd9\xee\xde\xf9\xdb\xe3\x9b"sv},
  };
  for (const Waiting& waiting : kWaiting) {
    for (int unmasked = -1; unmasked < 6; unmasked++) {
      State state = PlainState();
      state.set_fpu = true;
      state.fpu.fcw = 0x37f & ~(unmasked < 0 ? 0 : 1u << unmasked);
      state.fpu.mxcsr = 0x1f80;
      const Caught caught = TryCode(waiting.code, state);
      Say("%s, unmasked %d: %s cw=%x sw=%x tw=%x", waiting.name, unmasked, Describe(state, caught).c_str(),
          caught.fpu.fcw, caught.fpu.fsw, caught.fpu.ftw);
    }
  }
}

// Code at the end of a page, with the next one missing, and in pages of all kinds.
void CodeEdges(const Options&) {
  InitMachine();
  struct Piece {
    const char* name;
    std::string_view code;
  };
  constexpr Piece kPieces[] = {
      {"nop", "\x90"sv},
      {"mov imm64", "\x48\xb8\x01\x02\x03\x04\x05\x06\x07\x08"sv},
      {"long nop", "\x66\x0f\x1f\x84\x00\x00\x00\x00\x00"sv},
      {"ud2", "\x0f\x0b"sv},
      {"hlt", "\xf4"sv},
      {"int3", "\xcc"sv},
      {"int 0x81", "\xcd\x81"sv},
      {"load", "\x48\x8b\x07"sv},
      {"jmp", "\xeb\x00"sv},
      {"15 prefixes", "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66"sv},
      {"16 prefixes", "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66"sv},
  };
  for (const Piece& piece : kPieces) {
    for (size_t inside = 1; inside <= piece.code.size(); inside++) {
      State state = PlainState();
      state.regs.rdi = kData;
      const size_t offset = 2 * kPage - inside;
      const Caught caught = TryCode(piece.code.substr(0, inside), state, offset);
      state.regs.rip = kScratchCode + offset;
      Report(Format("%s, %zu bytes there", piece.name, inside), state, caught);
    }
  }
  for (const uint64_t place : kPlaces) {
    State state = PlainState();
    state.regs.rip = place;
    Report(Format("at %#lx", place), state, EnterBySigreturn(state));
    state.regs.eflags |= 0x100;
    Report(Format("at %#lx, TF", place), state, EnterBySigreturn(state));
  }
}

constexpr Case kCases[] = {
    {"accesses", [](const Options&) { AccessAll(0); }},
    {"accesses_aligned", [](const Options&) { AccessAll(0x40000); }},
    {"accesses_down", [](const Options&) { AccessAll(0x400); }},
    {"accesses_stepped", [](const Options&) { AccessAll(0x100); }},
    {"division", Division},
    {"floating_point", FloatingPoint},
    {"code_edges", CodeEdges},
};

}  // namespace

std::span<const Case> FaultCases() { return kCases; }

}  // namespace hostile
