// Far transfers at CPL 3: iret, retf, far jumps and calls, with selectors and places of all kinds.
#include <string.h>

#include <iterator>
#include <string>
#include <vector>

#include "test/hostile/cases.h"
#include "test/hostile/layout.h"
#include "test/hostile/output.h"

namespace hostile {
namespace {

using namespace std::string_view_literals;

constexpr uint64_t kTarget = kScratchCode + 0x800;  // int3 there

// 0x23 is a 32-bit code segment natively: a sandbox has none (README.md).
bool Is32Bit(uint64_t selector) { return (selector & ~uint64_t{3}) == 0x20; }

std::vector<uint16_t> Selectors(bool full) {
  std::vector<uint16_t> list;
  const int end = full ? 0x400 : 0x90;
  for (int i = 0; i < end; i++) list.push_back(static_cast<uint16_t>(i));
  for (int i : {0x3ff, 0x400, 0xff8, 0xfff, 0x1000, 0x7ff8, 0x8000, 0xfff3, 0xfff8, 0xfffb, 0xffff}) {
    list.push_back(static_cast<uint16_t>(i));
  }
  return list;
}

constexpr uint64_t kPlaces[] = {kTarget,
                                kData,
                                kUnmapped,
                                0x8000'0000'0000,
                                0xffff'7fff'ffff'ffff,
                                0xffff'8000'0000'0000,
                                ~uint64_t{0},
                                0x7fff'ffff'f000u,
                                uint64_t{1} << 63};

void PutTarget() { memset(reinterpret_cast<void*>(kScratchCode), 0xcc, kPage); }

State WithStack(std::initializer_list<uint64_t> words) {
  State state = PlainState();
  state.regs.rdi = kData + 0x100;
  memcpy(reinterpret_cast<void*>(kStackTop), std::data(words), words.size() * 8);
  return state;
}

constexpr std::string_view kIretq = "\x48\xcf"sv, kIretd = "\xcf"sv, kIretw = "\x66\xcf"sv;

std::string Iret(std::string_view code, uint64_t rip, uint64_t cs, uint64_t flags, uint64_t rsp, uint64_t ss) {
  const State state = WithStack({rip, cs, flags, rsp, ss});
  return Describe(state, TryCode(code, state));
}

void IretSelectors(const Options& options) {
  InitMachine();
  PutTarget();
  Ranges cs_ranges("iretq cs"), ss_ranges("iretq ss");
  for (const uint16_t selector : Selectors(options.full)) {
    if (!Is32Bit(selector)) cs_ranges.Add(selector, Iret(kIretq, kTarget, selector, 0x202, kStackTop, 0x2b));
  }
  for (const uint16_t selector : Selectors(options.full)) {
    ss_ranges.Add(selector, Iret(kIretq, kTarget, 0x33, 0x202, kStackTop, selector));
  }
}

void IretFrames(const Options&) {
  InitMachine();
  PutTarget();
  for (const uint64_t rip : kPlaces) {
    Say("iretq to %#lx: %s", rip, Iret(kIretq, rip, 0x33, 0x202, kStackTop, 0x2b).c_str());
    Say("iretq to %#lx, bad ss: %s", rip, Iret(kIretq, rip, 0x33, 0x202, kStackTop, 0x18).c_str());
    Say("iretq to %#lx, bad cs: %s", rip, Iret(kIretq, rip, 0x10, 0x202, kStackTop, 0x2b).c_str());
  }
  for (const uint64_t rsp : kPlaces) {
    Say("iretq, rsp %#lx: %s", rsp, Iret(kIretq, kTarget, 0x33, 0x202, rsp, 0x2b).c_str());
  }
  for (int bit = 0; bit < 64; bit++) {
    Say("iretq, flag %d: %s", bit, Iret(kIretq, kTarget, 0x33, 0x202 ^ uint64_t{1} << bit, kStackTop, 0x2b).c_str());
  }
  Say("iretq, all flags: %s", Iret(kIretq, kTarget, 0x33, ~uint64_t{0}, kStackTop, 0x2b).c_str());
  Say("iretq, no flags: %s", Iret(kIretq, kTarget, 0x33, 0, kStackTop, 0x2b).c_str());
  // Narrow frames: what is read as what.
  Say("iretd: %s", Iret(kIretd, kTarget, 0x33, 0x202, kStackTop, 0x2b).c_str());
  Say("iretw: %s", Iret(kIretw, kTarget, 0x33, 0x202, kStackTop, 0x2b).c_str());
  for (const uint64_t rsp :
       {kUnmapped, kStack + 4 * kPage - 8, kStack + 4 * kPage - 32, kNone, uint64_t{0}, uint64_t{0x8000'0000'0000},
        uint64_t{0x7fff'ffff'ffff}, uint64_t{0xffff'8000'0000'0000}, ~uint64_t{7}}) {
    State state = PlainState();
    state.regs.rsp = rsp;
    Report(Format("iretq from %#lx", rsp), state, TryCode(kIretq, state));
    Report(Format("retfq from %#lx", rsp), state, TryCode("\x48\xcb"sv, state));
  }
  // NT: no task to go back to in long mode.
  State state = WithStack({kTarget, 0x33, 0x202, kStackTop, 0x2b});
  state.regs.eflags |= 0x4000;
  PutCode(kIretq);
  Report("iretq, NT", state, EnterDirectly(state));
}

void Retf(const Options& options) {
  InitMachine();
  PutTarget();
  for (const std::string_view code : {"\x48\xcb"sv, "\xcb"sv, "\x66\xcb"sv}) {
    const std::string name = Format("retf%zu cs", code.size() == 1 ? 4 : code[0] == 0x48 ? size_t{8} : 2);
    Ranges ranges(name);
    for (const uint16_t selector : Selectors(options.full && code[0] == 0x48)) {
      if (Is32Bit(selector)) continue;
      const State state = code[0] == 0x48 ? WithStack({kTarget, selector, kStackTop, 0x2b})
                                          : WithStack({(uint64_t{selector} << 32) | static_cast<uint32_t>(kTarget),
                                                       (uint64_t{0x2b} << 32) | static_cast<uint32_t>(kStackTop)});
      ranges.Add(selector, Describe(state, TryCode(code, state)));
    }
  }
  for (const uint64_t rip : kPlaces) {
    const State state = WithStack({rip, 0x33, kStackTop, 0x2b});
    Report(Format("retfq to %#lx", rip), state, TryCode("\x48\xcb"sv, state));
    Report(Format("retfq 16 to %#lx", rip), state, TryCode("\x48\xca\x10\x00"sv, state));
  }
}

// Through memory at rdi: offset of `width` bytes, then the selector.
std::string FarVia(std::string_view code, size_t width, uint64_t target, uint16_t selector) {
  const State state = WithStack({0, 0});
  memcpy(reinterpret_cast<void*>(state.regs.rdi), &target, width);
  memcpy(reinterpret_cast<void*>(state.regs.rdi + width), &selector, 2);
  return Describe(state, TryCode(code, state));
}

void FarJumps(const Options& options) {
  InitMachine();
  PutTarget();
  struct Way {
    const char* name;
    std::string_view code;
    size_t width;
  };
  // (AMD has no 64-bit form: REX.W does not widen the offset there.)
  constexpr Way kWays[] = {
      {"ljmp16", "\x66\xff\x2f"sv, 2},  {"ljmp32", "\xff\x2f"sv, 4},  {"ljmp64", "\x48\xff\x2f"sv, 8},
      {"lcall16", "\x66\xff\x1f"sv, 2}, {"lcall32", "\xff\x1f"sv, 4}, {"lcall64", "\x48\xff\x1f"sv, 8},
  };
  for (const Way& way : kWays) {
    Ranges ranges(Format("%s cs", way.name));
    for (const uint16_t selector : Selectors(options.full)) {
      if (!Is32Bit(selector)) ranges.Add(selector, FarVia(way.code, way.width, kTarget, selector));
    }
  }
  for (const uint64_t rip : kPlaces) {
    Say("ljmp64 to %#lx: %s", rip, FarVia(kWays[2].code, 8, rip, 0x33).c_str());
    Say("lcall64 to %#lx: %s", rip, FarVia(kWays[5].code, 8, rip, 0x33).c_str());
  }
  State state = PlainState();
  for (const uint64_t at : {kUnmapped, kData + 2 * kPage - 4, uint64_t{0x8000'0000'0000'0000}}) {
    state.regs.rdi = at;
    Report(Format("ljmp from %#lx", at), state, TryCode("\xff\x2f"sv, state));
  }
  state = PlainState();
  state.regs.rdi = kData;
  Report("ljmp of a register", state, TryCode("\xff\xef"sv, state));
}

constexpr Case kCases[] = {
    {"iret_selectors", IretSelectors},
    {"iret_frames", IretFrames},
    {"retf", Retf},
    {"far_jumps", FarJumps},
};

}  // namespace

std::span<const Case> FarCases() { return kCases; }

}  // namespace hostile
