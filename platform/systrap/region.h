// What a trapped guest thread and the sentry exchange: the words at the end of the
// thread's region (platform/stub/layout.h). At its start is a page that the stub can
// only read, of answers to calls; then comes the stack of its signal
// handler (trap_entry.S), and on it, while the thread waits, the signal frame with
// the guest's registers, which the sentry reads and writes in place.
//
// The guest can write all of this. It can only harm itself by it: the sentry reads
// each word once, believes no address, and keeps nothing of its own here.
#ifndef PLATFORM_SYSTRAP_REGION_H_
#define PLATFORM_SYSTRAP_REGION_H_

#include "platform/stub/layout.h"

#define REGION_WORDS (STUB_REGION_SIZE - 512)
// By the number of the call: 0, or its answer and one.
#define REGION_ANSWERS 0
#define REGION_MAX_ANSWERS (STUB_REGION_READ_ONLY / 8)
#define REGION_STACK STUB_REGION_READ_ONLY

// Offsets in the region, for the assembler; checked below.
#define REGION_TURN (REGION_WORDS + 0)
#define REGION_SENTRY_SLEEPS (REGION_WORDS + 4)
#define REGION_STUB_SLEEPS (REGION_WORDS + 8)
#define REGION_KICK (REGION_WORDS + 12)
#define REGION_COMMAND (REGION_WORDS + 16)
#define REGION_EVENT (REGION_WORDS + 20)
#define REGION_SPIN (REGION_WORDS + 24)
#define REGION_FRAME (REGION_WORDS + 32)
#define REGION_FS_BASE (REGION_WORDS + 40)
#define REGION_GS_BASE (REGION_WORDS + 48)
// Of a call from a rewritten site: rcx before it, and the registers to save.
#define REGION_SITE_RCX (REGION_WORDS + 88)
#define REGION_SELF (REGION_WORDS + 96)
#define REGION_CALL (REGION_WORDS + 128)
#define CALL_RAX (REGION_CALL + 0)
#define CALL_RDI (REGION_CALL + 8)
#define CALL_RSI (REGION_CALL + 16)
#define CALL_RDX (REGION_CALL + 24)
#define CALL_R10 (REGION_CALL + 32)
#define CALL_R8 (REGION_CALL + 40)
#define CALL_R9 (REGION_CALL + 48)
#define CALL_RCX (REGION_CALL + 56)
#define CALL_R11 (REGION_CALL + 64)
#define CALL_RSP (REGION_CALL + 72)
#define CALL_RBX (REGION_CALL + 80)
#define CALL_RBP (REGION_CALL + 88)
#define CALL_R12 (REGION_CALL + 96)
#define CALL_R13 (REGION_CALL + 104)
#define CALL_R14 (REGION_CALL + 112)
#define CALL_R15 (REGION_CALL + 120)

// REGION_COMMAND. After a trap: by rt_sigreturn, which restores everything; by loading
// the registers, integer ones as they are after a system call. After a call: back with
// rax; a trap first, so that there is a frame. After both: the thread's end.
#define COMMAND_RESUME 0
#define COMMAND_RESUME_FAST 1
#define COMMAND_EXIT 2
#define COMMAND_RETURN 3
#define COMMAND_TRAP 4

// REGION_EVENT, beside the signals of traps: a call; a kick that came before its
// return, without a frame; and one that came in the middle of it, with a frame whose
// integer registers are those of the call.
#define EVENT_CALL 128
#define EVENT_CALL_KICKED 129
#define EVENT_CALL_TAKEN_BACK 130

// Offsets in the host's struct ucontext, and of siginfo behind it.
#define UC_STACK 16
#define UC_REGISTERS 40
#define UC_R8 (UC_REGISTERS + 0)
#define UC_R9 (UC_REGISTERS + 8)
#define UC_R10 (UC_REGISTERS + 16)
#define UC_R11 (UC_REGISTERS + 24)
#define UC_R12 (UC_REGISTERS + 32)
#define UC_R13 (UC_REGISTERS + 40)
#define UC_R14 (UC_REGISTERS + 48)
#define UC_R15 (UC_REGISTERS + 56)
#define UC_RDI (UC_REGISTERS + 64)
#define UC_RSI (UC_REGISTERS + 72)
#define UC_RBP (UC_REGISTERS + 80)
#define UC_RBX (UC_REGISTERS + 88)
#define UC_RDX (UC_REGISTERS + 96)
#define UC_RAX (UC_REGISTERS + 104)
#define UC_RCX (UC_REGISTERS + 112)
#define UC_RSP (UC_REGISTERS + 120)
#define UC_RIP (UC_REGISTERS + 128)
#define UC_EFLAGS (UC_REGISTERS + 136)
#define UC_SELECTORS (UC_REGISTERS + 144)
#define UC_FPSTATE 224
#define UC_MASK 296
#define UC_SIGINFO 304

#ifndef __ASSEMBLER__
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace platform::systrap {

// In the order of the CALL_ offsets; rip is rcx, eflags r11.
struct CallRegisters {
  uint64_t rax, rdi, rsi, rdx, r10, r8, r9, rcx, r11, rsp, rbx, rbp, r12, r13, r14, r15;
};
static_assert(offsetof(CallRegisters, r15) == CALL_R15 - REGION_CALL);

struct RegionWords {
  // Whose turn it is: 0 the guest's, 1 the sentry's. The futex that both wait on.
  std::atomic<uint32_t> turn;
  std::atomic<uint32_t> sentry_sleeps, stub_sleeps;  // set around a wait for turn
  std::atomic<uint32_t> kick;                        // the guest may not go on
  // By the sentry, before it gives the turn.
  std::atomic<uint32_t> command;
  // By the stub, before it does: the signal that came, kKickSignal for a kick.
  std::atomic<uint32_t> event;
  std::atomic<uint32_t> spin;  // by the sentry, at any time: how many TSC ticks the stub waits awake
  uint32_t padding;
  std::atomic<uint64_t> frame;  // address of the ucontext in the stub
  // What the guest has, then what it will get.
  std::atomic<uint64_t> fs_base, gs_base;
  uint64_t padding2[4];
  std::atomic<uint64_t> site_rcx;
  std::atomic<uint64_t> self;  // by the sentry, at the start: where these words are in the stub
  uint64_t padding3[3];
  CallRegisters call;
};
#define REGION_CHECK(member, offset) static_assert(offsetof(RegionWords, member) + REGION_WORDS == (offset))
REGION_CHECK(turn, REGION_TURN);
REGION_CHECK(sentry_sleeps, REGION_SENTRY_SLEEPS);
REGION_CHECK(stub_sleeps, REGION_STUB_SLEEPS);
REGION_CHECK(kick, REGION_KICK);
REGION_CHECK(command, REGION_COMMAND);
REGION_CHECK(event, REGION_EVENT);
REGION_CHECK(spin, REGION_SPIN);
REGION_CHECK(frame, REGION_FRAME);
REGION_CHECK(fs_base, REGION_FS_BASE);
REGION_CHECK(gs_base, REGION_GS_BASE);
REGION_CHECK(site_rcx, REGION_SITE_RCX);
REGION_CHECK(self, REGION_SELF);
REGION_CHECK(call, REGION_CALL);
#undef REGION_CHECK

}  // namespace platform::systrap
#endif  // __ASSEMBLER__

#endif  // PLATFORM_SYSTRAP_REGION_H_
