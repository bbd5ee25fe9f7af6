// Addresses that no user has: the upper half, the hole before it, and the vsyscall page.
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include <string>
#include <vector>

#include "test/hostile/cases.h"
#include "test/hostile/layout.h"
#include "test/hostile/output.h"
#include "test/hostile/raw.h"

namespace hostile {
namespace {

using namespace std::string_view_literals;

constexpr uint64_t kVsyscall = 0xffff'ffff'ff60'0000;

std::vector<uint64_t> Addresses(bool full) {
  std::vector<uint64_t> list;
  const auto around = [&](uint64_t address) {
    for (const uint64_t distance : {uint64_t{0}, uint64_t{8}, -uint64_t{8}, -uint64_t{1}})
      list.push_back(address + distance);
  };
  for (int bit = 47; bit < 64; bit++) {
    around(uint64_t{1} << bit);
    around(~uint64_t{0} << bit);
    around((uint64_t{1} << bit) | 0x1234'5678);
  }
  for (int bit = 12; bit < 47; bit++) around(~uint64_t{0} << bit);
  for (uint64_t slot = 256; slot < 512; slot++) {
    const uint64_t base = 0xffff'0000'0000'0000 | slot << 39;
    list.push_back(base);
    list.push_back(base + (uint64_t{1} << 38));
    list.push_back(base + (uint64_t{1} << 39) - 8);
    if (!full) continue;
    for (uint64_t part = 1; part < 64; part++) list.push_back(base + (part << 33) + (part * 0x1001000 & ~uint64_t{7}));
  }
  // The kernel's text and modules, fixmap, and the last pages.
  for (uint64_t page = 0; page < (full ? 4096 : 64); page++) {
    list.push_back(0xffff'ffff'8000'0000 + (page << 12));
    list.push_back(-((page + 1) << 12));
    if (page < 1024) list.push_back(0xffff'ffff'8000'0000 + (page << 21));
  }
  for (uint64_t page = 0; page < (full ? 256 : 16); page++) list.push_back(kVsyscall - (page << 12) - 8);
  return list;
}

// The address is told only if it is another one.
std::string DescribeAt(const State& state, const Caught& caught, uint64_t address) {
  std::string text = Describe(state, caught, kHideRegisters);
  const auto replace = [&](const std::string& from, const char* to) {
    if (const size_t at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
  };
  replace(Format(" addr=%#lx ", address), " addr=it ");
  replace(Format(" cr2=%#lx ", address), " cr2=it ");
  replace(Format(" rip=%#lx ", address), " rip=it ");
  return text;
}

void Touch(const Options& options) {
  InitMachine();
  struct Way {
    const char* name;
    std::string_view code;
  };
  constexpr Way kWays[] = {
      {"load", "\x48\x8b\x07"sv},    {"store", "\x48\x89\x07"sv},        {"jmp", "\xff\xe7"sv},
      {"rsp", "\x48\x89\xfc\x50"sv}, {"lock", "\xf0\x48\x0f\xc1\x07"sv}, {"movups", "\x0f\x10\x07"sv}};
  const std::vector<uint64_t> addresses = Addresses(options.full);
  Say("%zu addresses, %lx", addresses.size(), Hash(addresses.data(), addresses.size() * 8));
  for (const Way& way : kWays) {
    Ranges ranges(way.name);
    PutCode(way.code);
    uint64_t number = 0;
    for (const uint64_t address : addresses) {
      State state = PlainState();
      state.regs.rdi = address;
      // Elsewhere vsyscalls, below.
      const bool skip = way.name == "jmp"sv && address >> 12 == kVsyscall >> 12;
      ranges.Add(number++, skip ? "-" : DescribeAt(state, EnterBySigreturn(state), address));
    }
  }
  // The frame's rip itself.
  Ranges ranges("sigreturn");
  uint64_t number = 0;
  for (const uint64_t address : addresses) {
    State state = PlainState();
    state.regs.rip = address;
    const bool skip = address >> 12 == kVsyscall >> 12;
    ranges.Add(number++, skip ? "-" : DescribeAt(state, EnterBySigreturn(state), address));
  }
}

// Calls with such pointers: EFAULT, and nothing else.
void Pointers(const Options& options) {
  InitMachine();
  Ranges ranges("calls");
  uint64_t number = 0;
  for (const uint64_t address : Addresses(options.full)) {
    const iovec vector = {reinterpret_cast<void*>(address), 16};
    const long results[] = {
        Raw(SYS_clock_gettime, CLOCK_MONOTONIC, address),
        Raw(SYS_rt_sigprocmask, 0, address, nullptr, 8),
        Raw(SYS_uname, address),
        Raw(SYS_pipe, address),
        Raw(SYS_nanosleep, address, nullptr),
        Raw(SYS_stat, address, kData),
        Raw(SYS_writev, 1, address, 1),
        Raw(SYS_writev, 1, &vector, 1),
        Raw(SYS_getcwd, address, 100),
    };
    std::string text;
    for (const long result : results) text += Format("%ld ", result);
    ranges.Add(number++, text);
  }
  for (const uint64_t address :
       {kVsyscall, kVsyscall + 8, uint64_t{0x7fff'ffff'f000}, uint64_t{0x8000'0000'0000} - 8}) {
    Say("mmap at %#lx: %ld", address, Raw(SYS_mmap, address & ~uint64_t{0xfff}, kPage, 3, 0x32, -1, 0));
    Say("munmap at %#lx: %ld", address, Raw(SYS_munmap, address & ~uint64_t{0xfff}, kPage));
    Say("mprotect at %#lx: %ld", address, Raw(SYS_mprotect, address & ~uint64_t{0xfff}, kPage, 7));
    Say("madvise at %#lx: %ld", address, Raw(SYS_madvise, address & ~uint64_t{0xfff}, kPage, 4));
    Say("mremap at %#lx: %ld", address, Raw(SYS_mremap, kData, kPage, kPage, 3, address & ~uint64_t{0xfff}));
  }
}

// Jumps into the vsyscall page: its three entries make calls, all else is SIGSEGV.
void Vsyscall(const Options& options) {
  InitMachine();
  const auto call = [](uint64_t target, const State& given) {
    State state = given;
    state.regs.rax = target;
    return TryCode("\xff\xd0"sv, state);
  };
  State state = PlainState();
  for (const uint64_t offset : {0, 0x400, 0x800}) {
    state.regs.rdi = kData + 0x100;
    state.regs.rsi = 0;
    const Caught caught = call(kVsyscall + offset, state);
    const bool ran = Ran(caught, 2);
    // The result is time, or a place: only that all else is kept.
    Say("vsyscall %#lx: %s rsp %s", offset, ran ? "ran" : Describe(state, caught).c_str(),
        caught.regs.rsp == state.regs.rsp ? "kept" : "moved");
    if (!ran) continue;
    Say("  rdi %s, rbx %s, r12 %s", caught.regs.rdi == state.regs.rdi ? "kept" : "lost",
        caught.regs.rbx == state.regs.rbx ? "kept" : "lost", caught.regs.r12 == state.regs.r12 ? "kept" : "lost");
    // Pointers that are not good.
    for (const uint64_t pointer : {kReadOnly, kUnmapped, kNone, uint64_t{8}, uint64_t{0x8000'0000'0000}, kVsyscall + 8,
                                   ~uint64_t{7}, kData + kPage - 4}) {
      state.regs.rdi = pointer;
      const Caught bad = call(kVsyscall + offset, state);
      Say("vsyscall %#lx(%#lx): %s", offset, pointer,
          Ran(bad, 2) ? Format("ran, %s", bad.regs.rax > ~uint64_t{4095} ? "failed" : "good").c_str()
                      : Describe(state, bad, kHideRegisters).c_str());
    }
    // Return addresses that are not good.
    for (const uint64_t rsp : {kUnmapped, uint64_t{0}, uint64_t{0x8000'0000'0000}, ~uint64_t{7}}) {
      State jump = PlainState();
      jump.regs.rdi = 0;
      jump.regs.rip = kVsyscall + offset;
      jump.regs.rsp = rsp;
      Report(Format("vsyscall %#lx, rsp %#lx", offset, rsp), jump, EnterBySigreturn(jump), kHideRegisters);
    }
    State jump = PlainState();
    jump.regs.rdi = 0;
    jump.regs.rsi = 0;
    jump.regs.rip = kVsyscall + offset;
    jump.regs.eflags |= 0x100;
    const uint64_t back = kScratchCode + 0x100;
    memset(reinterpret_cast<void*>(back), 0x90, 16);
    memcpy(reinterpret_cast<void*>(jump.regs.rsp), &back, 8);
    Report(Format("vsyscall %#lx, TF", offset), jump, EnterBySigreturn(jump), kHideRegisters);
  }
  Ranges ranges("vsyscall");
  for (uint64_t offset = 1; offset < 0x1000; offset += options.full ? 1 : 61) {
    if (offset % 0x400 == 0 && offset < 0xc00) continue;
    ranges.Add(offset, DescribeAt(state, call(kVsyscall + offset, state), kVsyscall + offset));
  }
  for (const uint64_t offset : {0x0, 0x8, 0x400, 0xff8}) {
    state.regs.rdi = kVsyscall + offset;
    Report(Format("load of vsyscall %#lx", offset), state, TryCode("\x48\x8b\x07"sv, state));
    Report(Format("store to vsyscall %#lx", offset), state, TryCode("\x48\x89\x07"sv, state));
    Say("write() of it: %ld", Raw(SYS_write, 1, kVsyscall + offset, 8));
  }
}

constexpr Case kCases[] = {
    {"high_half", Touch},
    {"high_half_pointers", Pointers},
    {"vsyscall", Vsyscall},
};

}  // namespace

std::span<const Case> HighHalfCases() { return kCases; }

}  // namespace hostile
