// Loads of segment registers with every selector, and questions about selectors.
#include <string.h>

#include <string>

#include "test/hostile/cases.h"
#include "test/hostile/layout.h"
#include "test/hostile/output.h"

namespace hostile {
namespace {

using namespace std::string_view_literals;

// Every number in full; else those near what exists, and few others.
template <typename Body>
void ForSelectors(bool full, const Body& body) {
  for (uint32_t selector = 0; selector <= 0xffff; selector++) {
    const bool few = selector < 0x100 || selector % 0x333 == 0 || (selector & (selector - 1)) == 0 || selector > 0xfff0;
    if (full || few) body(static_cast<uint16_t>(selector));
  }
}

// The error code of a bad one is the selector itself: told as such, to make lines few.
std::string DescribeLoad(const State& state, const Caught& caught, uint16_t selector) {
  std::string text = Describe(state, caught);
  const std::string code = Format(" err=%#x ", selector & ~3);
  if (const size_t at = text.find(code); at != std::string::npos && selector > 3)
    text.replace(at, code.size(), " err=itself ");
  const std::string loaded = Format("%x", selector);
  // What a register has that was loaded.
  if (const size_t at = text.find(" sel="); at != std::string::npos) {
    const size_t end = text.find(' ', at + 1);
    std::string list = text.substr(at, end - at);
    if (const size_t value = list.find(loaded); value != std::string::npos && selector > 3) {
      list.replace(value, loaded.size(), "itself");
    }
    text.replace(at, end == std::string::npos ? std::string::npos : end - at, list);
  }
  return text;
}

void Loads(const Options& options) {
  InitMachine();
  struct Way {
    const char* name;
    std::string_view code;
  };
  constexpr Way kWays[] = {
      {"mov ds", "\x8e\xd8"sv},  {"mov es", "\x8e\xc0"sv},      {"mov fs", "\x8e\xe0"sv},
      {"mov gs", "\x8e\xe8"sv},  {"mov ss", "\x8e\xd0"sv},      {"mov ss, int3", "\x8e\xd0\xcc"sv},
      {"pop fs", "\x0f\xa1"sv},  {"lss", "\x48\x0f\xb2\x27"sv}, {"lfs", "\x0f\xb4\x07"sv},
      {"lgs", "\x0f\xb5\x07"sv},
  };
  for (const Way& way : kWays) {
    Ranges ranges(way.name);
    PutCode(way.code);
    ForSelectors(options.full && way.name[0] == 'm', [&](uint16_t selector) {
      State state = PlainState();
      state.regs.rax = selector;
      state.regs.rdi = kData + 0x100;
      const uint64_t word = selector;
      memcpy(reinterpret_cast<void*>(kStackTop), &word, 8);
      const uint32_t offset = 0x1000;
      memset(reinterpret_cast<void*>(kData + 0x100), 0, 16);
      if (way.name[0] == 'l' && way.name[1] == 's') {
        memcpy(reinterpret_cast<void*>(kData + 0x100), &kStackTop, 8);
        memcpy(reinterpret_cast<void*>(kData + 0x108), &selector, 2);
      } else {
        memcpy(reinterpret_cast<void*>(kData + 0x100), &offset, 4);
        memcpy(reinterpret_cast<void*>(kData + 0x104), &selector, 2);
      }
      const Caught caught = EnterBySigreturn(state);
      std::string text = DescribeLoad(state, caught, selector);
      ranges.Add(selector, std::move(text));
    });
  }
}

// lar, lsl, verr, verw tell of a table that is no part of Linux's interface; but for the
// segments that user code has.
void Questions(const Options& options) {
  InitMachine();
  struct Way {
    const char* name;
    std::string_view code;
  };
  constexpr Way kWays[] = {
      {"lar", "\x0f\x02\xd8"sv}, {"lsl", "\x0f\x03\xd8"sv}, {"verr", "\x0f\x00\xe0"sv}, {"verw", "\x0f\x00\xe8"sv}};
  constexpr uint64_t kZero = 0x40;
  for (const Way& way : kWays) {
    PutCode(way.code);
    Ranges ranges(way.name);
    ForSelectors(options.full, [&](uint16_t selector) {
      State state = PlainState();
      state.regs.rax = selector;
      const Caught caught = EnterBySigreturn(state);
      const bool user = (selector & ~3) == 0x28 || (selector & ~3) == 0x30;
      const bool ran = Ran(caught, way.code.size());
      if (user) {
        ranges.Add(selector, !ran ? "refused" : (caught.regs.eflags & kZero) != 0 ? "good" : "bad");
      } else {
        ranges.Add(selector, ran ? "ran" : "refused");
      }
    });
  }
}

// Bases after loads of fs and gs: a null selector, a flat one.
void Bases(const Options&) {
  InitMachine();
  for (const std::string_view code : {"\x8e\xe0"sv, "\x8e\xe8"sv, "\x8e\xe0\x8e\xe8"sv}) {
    for (const uint16_t selector : {0, 1, 3, 0x2b, 0x28, 0x33}) {
      State state = PlainState();
      state.regs.rax = selector;
      state.set_fs_base = state.set_gs_base = true;
      state.fs_base = kData + 0x100;
      state.gs_base = kData + 0x200;
      Report(Format("load %#x, %02x", selector, static_cast<uint8_t>(code[1])), state, TryCode(code, state));
    }
  }
  // Addresses through them.
  for (const uint64_t base : {kData, kUnmapped, uint64_t{0}, uint64_t{0x7000'0000'0000}}) {
    for (const uint64_t offset :
         {uint64_t{8}, uint64_t{0xffff'ffff'ffff'fff8}, uint64_t{0x7000'0000'0000}, uint64_t{0x8000'0000'0000'0000}}) {
      State state = PlainState();
      state.set_fs_base = state.set_gs_base = true;
      state.fs_base = state.gs_base = base;
      state.regs.rdi = offset;
      Report(Format("fs:%#lx, base %#lx", offset, base), state, TryCode("\x64\x48\x8b\x07"sv, state));
      Report(Format("gs:%#lx, base %#lx", offset, base), state, TryCode("\x65\x48\x8b\x07"sv, state));
    }
  }
}

// Bases that only the instructions take, up to the kernel's half, and entries of all kinds
// with them: what a kernel that trusted gs would fall for.
void WrittenBases(const Options&) {
  InitMachine();
  constexpr uint64_t kValues[] = {kData,
                                  1,
                                  0x7fff'ffff'ffff,
                                  0x7fff'ffff'f000,
                                  0x8000'0000'0000,
                                  uint64_t{1} << 63,
                                  0xffff'7fff'ffff'ffff,
                                  0xffff'8000'0000'0000,
                                  0xffff'8880'0000'0000,
                                  0xffff'ffff'8100'0000,
                                  0xffff'ffff'ffff'f000,
                                  ~uint64_t{0}};
  struct Way {
    const char* name;
    std::string_view code;
  };
  constexpr Way kWays[] = {
      {"int3", ""sv},
      {"syscall", "\xb8\x88\x13\x00\x00\x0f\x05"sv},
      {"sched_yield", "\xb8\x18\x00\x00\x00\x0f\x05"sv},
      {"ud2", "\x0f\x0b"sv},
      {"hlt", "\xf4"sv},
      {"icebp", "\xf1"sv},
      {"int 4", "\xcd\x04"sv},
      {"div by 0", "\x31\xd2\xf7\xf2"sv},
      {"page fault", "\x8b\x07"sv},
      {"swapgs", "\x0f\x01\xf8"sv},
      {"mov ss, int3", "\x8e\xd1\xcc"sv},
      {"bad ss", "\x8e\xd2"sv},
      {"no stack", "\x31\xe4\x50"sv},
      {"load by it", "\x65\x48\x8b\x04\x25\x00\x00\x00\x00"sv},
  };
  constexpr std::string_view kWrites[] = {"\xf3\x48\x0f\xae\xd0"sv, "\xf3\x48\x0f\xae\xd8"sv};  // wrfsbase, wrgsbase
  for (const std::string_view write : kWrites) {
    for (const uint64_t value : kValues) {
      for (const Way& way : kWays) {
        for (const uint64_t trap : {0, 0x100}) {
          State state = PlainState();
          state.regs.rax = value;
          state.regs.rcx = 0x2b;
          state.regs.rdi = kUnmapped;
          state.regs.rdx = 0x18;
          state.set_fs_base = true;
          state.fs_base = kData + 0x800;
          const std::string code =
              std::string(write) + std::string(trap != 0 ? "\x68\x02\x03\x00\x00\x9d"sv : ""sv) + std::string(way.code);
          Report(Format("%s %#lx, %s%s", write == kWrites[0] ? "wrfsbase" : "wrgsbase", value, way.name,
                        trap != 0 ? ", TF" : ""),
                 state, TryCode(code, state));
        }
      }
    }
  }
}

constexpr Case kCases[] = {
    {"selector_loads", Loads},
    {"selector_questions", Questions},
    {"selector_bases", Bases},
    {"written_bases", WrittenBases},
};

}  // namespace

std::span<const Case> SelectorCases() { return kCases; }

}  // namespace hostile
