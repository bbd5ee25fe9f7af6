// 32-bit code: Linux has a segment for it, a sandbox need not. Whatever comes of the way in,
// calls of the i386 ABI must not reach another kernel than this one.
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "test/hostile/cases.h"
#include "test/hostile/child.h"
#include "test/hostile/layout.h"
#include "test/hostile/output.h"

namespace hostile {
namespace {

using namespace std::string_view_literals;

constexpr uint64_t kLow = 0x7000'0000;  // beyond where the heap may be
constexpr uint64_t kAnswer = kLow + 0x100, kLowStack = kLow + 0x800;
constexpr uint32_t kNone = 0xffff'ffff;

struct Call {
  const char* name;
  std::string_view code;
};
// mov $20 (getpid), %eax; the call; mov %eax, kAnswer; int3
constexpr Call kCalls[] = {
    {"int 0x80", "\xb8\x14\x00\x00\x00\xcd\x80\xa3\x00\x01\x00\x70\xcc"sv},
    {"syscall", "\xb8\x14\x00\x00\x00\x0f\x05\xa3\x00\x01\x00\x70\xcc"sv},
    {"sysenter", "\xb8\x14\x00\x00\x00\x0f\x34\xa3\x00\x01\x00\x70\xcc"sv},
    {"vsyscall", "\xb8\x00\x04\x60\xff\xff\xd0\xcc"sv},
    {"nothing", "\x90\xcc"sv},
    {"hlt", "\xf4"sv},
    {"far jump back", "\xea\x00\x02\x00\x70\x33\x00"sv},
    {"push es, aaa", "\x06\x37\xcc"sv},
};

void Enter(int way, std::string_view code) {
  memcpy(reinterpret_cast<void*>(kLow), code.data(), code.size());
  memset(reinterpret_cast<void*>(kLow + 0x200), 0xcc, 16);
  State state = PlainState();
  state.regs.rdi = kData;
  state.regs.rbp = kLowStack;
  const uint64_t frame[] = {kLow, 0x23, 0x202, kLowStack, 0x2b};
  memcpy(reinterpret_cast<void*>(kStackTop), frame, sizeof(frame));
  const uint64_t far = kLow | uint64_t{0x23} << 32;
  memcpy(reinterpret_cast<void*>(kData), &far, sizeof(far));
  switch (way) {
    case 0:
      TryCode("\x48\xcf"sv, state);  // iretq
      return;
    case 1:
      state.regs.rsp = kStackTop;
      TryCode("\x48\xcb"sv, state);  // retfq
      return;
    case 2:
      state.regs.rsp = kLowStack;
      TryCode("\xff\x2f"sv, state);  // ljmp *(%rdi)
      return;
    default:
      state.regs.cs = 0x23;
      state.regs.rip = kLow;
      state.regs.rsp = kLowStack;
      EnterBySigreturn(state);
      return;
  }
}

void Compat(const Options&) {
  InitMachine();
  void* const low = reinterpret_cast<void*>(kLow);
  if (mmap(low, kPage, 7, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != low) Die("no low page");
  auto* const answer = reinterpret_cast<volatile uint32_t*>(kAnswer);
  constexpr const char* kWays[] = {"iretq", "retfq", "ljmp", "sigreturn"};
  for (int way = 0; way < 4; way++) {
    for (const Call& call : kCalls) {
      *answer = kNone;
      const pid_t pid = fork();
      if (pid == 0) {
        Enter(way, call.code);
        _exit(0);
      }
      const std::string end = Await(pid);
      // Natively it may have been answered, with the number that this kernel knows it by.
      const bool contained =
          *answer == kNone || *answer == static_cast<uint32_t>(-38) || *answer == static_cast<uint32_t>(pid);
      Say("%s, %s: %s, %s", kWays[way], call.name, end == "hang" ? "hang" : "ended",
          contained ? "contained" : Format("answered %u", *answer).c_str());
    }
  }
}

constexpr Case kCases[] = {{"compat", Compat}};

}  // namespace

std::span<const Case> CompatCases() { return kCases; }

}  // namespace hostile
