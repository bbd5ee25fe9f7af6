// `syscall` where, when and how no libc makes it: what it changes, and what it must not.
#include <string.h>
#include <sys/mman.h>

#include <string>

#include "test/hostile/cases.h"
#include "test/hostile/layout.h"
#include "test/hostile/output.h"

namespace hostile {
namespace {

using namespace std::string_view_literals;

// CF, DF, AC, ID, and what popf takes besides: NT. IOPL and IF stay as they are.
constexpr uint64_t kFlagSets[] = {0x202, 0x203, 0x602, 0x40202, 0x4202, 0x200202, 0x244ed7, 0x246ed7 | 0x3000, 0xad7};
constexpr uint64_t kStacks[] = {
    kStackTop,    kStackTop - 1,        0, 8, kUnmapped, kNone, 0x8000'0000'0000, 0xffff'8000'0000'0000,
    ~uint64_t{0}, 0xffff'ffff'ff60'0000};

// A page of code that nobody can write: a platform may rewrite calls in it.
uint64_t ConstantCode(std::string_view code) {
  void* const at = reinterpret_cast<void*>(kUnmapped + 0x1000);
  mmap(at, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  memset(at, 0xcc, kPage);
  memcpy(static_cast<char*>(at) + 0x40, code.data(), code.size());
  mprotect(at, kPage, PROT_READ | PROT_EXEC);
  return kUnmapped + 0x1040;
}

struct Site {
  const char* name;
  std::string_view code;
};

// Numbers: 5000 does not exist; 24 is sched_yield; 3 is close, of a bad descriptor.
constexpr Site kSites[] = {
    {"syscall 5000", "\xb8\x88\x13\x00\x00\x0f\x05"sv},
    {"syscall 5000; cmp", "\xb8\x88\x13\x00\x00\x90\x0f\x05\x48\x3d\x01\xf0\xff\xff"sv},
    {"syscall sched_yield", "\xb8\x18\x00\x00\x00\x0f\x05"sv},
    {"syscall sched_yield; cmp", "\xb8\x18\x00\x00\x00\x90\x0f\x05\x48\x3d\x01\xf0\xff\xff"sv},
    {"syscall close", "\xb8\x03\x00\x00\x00\x0f\x05"sv},
    {"rex syscall", "\xb8\x18\x00\x00\x00\x48\x0f\x05"sv},
    {"prefixed syscall", "\xb8\x18\x00\x00\x00\x66\x0f\x05"sv},
    {"rep syscall", "\xb8\x18\x00\x00\x00\xf3\x0f\x05"sv},
    {"lock syscall", "\xb8\x18\x00\x00\x00\xf0\x0f\x05"sv},
    {"two", "\xb8\x18\x00\x00\x00\x0f\x05\xb8\x88\x13\x00\x00\x0f\x05"sv},
};

void Registers(const Options&) {
  InitMachine();
  for (const Site& site : kSites) {
    const uint64_t code = ConstantCode(site.code);
    for (const uint64_t flags : kFlagSets) {
      // More than once: a site that is called often may be another one then.
      for (int round = 0; round < 10; round++) {
        State state = PlainState();
        state.regs.rip = code;
        state.regs.eflags = flags;
        state.regs.rdi = ~uint64_t{0};
        Report(Format("%s, fl %#lx", site.name, flags), state,
               round % 2 == 0 ? EnterDirectly(state) : EnterBySigreturn(state));
      }
    }
  }
}

void Stacks(const Options&) {
  InitMachine();
  for (const Site& site : kSites) {
    const uint64_t code = ConstantCode(site.code);
    for (const uint64_t stack : kStacks) {
      for (int round = 0; round < 8; round++) {
        State state = PlainState();
        state.regs.rip = code;
        state.regs.rsp = stack;
        state.regs.rdi = ~uint64_t{0};
        state.set_fs_base = true;
        state.fs_base = round % 2 == 0 ? kData : kUnmapped;
        Report(Format("%s, rsp %#lx", site.name, stack), state, EnterBySigreturn(state));
      }
    }
  }
}

// Numbers: none of them is one, but the registers could be taken for something.
void Numbers(const Options&) {
  InitMachine();
  constexpr uint64_t kNumbers[] = {~uint64_t{0},
                                   ~uint64_t{0} - 1,
                                   0x7fff'ffff,
                                   0x8000'0000,
                                   0xffff'ffff,
                                   uint64_t{1} << 63,
                                   5000,
                                   0x4000'0000,
                                   0x4000'0018,
                                   0x4000'0200,
                                   1000,
                                   0xffff'ffff'ffff'fe00,
                                   0xffff'fe00,
                                   0xffff'fdfc,
                                   0xffff'ffff'ffff'fdfc,
                                   0xffff'ffff'ffff'fe01,
                                   0x1'0000'1388,
                                   0xffff'ffff'0000'1388,
                                   -uint64_t{514},
                                   -uint64_t{38},
                                   512,
                                   547,
                                   0x8000'0000'0000'0018};
  for (const uint64_t number : kNumbers) {
    for (int round = 0; round < 8; round++) {
      State state = PlainState();
      state.regs.rax = number;
      state.regs.rip = ConstantCode("\x0f\x05"sv);
      Report(Format("syscall %#lx", number), state, EnterBySigreturn(state));
    }
  }
}

// At the end of a page: what comes next is not there, or not executable.
void Edges(const Options&) {
  InitMachine();
  constexpr uint64_t kTop = kScratchCode + 2 * kPage;
  struct Piece {
    const char* name;
    std::string_view code;
    size_t there;
  };
  constexpr Piece kPieces[] = {{"syscall", "\x0f\x05"sv, 2},
                               {"half a syscall", "\x0f"sv, 1},
                               {"mov, syscall", "\xb8\x18\x00\x00\x00\x0f\x05"sv, 7},
                               {"mov, half", "\xb8\x18\x00\x00\x00\x0f"sv, 6}};
  for (const Piece& piece : kPieces) {
    for (int round = 0; round < 8; round++) {
      State state = PlainState();
      PutCode(piece.code, 2 * kPage - piece.there);
      state.regs.rip = kTop - piece.there;
      state.regs.rax = 5000;
      Report(Format("%s at the end", piece.name), state, EnterBySigreturn(state));
    }
  }
  // The last page that may be mapped: rip behind is no user's.
  void* const top = reinterpret_cast<void*>(0x7fff'ffff'e000);
  if (mmap(top, kPage, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) !=
      top) {
    for (int round = 0; round < 8; round++) Say("top: can't be mapped");
    return;
  }
  memset(top, 0xcc, kPage);
  memcpy(static_cast<char*>(top) + kPage - 2, "\x0f\x05", 2);
  for (int round = 0; round < 8; round++) {
    State state = PlainState();
    state.regs.rip = 0x7fff'ffff'effe;
    state.regs.rax = round % 2 == 0 ? 5000 : 24;
    state.regs.eflags |= round >= 4 ? 0x100 : 0;
    const Caught caught = EnterBySigreturn(state);
    Say("top: sig=%d code=%#x addr=%#lx rip=%#lx rcx=%#lx rax=%#lx", caught.signo, caught.code, caught.addr,
        caught.regs.rip, caught.regs.rcx, caught.regs.rax);
  }
  munmap(top, kPage);
}

// Behind a load of ss interrupts and debug traps wait for an instruction.
void BehindMovSs(const Options&) {
  InitMachine();
  constexpr Site kPieces[] = {
      {"syscall", "\x8e\xd2\x0f\x05"sv},
      {"int3", "\x8e\xd2\xcc"sv},
      {"int 3", "\x8e\xd2\xcd\x03"sv},
      {"icebp", "\x8e\xd2\xf1"sv},
      {"int 0x81", "\x8e\xd2\xcd\x81"sv},
      {"ud2", "\x8e\xd2\x0f\x0b"sv},
      {"hlt", "\x8e\xd2\xf4"sv},
      {"mov ss, nop", "\x8e\xd2\x8e\xd2\x90"sv},
      {"load of nothing", "\x8e\xd2\x48\x8b\x07"sv},
      {"iretq", "\x8e\xd2\x48\xcf"sv},
      {"popf", "\x8e\xd2\x9d\x90"sv},
      {"in", "\x8e\xd2\xec"sv},
      {"into rsp", "\x8e\xd2\x48\x89\xfc\x50"sv},
  };
  for (const Site& piece : kPieces) {
    for (const uint64_t trap : {0, 0x100}) {
      for (const uint64_t selector : {0x2b, 0, 3, 0x33}) {
        State state = PlainState();
        state.regs.rax = 5000;
        state.regs.rdx = selector;
        state.regs.rdi = kUnmapped;
        state.regs.eflags |= trap;
        const uint64_t frame[] = {0x302, 0, 0, 0, 0};
        memcpy(reinterpret_cast<void*>(kStackTop), frame, sizeof(frame));
        Report(Format("mov %#lx,ss; %s, fl %#lx", selector, piece.name, trap), state, TryCode(piece.code, state));
      }
    }
  }
}

// Ways of other ABIs and other processors.
void OtherEntries(const Options&) {
  InitMachine();
  for (const uint64_t stack : kStacks) {
    for (const std::string_view code : {"\x0f\x34"sv, "\xcd\x80"sv}) {
      State state = PlainState();
      // No i386 call, should there be such an ABI natively.
      state.regs.rax = 0xffff;
      state.regs.rbp = stack;
      state.regs.rsp = stack;
      const Caught caught = TryCode(code, state);
      const bool enosys = static_cast<int32_t>(caught.regs.rax) == -38 && caught.signo == 5;
      const bool refused = caught.signo == 11 && caught.code == 0x80;
      Say("%s, rsp %#lx: %s", code[0] == '\x0f' ? "sysenter" : "int 0x80", stack,
          enosys || refused ? "no such call" : Describe(state, caught).c_str());
    }
  }
}

constexpr Case kCases[] = {
    {"syscall_registers", Registers}, {"syscall_stacks", Stacks},      {"syscall_numbers", Numbers},
    {"syscall_edges", Edges},         {"syscall_mov_ss", BehindMovSs}, {"other_entries", OtherEntries},
};

}  // namespace

std::span<const Case> SyscallCases() { return kCases; }

}  // namespace hostile
