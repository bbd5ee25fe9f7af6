// Frames for rt_sigreturn that no kernel wrote.
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iterator>
#include <string>

#include "test/hostile/cases.h"
#include "test/hostile/child.h"
#include "test/hostile/layout.h"
#include "test/hostile/output.h"
#include "test/hostile/raw.h"

namespace hostile {
namespace {

using namespace std::string_view_literals;

constexpr uint64_t kPlaces[] = {kScratchCode,
                                kScratchCode + 2 * kPage - 1,
                                kData,
                                kNone,
                                kUnmapped,
                                kPastEnd,
                                0,
                                1,
                                0x7fff'ffff'f000,
                                0x7fff'ffff'ffff,
                                0x8000'0000'0000,
                                0x8000'0000'0001,
                                uint64_t{1} << 63,
                                0xffff'7fff'ffff'ffff,
                                0xffff'8000'0000'0000,
                                0xffff'ffff'8100'0000,
                                0xffff'ffff'ffff'f000,
                                ~uint64_t{0}};

// 0x20 to 0x23 select 32-bit code natively; a sandbox has none.
bool Is32Bit(uint16_t selector) { return (selector & ~3) == 0x20; }

void Places(const Options&) {
  InitMachine();
  PutCode("\x90\x90"sv);
  for (const uint64_t place : kPlaces) {
    for (const uint64_t flags : {0x202, 0x302, 0x40602, 0x10202}) {
      State state = PlainState();
      state.regs.eflags = flags;
      state.regs.rip = place;
      Report(Format("rip %#lx, fl %#lx", place, flags), state, EnterBySigreturn(state));
      state.regs.rip = kScratchCode;
      state.regs.rsp = place;
      Report(Format("rsp %#lx, fl %#lx", place, flags), state, EnterBySigreturn(state));
      state.regs.rip = place;
      state.regs.rsp = ~place;
      Report(Format("both %#lx, fl %#lx", place, flags), state, EnterBySigreturn(state));
    }
  }
}

void Segments(const Options& options) {
  InitMachine();
  PutCode("\x90\x90"sv);
  const int end = options.full ? 0x10000 : 0x100;
  const auto sweep = [end](const char* name, bool with_cs, bool with_ss, uint64_t flags, auto skipped) {
    Ranges ranges(name);
    for (int selector = 0; selector < end; selector++) {
      const auto value = static_cast<uint16_t>(selector);
      if (skipped(value)) continue;
      State state = PlainState();
      if (with_cs) state.regs.cs = value;
      if (with_ss) state.regs.ss = value;
      state.edit = [](ucontext_t& frame, uint64_t set) { frame.uc_flags = set; };
      state.edit_argument = flags;
      const Caught caught = EnterBySigreturn(state);
      std::string text = Describe(state, caught);
      for (const std::string& from :
           {Format(" err=%#x ", value & ~3), Format(" cs=%#x ", value | 3), Format(" ss=%#x", value | 3)}) {
        const size_t at = value > 3 ? text.find(from) : std::string::npos;
        if (at != std::string::npos) text.replace(at, from.size(), from.substr(0, from.find('=')) + "=it ");
      }
      ranges.Add(selector, std::move(text));
    }
  };
  const auto none = [](uint16_t) { return false; };
  sweep("cs", true, false, 7, Is32Bit);
  sweep("cs and ss", true, true, 7, Is32Bit);
  sweep("ss", false, true, 7, none);
  // Without this flag a bad ss is replaced; which are bad is the host's table's affair for what is none of ours.
  sweep("ss, not strict", false, true, 3, [](uint16_t value) { return (value & ~3) == 0x78 || Is32Bit(value); });
}

void Flags(const Options&) {
  InitMachine();
  PutCode("\x90\x90"sv);
  for (int bit = -2; bit < 64; bit++) {
    State state = PlainState();
    state.regs.eflags = bit == -2 ? 0 : bit == -1 ? ~uint64_t{0} : 0x202 ^ uint64_t { 1 } << bit;
    Report(Format("flags %#lx", state.regs.eflags), state, EnterBySigreturn(state));
  }
  for (int bit = 0; bit < 64; bit++) {
    State state = PlainState();
    state.edit = [](ucontext_t& frame, uint64_t flags) { frame.uc_flags = flags; };
    state.edit_argument = 7 ^ uint64_t { 1 } << bit;
    Report(Format("uc_flags %#lx", state.edit_argument), state, EnterBySigreturn(state));
  }
}

// What is not a frame: SIGSEGV, there or where the frame leads.
std::string Outcome(const Caught& caught) {
  if (caught.signo == SIGTRAP) return "taken";
  return Format("sig=%d code=%#x addr=%#lx %s", caught.signo, caught.code, caught.addr,
                caught.regs.rip == kScratchCode ? "at the frame's rip" : "at the call");
}

// Frames that are not whole, or not there.
void Missing(const Options&) {
  InitMachine();
  PutCode(""sv);
  for (const uint64_t at : kPlaces) {
    State state = PlainState();
    state.frame = at;
    // (Their registers would be followed otherwise, wherever they lead.)
    if (at == kScratchCode || at == kData) memset(reinterpret_cast<void*>(at), 0, kPage);
    const Caught caught = EnterBySigreturn(state);
    Say("frame at %#lx: sig=%d code=%#x", at, caught.signo, caught.code);
  }
  // All but the last bytes of it.
  for (const size_t there : {0, 8, 40, 168, 232, 256, 295, 296, 302, 303, 304, 400, 440}) {
    State state = PlainState();
    state.frame = kData + 2 * kPage - there;
    state.edit = [](ucontext_t& frame, uint64_t size) {
      memcpy(reinterpret_cast<void*>(kData + 2 * kPage - size), &frame, size < sizeof(frame) ? size : sizeof(frame));
    };
    state.edit_argument = there;
    Say("%zu bytes of a frame: %s", there, Outcome(EnterBySigreturn(state)).c_str());
  }
  for (int shift = 1; shift < 16; shift++) {
    State state = PlainState();
    state.frame = kData + shift;
    state.edit = [](ucontext_t& frame, uint64_t by) {
      memcpy(reinterpret_cast<void*>(kData + by), &frame, sizeof(frame));
    };
    state.edit_argument = shift;
    Say("frame off by %d: %s", shift, Outcome(EnterBySigreturn(state)).c_str());
  }
}

// FPU images: where they lie, and what stands in them.
void FpuImages(const Options& options) {
  InitMachine();
  PutCode("\x90\x90"sv);
  const auto place = [](ucontext_t& frame, uint64_t at) {
    frame.uc_mcontext.fpregs = reinterpret_cast<fpregset_t>(at);
  };
  for (const uint64_t at : kPlaces) {
    State state = PlainState();
    state.edit = place;
    state.edit_argument = at;
    if (at == kData || at == kScratchCode) continue;
    const Caught caught = EnterBySigreturn(state);
    Say("image at %#lx: %s mx=%x cw=%x", at, Outcome(caught).c_str(), caught.fpu.mxcsr, caught.fpu.fcw);
  }
  for (const uint64_t shift : {1, 4, 8, 16, 32, 64}) {
    State state = PlainState();
    state.edit = [](ucontext_t& frame, uint64_t by) {
      auto* image = reinterpret_cast<char*>(frame.uc_mcontext.fpregs);
      memmove(image + by, image, kFrameSize / 4);
      frame.uc_mcontext.fpregs = reinterpret_cast<fpregset_t>(image + by);
    };
    state.edit_argument = shift;
    const Caught caught = EnterBySigreturn(state);
    Say("image off by %lu: %s", shift, Outcome(caught).c_str());
  }
  // One word after the other, of MXCSR, the software's bytes and the header.
  constexpr size_t kWords[] = {24, 28, 464, 468, 472, 476, 480, 484, 512, 516, 520, 524, 528, 532, 536, 568, 572};
  for (const size_t offset : kWords) {
    for (int bit = -1; bit < 32; bit += options.full || offset < 40 ? 1 : 3) {
      State state = PlainState();
      state.set_fpu = true;
      state.fpu.fcw = 0x27f;
      state.fpu.mxcsr = 0x1f80;
      memset(state.fpu.xmm[3], 0x33, 16);
      state.set_ymm = true;
      memset(state.ymm.high[3], 0x44, 16);
      state.edit = [](ucontext_t& frame, uint64_t what) {
        auto* image = reinterpret_cast<char*>(frame.uc_mcontext.fpregs) + (what & 0xffff);
        uint32_t word;
        memcpy(&word, image, sizeof(word));
        word = what >> 16 >= 32 ? ~uint32_t{0} : word ^ (1u << (what >> 16));
        memcpy(image, &word, sizeof(word));
      };
      state.edit_argument = offset | uint64_t{static_cast<uint64_t>(bit < 0 ? 32 : bit)} << 16;
      const Caught caught = EnterBySigreturn(state);
      const bool taken = caught.signo == SIGTRAP;
      uint64_t xmm3, ymm3;
      memcpy(&xmm3, caught.fpu.xmm[3], sizeof(xmm3));
      memcpy(&ymm3, caught.ymm.high[3], sizeof(ymm3));
      Say("image word %zu bit %d: %s mx=%x cw=%x xmm3=%lx,%lx", offset, bit, Outcome(caught).c_str(),
          taken ? caught.fpu.mxcsr : 0, taken ? caught.fpu.fcw : 0, taken ? xmm3 : 0, taken ? ymm3 : 0);
    }
  }
}

struct Stack {
  const char* name;
  uint64_t sp, size;
  int flags;
};
constexpr Stack kStacks[] = {
    {"disabled", 0, 0, SS_DISABLE},
    {"too small", kSignalStack, 1024, 0},
    {"smallest", kSignalStack, 2048, 0},
    {"unmapped", kUnmapped, kSignalStackSize, 0},
    {"in the kernel", 0xffff'8000'0000'0000, kSignalStackSize, 0},
    {"in the hole", 0x8000'0000'0000, kSignalStackSize, 0},
    {"onstack", kSignalStack, kSignalStackSize, SS_ONSTACK},
    {"odd flags", kSignalStack, kSignalStackSize, 0x55},
    {"auto-disarming", kSignalStack, kSignalStackSize, static_cast<int>(1u << 31)},
    {"read only", kReadOnly, kPage, 0},
    {"at the end", kSignalStack + kSignalStackSize - 0x3000, 0x3000, 0},
};

// Masks and stacks in frames: a blocked fault kills, a stack that is none is not taken.
void MasksAndStacks(const Options&) {
  InitMachine();
  PutCode("\x0f\x0b"sv);
  for (const uint64_t mask : {uint64_t{0}, ~uint64_t{0}, uint64_t{1} << (SIGILL - 1), uint64_t{1} << (SIGKILL - 1)}) {
    const std::string end = InChild([mask] {
      State state = PlainState();
      state.edit = [](ucontext_t& frame, uint64_t set) { memcpy(&frame.uc_sigmask, &set, sizeof(set)); };
      state.edit_argument = mask;
      Report(Format("mask %#lx", mask), state, EnterBySigreturn(state));
    });
    Say("mask %#lx: %s", mask, end.c_str());
  }
  for (size_t i = 0; i < std::size(kStacks); i++) {
    const Stack& stack = kStacks[i];
    for (const uint64_t rsp : {kStackTop, kUnmapped + 0x800, uint64_t{0x8000'0000'0000}}) {
      const std::string end = InChild([&stack, i, rsp] {
        State state = PlainState();
        state.regs.rsp = rsp;
        state.edit = [](ucontext_t& frame, uint64_t which) {
          frame.uc_stack.ss_sp = reinterpret_cast<void*>(kStacks[which].sp);
          frame.uc_stack.ss_size = kStacks[which].size;
          frame.uc_stack.ss_flags = kStacks[which].flags;
        };
        state.edit_argument = i;
        Report(Format("stack %s, rsp %#lx", stack.name, rsp), state, EnterBySigreturn(state));
      });
      Say("stack %s, rsp %#lx: %s", stack.name, rsp, end.c_str());
    }
  }
}

constexpr Case kCases[] = {
    {"sigreturn_places", Places},   {"sigreturn_segments", Segments},    {"sigreturn_flags", Flags},
    {"sigreturn_missing", Missing}, {"sigreturn_fpu_images", FpuImages}, {"sigreturn_masks_stacks", MasksAndStacks},
};

}  // namespace

std::span<const Case> SigreturnCases() { return kCases; }

}  // namespace hostile
