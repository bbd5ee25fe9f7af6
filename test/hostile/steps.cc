// Single steps: over what enters the kernel, over what sets TF, and where none may be seen.
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>

#include <string>

#include "test/hostile/cases.h"
#include "test/hostile/layout.h"
#include "test/hostile/output.h"

namespace hostile {
namespace {

using namespace std::string_view_literals;

constexpr uint64_t kTrapFlag = 0x100;

struct Piece {
  const char* name;
  std::string_view code;
};

constexpr Piece kPieces[] = {
    {"nops", "\x90\x90\x90"sv},
    {"syscall", "\x0f\x05\x90\x90"sv},
    {"mov, syscall", "\xb8\x88\x13\x00\x00\x0f\x05\x90"sv},
    {"mov, syscall, cmp", "\xb8\x18\x00\x00\x00\x0f\x05\x48\x3d\x01\xf0\xff\xff\x90"sv},
    {"two syscalls", "\x0f\x05\x0f\x05\x90"sv},
    {"sysenter", "\x0f\x34"sv},
    {"int3", "\x90\xcc"sv},
    {"int 3", "\xcd\x03"sv},
    {"int 4", "\xcd\x04"sv},
    {"int 0x81", "\xcd\x81"sv},
    {"icebp", "\x90\xf1\x90"sv},
    {"ud2", "\x0f\x0b"sv},
    {"hlt", "\xf4"sv},
    {"popf keeps", "\x9c\x9d\x90\x90"sv},
    {"popf clears", "\x6a\x02\x9d\x90\x90"sv},
    {"pushf sees", "\x9c\x58"sv},
    {"pushf, push, popf", "\x68\x02\x03\x00\x00\x9d\x90"sv},
    {"mov ss", "\x8e\xd2\x90\x90"sv},
    {"mov ss twice", "\x8e\xd2\x8e\xd2\x90\x90"sv},
    {"mov ss, syscall", "\x8e\xd2\x0f\x05\x90"sv},
    {"mov ss, int3", "\x8e\xd2\xcc"sv},
    {"mov ds", "\x8e\xda\x90"sv},
    {"rep movsb", "\xf3\xa4\x90"sv},
    {"rep stosq", "\xf3\x48\xab\x90"sv},
    {"rep of none", "\x31\xc9\xf3\xa4\x90"sv},
    {"repne scasb", "\xf2\xae\x90"sv},
    {"call and ret", "\xe8\x01\x00\x00\x00\xcc\x58\x90"sv},
    {"jmp", "\xeb\x01\xcc\x90"sv},
    {"loop", "\xb9\x03\x00\x00\x00\xe2\xfe\x90"sv},
    {"cpuid", "\x31\xc0\x0f\xa2\x90"sv},
    {"rdtsc", "\x0f\x31\x90"sv},
    {"xgetbv", "\x31\xc9\x0f\x01\xd0\x90"sv},
    {"rdmsr", "\x0f\x32"sv},
    {"in", "\xec"sv},
    {"fwait", "\x9b\x90"sv},
    {"div by 0", "\x31\xc9\xf7\xf1"sv},
    {"load of nothing", "\x31\xff\x48\x8b\x07"sv},
    {"sgdt", "\x0f\x01\x07\x90"sv},
    {"clflush", "\x0f\xae\x3f\x90"sv},
    {"pause", "\xf3\x90\x90"sv},
    {"swapgs", "\x0f\x01\xf8"sv},
};

State Stepping() {
  State state = PlainState();
  state.regs.rax = 5000;
  state.regs.rdx = 0x2b;
  state.regs.rdi = kData + 0x100;
  state.regs.rsi = kData + 0x200;
  state.regs.rcx = 5;
  state.regs.eflags |= kTrapFlag;
  return state;
}

void SayWay(const std::string& name, const State& state, const Caught& caught, std::span<const Step> steps) {
  std::string way;
  for (const Step& step : steps) {
    const uint64_t moved = step.rip - state.regs.rip;
    way += moved < 2 * kPage ? Format(" +%lu/%lx", moved, step.eflags) : Format(" %#lx/%lx", step.rip, step.eflags);
  }
  Say("%s:%s then %s", name.c_str(), way.c_str(), Describe(state, caught, kHideRegisters).c_str());
}

void Steps(const Options&) {
  InitMachine();
  for (const Piece& piece : kPieces) {
    PutCode(piece.code);
    const State state = Stepping();
    std::span<const Step> steps;
    Caught caught = EnterStepping(state, steps);
    SayWay(piece.name, state, caught, steps);
    // By popf instead, and ended by the first step.
    SayWay(Format("%s, popf", piece.name), state, EnterDirectly(state), {});
  }
}

// The same in code that nobody writes, often: steps must be the same on the tenth time.
void ConstantCode(const Options&) {
  InitMachine();
  void* const at = reinterpret_cast<void*>(kUnmapped + 0x1000);
  for (const Piece& piece : std::span(kPieces).subspan(1, 4)) {
    mmap(at, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    memset(at, 0xcc, kPage);
    memcpy(at, piece.code.data(), piece.code.size());
    mprotect(at, kPage, PROT_READ | PROT_EXEC);
    for (int round = 0; round < 24; round++) {
      State state = Stepping();
      state.regs.rip = reinterpret_cast<uint64_t>(at);
      // First as a program does, until the site may have been rewritten.
      const bool stepped = round >= 12;
      if (!stepped) state.regs.eflags &= ~kTrapFlag;
      std::span<const Step> steps;
      const Caught caught = EnterStepping(state, steps);
      SayWay(Format("%s, constant, round %d", piece.name, round), state, caught, steps);
    }
  }
}

// Steps over pages that come in only then, and writes of the code stepped.
void FirstTouches(const Options&) {
  InitMachine();
  const auto fresh = [](int prot) {
    void* const at = reinterpret_cast<void*>(kUnmapped + 0x1000);
    mmap(at, 4 * kPage, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return reinterpret_cast<uint64_t>(at);
  };
  struct Touch {
    const char* name;
    std::string_view code;
    int prot;
  };
  const Touch touches[] = {
      {"load", "\x48\x8b\x07\x90"sv, PROT_READ | PROT_WRITE},
      {"store", "\x48\x89\x07\x90"sv, PROT_READ | PROT_WRITE},
      {"push", "\x48\x8d\x67\x40\x50\x90"sv, PROT_READ | PROT_WRITE},
      {"rep stosb", "\xf3\xaa\x90"sv, PROT_READ | PROT_WRITE},
      {"add", "\x01\x07\x90"sv, PROT_READ | PROT_WRITE},
      {"store to a read-only page", "\x48\x89\x07\x90"sv, PROT_READ},
      {"load of none", "\x48\x8b\x07\x90"sv, PROT_NONE},
  };
  for (const Touch& touch : touches) {
    PutCode(touch.code);
    State state = Stepping();
    state.regs.rdi = fresh(touch.prot) + kPage - 2;  // two pages at once, for most
    std::span<const Step> steps;
    const Caught caught = EnterStepping(state, steps);
    SayWay(Format("first %s", touch.name), state, caught, steps);
  }
  // A store over the next instruction.
  PutCode("\xc6\x07\xf4\x90\x90"sv);  // movb $0xf4 (hlt),(%rdi)
  State state = Stepping();
  state.regs.rdi = kScratchCode + 3;
  std::span<const Step> steps;
  const Caught caught = EnterStepping(state, steps);
  SayWay("store over the next", state, caught, steps);
}

// Through the vDSO, whose code is each kernel's own: there and back, the answer good.
void Vdso(const Options&) {
  InitMachine();
  Say("vdso: %s", getauxval(AT_SYSINFO_EHDR) != 0 ? "there" : "none");
  for (int round = 0; round < 20; round++) {
    const uint64_t back = kScratchCode;
    PutCode(""sv);
    State state = PlainState();
    // (With libc's own fs_base, and no loop in there that time could keep from its end.)
    state.regs.rip = reinterpret_cast<uint64_t>(static_cast<time_t (*)(time_t*)>(&time));
    state.regs.rdi = kData + 0x100;
    state.regs.rsp = kStackTop - 8;
    memcpy(reinterpret_cast<void*>(kStackTop - 8), &back, sizeof(back));
    if (round % 2 == 1) state.regs.eflags |= kTrapFlag;
    const time_t before = time(nullptr);
    std::span<const Step> steps;
    const Caught caught = EnterStepping(state, steps);
    time_t stored;
    memcpy(&stored, reinterpret_cast<const void*>(kData + 0x100), sizeof(stored));
    const bool good = Ran(caught, 0) && caught.regs.rsp == kStackTop && stored >= before && stored <= before + 20 &&
                      static_cast<time_t>(caught.regs.rax) == stored;
    Say("vdso, round %d: %s, %s", round, good ? "good" : Describe(state, caught).c_str(),
        steps.empty() ? "no steps" : "steps");
  }
}

// TF in a frame that is returned from while stepping, and steps into the handler's frame.
void Frames(const Options&) {
  InitMachine();
  PutCode("\x90\x90\x90\x90"sv);
  for (const uint64_t flags : {0x302, 0x10302, 0x40302, 0x4302, 0x244fd7}) {
    State state = PlainState();
    state.regs.eflags = flags;
    std::span<const Step> steps;
    const Caught caught = EnterStepping(state, steps);
    SayWay(Format("sigreturn, fl %#lx", flags), state, caught, steps);
  }
  for (const uint64_t rip : {kUnmapped, kData, uint64_t{0x8000'0000'0000}, uint64_t{0xffff'8000'0000'0000}, kPastEnd}) {
    State state = PlainState();
    state.regs.eflags |= kTrapFlag;
    state.regs.rip = rip;
    std::span<const Step> steps;
    const Caught caught = EnterStepping(state, steps);
    SayWay(Format("sigreturn to %#lx", rip), state, caught, steps);
  }
}

constexpr Case kCases[] = {
    {"steps", Steps},
    {"steps_constant_code", ConstantCode},
    {"steps_first_touch", FirstTouches},
    {"steps_vdso", Vdso},
    {"steps_frames", Frames},
};

}  // namespace

std::span<const Case> StepCases() { return kCases; }

}  // namespace hostile
