// Instructions that ring 3 may not execute, may execute, or that do not exist.
#include <signal.h>
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
  unsigned hide = kHideNothing;
};

// rdi, rsi and rbx point into kData, ecx and edx are small: Prepared.
constexpr Instruction kPrivileged[] = {
    {"hlt", "\xf4"sv},
    {"cli", "\xfa"sv},
    {"sti", "\xfb"sv},
    {"in al,imm", "\xe4\x80"sv},
    {"in eax,imm", "\xe5\x80"sv},
    {"in ax,imm", "\x66\xe5\x80"sv},
    {"out imm,al", "\xe6\x80"sv},
    {"out imm,eax", "\xe7\x80"sv},
    {"out imm,ax", "\x66\xe7\x80"sv},
    {"in al,dx", "\xec"sv},
    {"in eax,dx", "\xed"sv},
    {"in ax,dx", "\x66\xed"sv},
    {"out dx,al", "\xee"sv},
    {"out dx,eax", "\xef"sv},
    {"out dx,ax", "\x66\xef"sv},
    {"insb", "\x6c"sv},
    {"insd", "\x6d"sv},
    {"insw", "\x66\x6d"sv},
    {"rep insb", "\xf3\x6c"sv},
    {"outsb", "\x6e"sv},
    {"outsd", "\x6f"sv},
    {"rep outsw", "\xf3\x66\x6f"sv},
    {"lgdt", "\x0f\x01\x17"sv},
    {"lidt", "\x0f\x01\x1f"sv},
    {"lldt", "\x0f\x00\xd0"sv},
    {"lldt m", "\x0f\x00\x17"sv},
    {"ltr", "\x0f\x00\xd8"sv},
    {"lmsw", "\x0f\x01\xf0"sv},
    {"lmsw m", "\x0f\x01\x37"sv},
    {"clts", "\x0f\x06"sv},
    {"mov rax,cr0", "\x0f\x20\xc0"sv},
    {"mov rax,cr2", "\x0f\x20\xd0"sv},
    {"mov rax,cr3", "\x0f\x20\xd8"sv},
    {"mov rax,cr4", "\x0f\x20\xe0"sv},
    {"mov rax,cr8", "\x44\x0f\x20\xc0"sv},
    {"mov rax,cr1", "\x0f\x20\xc8"sv},
    {"mov rax,cr15", "\x44\x0f\x20\xf8"sv},
    {"mov cr0,rax", "\x0f\x22\xc0"sv},
    {"mov cr2,rax", "\x0f\x22\xd0"sv},
    {"mov cr3,rax", "\x0f\x22\xd8"sv},
    {"mov cr4,rax", "\x0f\x22\xe0"sv},
    {"mov cr8,rax", "\x44\x0f\x22\xc0"sv},
    {"mov cr7,rax", "\x0f\x22\xf8"sv},
    {"lock mov cr8,rax", "\xf0\x0f\x22\xc0"sv},
    {"invd", "\x0f\x08"sv},
    {"wbinvd", "\x0f\x09"sv},
    {"wbnoinvd", "\xf3\x0f\x09"sv},
    {"invlpg", "\x0f\x01\x3f"sv},
    {"invpcid", "\x66\x0f\x38\x82\x07"sv},
    {"invept", "\x66\x0f\x38\x80\x07"sv},
    {"invvpid", "\x66\x0f\x38\x81\x07"sv},
    {"rdpmc", "\x0f\x33"sv},
    {"xsetbv", "\x0f\x01\xd1"sv},
    {"xgetbv 0", "\x0f\x01\xd0"sv, kHideRegisters},
    {"monitor", "\x0f\x01\xc8"sv},
    {"mwait", "\x0f\x01\xc9"sv},
    {"clac", "\x0f\x01\xca"sv},
    {"stac", "\x0f\x01\xcb"sv},
    {"swapgs", "\x0f\x01\xf8"sv},
    {"sysret", "\x0f\x07"sv},
    {"sysretq", "\x48\x0f\x07"sv},
    {"sysexit", "\x0f\x35"sv},
    {"sysexitq", "\x48\x0f\x35"sv},
    {"rsm", "\x0f\xaa"sv},
    {"getsec", "\x0f\x37"sv},
    {"eretu", "\xf3\x0f\x01\xca"sv},
    {"erets", "\xf2\x0f\x01\xca"sv},
    {"lkgs", "\xf2\x0f\x00\xf0"sv},
    {"wrmsrns", "\x0f\x01\xc6"sv},
    {"rdmsrlist", "\xf2\x0f\x01\xc6"sv},
    {"wrmsrlist", "\xf3\x0f\x01\xc6"sv},
};

// Of virtual machines. vmcall and vmmcall are kVmcalls.
constexpr Instruction kVirtual[] = {
    {"vmlaunch", "\x0f\x01\xc2"sv},      {"vmresume", "\x0f\x01\xc3"sv},      {"vmxoff", "\x0f\x01\xc4"sv},
    {"vmfunc", "\x0f\x01\xd4"sv},        {"vmread", "\x0f\x78\xc1"sv},        {"vmwrite", "\x0f\x79\xc1"sv},
    {"vmptrld", "\x0f\xc7\x37"sv},       {"vmptrst", "\x0f\xc7\x3f"sv},       {"vmclear", "\x66\x0f\xc7\x37"sv},
    {"vmxon", "\xf3\x0f\xc7\x37"sv},     {"vmrun", "\x0f\x01\xd8"sv},         {"vmload", "\x0f\x01\xda"sv},
    {"vmsave", "\x0f\x01\xdb"sv},        {"stgi", "\x0f\x01\xdc"sv},          {"clgi", "\x0f\x01\xdd"sv},
    {"skinit", "\x0f\x01\xde"sv},        {"invlpga", "\x0f\x01\xdf"sv},       {"invlpgb", "\x0f\x01\xfe"sv},
    {"tlbsync", "\x0f\x01\xff"sv},       {"psmash", "\xf3\x0f\x01\xff"sv},    {"pvalidate", "\xf2\x0f\x01\xff"sv},
    {"rmpadjust", "\xf3\x0f\x01\xfe"sv}, {"rmpupdate", "\xf2\x0f\x01\xfe"sv}, {"tdcall", "\x66\x0f\x01\xcc"sv},
    {"seamret", "\x66\x0f\x01\xcd"sv},   {"seamops", "\x66\x0f\x01\xce"sv},   {"seamcall", "\x66\x0f\x01\xcf"sv},
    {"encls", "\x0f\x01\xcf"sv},         {"enclu", "\x0f\x01\xd7"sv},         {"enclv", "\x0f\x01\xc0"sv},
    {"pconfig", "\x0f\x01\xc5"sv},
};

constexpr Instruction kVmcalls[] = {
    {"vmcall", "\x0f\x01\xc1"sv},
    {"vmmcall", "\x0f\x01\xd9"sv},
    {"repz vmmcall", "\xf3\x0f\x01\xd9"sv},
};

// Most run, or are invalid, or depend on what the processor has.
constexpr Instruction kOdd[] = {
    {"ud0", "\x0f\xff\xc0"sv},
    {"ud1", "\x0f\xb9\xc0"sv},
    {"ud2", "\x0f\x0b"sv},
    {"nop", "\x90"sv},
    {"long nop", "\x66\x0f\x1f\x84\x00\x00\x00\x00\x00"sv},
    {"pause", "\xf3\x90"sv},
    {"endbr64", "\xf3\x0f\x1e\xfa"sv},
    {"rdsspq", "\xf3\x48\x0f\x1e\xc8"sv},
    {"incsspq", "\xf3\x48\x0f\xae\xe8"sv},
    {"saveprevssp", "\xf3\x0f\x01\xea"sv},
    {"rstorssp", "\xf3\x0f\x01\x2f"sv},
    {"setssbsy", "\xf3\x0f\x01\xe8"sv},
    {"clrssbsy", "\xf3\x0f\xae\x37"sv},
    {"wrssq", "\x48\x0f\x38\xf6\x07"sv},
    {"wrussq", "\x66\x48\x0f\x38\xf5\x07"sv},
    {"rdpkru", "\x0f\x01\xee"sv, kHideRegisters},
    {"wrpkru", "\x0f\x01\xef"sv},
    {"tpause", "\x66\x0f\xae\xf1"sv, kHideRegisters | kHideFlags},
    {"umonitor", "\xf3\x0f\xae\xf7"sv},
    {"umwait", "\xf2\x0f\xae\xf1"sv, kHideRegisters | kHideFlags},
    {"serialize", "\x0f\x01\xe8"sv},
    {"xsusldtrk", "\xf2\x0f\x01\xe8"sv},
    {"xresldtrk", "\xf2\x0f\x01\xe9"sv},
    {"uiret", "\xf3\x0f\x01\xec"sv},
    {"testui", "\xf3\x0f\x01\xed"sv},
    {"clui", "\xf3\x0f\x01\xee"sv},
    {"stui", "\xf3\x0f\x01\xef"sv},
    {"senduipi", "\xf3\x0f\xc7\xf0"sv},
    {"xend", "\x0f\x01\xd5"sv},
    {"xtest", "\x0f\x01\xd6"sv, kHideFlags},
    {"xabort", "\xc6\xf8\x01"sv},
    {"enqcmd", "\xf2\x0f\x38\xf8\x07"sv},
    {"enqcmds", "\xf3\x0f\x38\xf8\x07"sv},
    {"xsaves", "\x0f\xc7\x2f"sv},
    {"xrstors", "\x0f\xc7\x1f"sv},
    {"rdpid", "\xf3\x0f\xc7\xf8"sv, kHideRegisters},
    {"rdtscp", "\x0f\x01\xf9"sv, kHideRegisters},
    {"cpuid", "\x0f\xa2"sv, kHideRegisters},
    {"clflush", "\x0f\xae\x3f"sv},
    {"prefetchw", "\x0f\x0d\x0f"sv},
    {"push es", "\x06"sv},
    {"pop es", "\x07"sv},
    {"push cs", "\x0e"sv},
    {"push fs", "\x0f\xa0"sv},
    {"pop fs", "\x6a\x00\x0f\xa1"sv},
    {"aaa", "\x37"sv},
    {"daa", "\x27"sv},
    {"bound", "\x62\x07\x00\x00\x00\x00"sv},
    {"pusha", "\x60"sv},
    {"into", "\xce"sv},
    {"les", "\xc4\x07\x00\x00"sv},
    {"salc", "\xd6"sv},
    {"icebp", "\xf1"sv},
    {"int3", "\xcc"sv},
    {"far call imm", "\x9a\x00\x00\x00\x00\x33\x00"sv},
    {"far jmp imm", "\xea\x00\x00\x00\x00\x33\x00"sv},
    {"mov cs,ax", "\x8e\xc8"sv},
    {"mov sreg6,ax", "\x8e\xf0"sv},
    {"lock nop", "\xf0\x90"sv},
    {"lock mov", "\xf0\x89\x07"sv},
    {"lock add reg", "\xf0\x01\xc0"sv},
    {"lock add mem", "\xf0\x01\x07"sv, kHideFlags},
    {"lock cmp mem", "\xf0\x39\x07"sv},
    {"lock bt mem", "\xf0\x0f\xa3\x07"sv},
    {"lock lea", "\xf0\x8d\x07"sv},
    {"lea reg", "\x8d\xc0"sv},
    {"cmpxchg8b reg", "\x0f\xc7\xc8"sv},
    {"vex reserved", "\xc4\xe0\x00\x00\xc0"sv},
    {"lock vex", "\xf0\xc5\xf8\x77"sv},
    {"rex vex", "\x48\xc5\xf8\x77"sv},
    {"vzeroupper", "\xc5\xf8\x77"sv},
    {"evex reserved", "\x62\xf0\x08\x08\x00\x00"sv},
    {"xop", "\x8f\xe8\x78\xa2\xc0\x00"sv},
    {"femms", "\x0f\x0e"sv},
    {"jmpe", "\x0f\x00\xf0"sv},
    {"group 0f01 ea", "\x0f\x01\xea"sv},
    {"0f 04", "\x0f\x04"sv},
    {"0f 0a", "\x0f\x0a"sv},
    {"0f 24", "\x0f\x24\xc0"sv},
    {"0f 39", "\x0f\x39"sv},
    {"0f a6", "\x0f\xa6\xc0"sv},
    {"0f 3f (alt inst)", "\x0f\x3f"sv},
    {"14 prefixes nop", "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90"sv},
    {"15 prefixes nop", "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90"sv},
    {"15 prefixes and more", "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90"sv},
    {"overlong add",
     "\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x81\x84\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"sv},
};

void Try(const std::string& name, std::string_view code, const State& state, unsigned hide) {
  Report(name, state, TryCode(code, state), hide);
}

void TryAll(std::span<const Instruction> list) {
  InitMachine();
  for (const Instruction& i : list) Try(i.name, i.code, PointingState(), i.hide);
}

void Msrs(const Options& options) {
  InitMachine();
  constexpr uint32_t kMsrs[] = {
      0x10,       0x1b,       0x1d9,      0x174,      0x175,      0x176,      0x277,      0xc0000080,
      0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103,
      0xc0010015, 0xc0010114, 0xc0010117, 0x48,       0x49,       0x3a,       0x480,      0x6a0,
      0x6a7,      0xda0,      0x40000000, 0x40000001, 0x4b564d00, 0x4b564d01, 0,          0xffffffff,
  };
  Ranges read("rdmsr"), write("wrmsr");
  const auto one = [](uint32_t msr, std::string_view code) {
    State state = PointingState();
    state.regs.rcx = msr;
    return Describe(state, TryCode(code, state));
  };
  for (const uint32_t msr : kMsrs) read.Add(msr, one(msr, "\x0f\x32"));
  for (const uint32_t msr : kMsrs) write.Add(msr, one(msr, "\x0f\x30"));
  if (!options.full) return;
  for (uint32_t bit = 0; bit < 32; bit++) read.Add(1u << bit, one(1u << bit, "\x0f\x32"));
  for (uint32_t bit = 0; bit < 32; bit++) write.Add(1u << bit, one(1u << bit, "\x0f\x30"));
}

void DebugRegisters(const Options&) {
  InitMachine();
  for (char dr = 0; dr < 8; dr++) {
    const char from[] = {0x0f, 0x21, static_cast<char>(0xc0 | dr << 3)};
    const char to[] = {0x0f, 0x23, static_cast<char>(0xc0 | dr << 3)};
    Try(Format("mov rax,dr%d", dr), {from, 3}, PointingState(), kHideNothing);
    Try(Format("mov dr%d,rax", dr), {to, 3}, PointingState(), kHideNothing);
    const char far[] = {0x44, 0x0f, 0x21, static_cast<char>(0xc0 | dr << 3)};
    Try(Format("mov rax,dr%d", dr + 8), {far, 4}, PointingState(), kHideNothing);
  }
}

// A machine beneath takes them, or they do not exist; no more than rax may change.
void Vmcalls(const Options& options) {
  if (!options.vmcalls) {
    Say("vmcall and vmmcall were left out");
    return;
  }
  InitMachine();
  for (const Instruction& i : kVmcalls) {
    State state = PointingState();
    const Caught caught = TryCode(i.code, state);
    state.regs.rax = caught.regs.rax;
    const bool changed = memcmp(&state.regs, &caught.regs, kGprs * 8) != 0;
    const bool good = Ran(caught, i.code.size()) || (caught.signo == SIGILL && caught.regs.rip == kScratchCode);
    Say("%s: %s", i.name, good && !changed ? "refused" : Describe(state, caught).c_str());
  }
}

constexpr Case kCases[] = {
    {"privileged", [](const Options&) { TryAll(kPrivileged); }},
    {"virtual", [](const Options&) { TryAll(kVirtual); }},
    {"vmcalls", Vmcalls},
    {"odd", [](const Options&) { TryAll(kOdd); }},
    {"msrs", Msrs},
    {"debug_registers", DebugRegisters},
};

}  // namespace

std::span<const Case> PrivilegedCases() { return kCases; }

}  // namespace hostile
