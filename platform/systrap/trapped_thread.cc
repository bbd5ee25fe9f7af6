#include "platform/systrap/trapped_thread.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "sentry/arch/amd64/signal_frame.h"

namespace platform::systrap {
namespace {

using base::Errno;
using base::Result;
using sentry::arch::FpState;
using sentry::arch::Registers;

constexpr uint64_t kUserCs = 0x33, kUserSs = 0x2b;
constexpr uint64_t kTrapFlag = 0x100;
// The host refuses bases from here on, and so do the instructions that set them.
constexpr uint64_t kTaskSize = 0x7ffffffff000;
// Of ucontext and siginfo behind it.
constexpr size_t kFrameSize = UC_SIGINFO + sizeof(siginfo_t);

// The registers of a struct sigcontext, in its order.
struct FrameRegisters {
  uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
  uint64_t selectors;  // cs, gs, fs, ss
  uint64_t error_code, trap_number, mask, cr2, fpstate;
};
static_assert(offsetof(FrameRegisters, fpstate) + UC_REGISTERS == UC_FPSTATE);
static_assert(offsetof(FrameRegisters, rip) + UC_REGISTERS == UC_RIP);

// Fields of siginfo_t, by man 2 sigaction.
struct FrameInfo {
  int32_t signo, error, code, padding;
  uint64_t addr;
  int32_t syscall;
  uint32_t arch;
};

// What a frame and a call have saved alike; rip, eflags and bases are the caller's.
template <typename Saved>
Registers FromSaved(const Saved& saved) {
  Registers regs = {};
  regs.r15 = saved.r15;
  regs.r14 = saved.r14;
  regs.r13 = saved.r13;
  regs.r12 = saved.r12;
  regs.rbp = saved.rbp;
  regs.rbx = saved.rbx;
  regs.r11 = saved.r11;
  regs.r10 = saved.r10;
  regs.r9 = saved.r9;
  regs.r8 = saved.r8;
  regs.rax = saved.rax;
  regs.rcx = saved.rcx;
  regs.rdx = saved.rdx;
  regs.rsi = saved.rsi;
  regs.rdi = saved.rdi;
  regs.rsp = saved.rsp;
  regs.orig_rax = ~uint64_t{0};
  regs.cs = kUserCs;
  regs.ss = kUserSs;
  return regs;
}

long Futex(std::atomic<uint32_t>& word, int op, uint32_t value, const timespec* timeout) {
  return syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), op, value, timeout, nullptr, 0);
}

int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

Result<std::unique_ptr<TrappedThread>> TrappedThread::Start(std::shared_ptr<stub::StubProcess> stub,
                                                            const std::atomic<bool>& kicked) {
  const stub::GuestThread thread = TRY(stub->NewThread());
  std::unique_ptr<TrappedThread> trapped(new TrappedThread(std::move(stub), thread));
  Trap trap;
  Registers regs;
  // A sibling can take the new thread over before we have seen it.
  for (int overdue = 0; !trapped->Await();) {
    if (!trapped->Exists()) return Errno::kESRCH;
    if (kicked.load(std::memory_order_relaxed) && ++overdue >= kKickChecks) return Errno::kESRCH;
  }
  if (!trapped->Read(trap, regs)) return Errno::kESRCH;
  return trapped;
}

TrappedThread::TrappedThread(std::shared_ptr<stub::StubProcess> stub, stub::GuestThread thread)
    : stub_(std::move(stub)), thread_(thread), words_(*reinterpret_cast<RegionWords*>(thread.region + REGION_WORDS)) {
  words_.self.store(Self(), std::memory_order_relaxed);
}

TrappedThread::~TrappedThread() {
  if (our_turn_) {
    GiveTurn(COMMAND_EXIT);
  } else {
    stub_->Kill();
  }
  stub_->ThreadGone(thread_);
}

bool TrappedThread::Await() {
  constexpr int64_t kCheckNs = int64_t{kCheckMs} * 1'000'000;
  words_.sentry_sleeps.store(1, std::memory_order_seq_cst);
  uint32_t turn;
  int64_t left = kCheckNs, end = 0;
  // The guest can wake us at any rate, and write there what is nobody's turn: neither
  // may keep us from the check.
  while ((turn = words_.turn.load(std::memory_order_seq_cst)) != 1 && left > 0) {
    const timespec timeout = {0, left};
    if (Futex(words_.turn, FUTEX_WAIT, turn, &timeout) != 0 && errno == ETIMEDOUT) break;
    if (words_.turn.load(std::memory_order_seq_cst) == 1) continue;
    if (end == 0) end = NowNs() + kCheckNs;
    left = std::min(end - NowNs(), kCheckNs);
  }
  words_.sentry_sleeps.store(0, std::memory_order_relaxed);
  our_turn_ = turn == 1;
  return our_turn_;
}

bool TrappedThread::Exists() const { return !stub_->Lost() && syscall(SYS_tgkill, stub_->pid(), thread_.tid, 0) == 0; }

void TrappedThread::ReadCall(Registers& regs) {
  memcpy(&call_, &words_.call, sizeof(call_));
  call_fs_base_ = words_.fs_base.load(std::memory_order_relaxed);
  call_rip_ = call_.rcx;
  regs = FromSaved(call_);
  regs.rip = call_.rcx;
  regs.eflags = call_.r11;
  regs.fs_base = call_fs_base_;
}

bool TrappedThread::IsReturn(const Registers& regs) const {
  return regs.rip == call_rip_ && regs.rcx == call_rip_ && regs.r11 == call_.r11 && regs.eflags == call_.r11 &&
         regs.rsp == call_.rsp && regs.rdi == call_.rdi && regs.rsi == call_.rsi && regs.rdx == call_.rdx &&
         regs.r10 == call_.r10 && regs.r8 == call_.r8 && regs.r9 == call_.r9 && regs.rbx == call_.rbx &&
         regs.rbp == call_.rbp && regs.r12 == call_.r12 && regs.r13 == call_.r13 && regs.r14 == call_.r14 &&
         regs.r15 == call_.r15 && regs.fs_base == call_fs_base_ && regs.gs_base == 0;
}

bool TrappedThread::EnsureFrame() {
  if (!in_call_) return true;
  GiveTurn(COMMAND_TRAP);
  for (int waited = 0; !Await(); waited++) {
    if (!Exists() || waited > kKickChecks) return false;
  }
  Trap trap;
  Registers regs;
  return Read(trap, regs) && trap.signo == SIGSYS;
}

bool TrappedThread::Read(Trap& trap, Registers& regs) {
  trap = {};
  trap.signo = static_cast<int>(words_.event.load(std::memory_order_relaxed));
  in_call_ = trap.signo == EVENT_CALL || trap.signo == EVENT_CALL_KICKED;
  if (in_call_) {
    ReadCall(regs);
    if (trap.signo == EVENT_CALL_KICKED) trap.signo = kKickSignal;
    return true;
  }
  const bool taken_back = trap.signo == EVENT_CALL_TAKEN_BACK;
  if (taken_back) trap.signo = kKickSignal;
  const uint64_t offset = words_.frame.load(std::memory_order_relaxed) - thread_.region_address;
  if (offset % 8 != 0 || offset > REGION_WORDS - kFrameSize) return false;
  frame_ = thread_.region + offset;
  FrameRegisters frame;
  memcpy(&frame, frame_ + UC_REGISTERS, sizeof(frame));
  FrameInfo info;
  memcpy(&info, frame_ + UC_SIGINFO, sizeof(info));
  trap = {.signo = trap.signo,
          .code = info.code,
          .addr = info.addr,
          .syscall = info.syscall,
          .arch = info.arch,
          .error_code = frame.error_code,
          .number = frame.trap_number,
          .cr2 = frame.cr2};
  fpstate_ = frame.fpstate;
  from_syscall_ = trap.signo == SIGSYS;
  regs = FromSaved(frame);
  regs.rip = frame.rip;
  regs.eflags = frame.eflags;
  regs.fs_base = words_.fs_base.load(std::memory_order_relaxed);
  regs.gs_base = words_.gs_base.load(std::memory_order_relaxed);
  // The guest's GS is ours while it has none.
  if (regs.gs_base == Self()) regs.gs_base = 0;
  if (taken_back) ReadCall(regs);
  return true;
}

std::span<std::byte> TrappedThread::FpFrame(uint64_t address) const {
  const uint64_t offset = address - thread_.region_address;
  if (offset > REGION_WORDS || REGION_WORDS - offset < sentry::arch::FpFrameSize()) return {};
  return {thread_.region + offset, sentry::arch::FpFrameSize()};
}

bool TrappedThread::GetFpState(FpState& out) {
  if (!EnsureFrame()) return false;
  const std::span<std::byte> shared = FpFrame(fpstate_);
  if (shared.empty()) return false;
  // Copied first: it could change while it is parsed.
  const std::vector<std::byte> frame(shared.begin(), shared.end());
  sentry::arch::ParseFpFrame(frame, out);
  return true;
}

bool TrappedThread::Resume(const Registers& regs, const FpState* fp) {
  if (in_call_ && fp == nullptr && IsReturn(regs)) {
    std::atomic_ref(words_.call.rax).store(regs.rax, std::memory_order_relaxed);
    GiveTurn(COMMAND_RETURN);
    return true;
  }
  if (!EnsureFrame()) return false;
  const FrameRegisters frame = {
      .r8 = regs.r8,
      .r9 = regs.r9,
      .r10 = regs.r10,
      .r11 = regs.r11,
      .r12 = regs.r12,
      .r13 = regs.r13,
      .r14 = regs.r14,
      .r15 = regs.r15,
      .rdi = regs.rdi,
      .rsi = regs.rsi,
      .rbp = regs.rbp,
      .rbx = regs.rbx,
      .rdx = regs.rdx,
      .rax = regs.rax,
      .rcx = regs.rcx,
      .rsp = regs.rsp,
      .rip = regs.rip,
      .eflags = (regs.eflags & sentry::arch::kUserEflagsMask) | 0x202,
      .selectors = kUserCs | kUserSs << 48,
      .error_code = 0,
      .trap_number = 0,
      .mask = 0,
      .cr2 = 0,
      .fpstate = fpstate_,
  };
  memcpy(frame_ + UC_REGISTERS, &frame, sizeof(frame));
  if (fp != nullptr) {
    const std::span<std::byte> shared = FpFrame(fpstate_);
    if (shared.empty()) return false;
    sentry::arch::BuildFpFrame(*fp, shared);
  }
  if (regs.fs_base < kTaskSize) words_.fs_base.store(regs.fs_base, std::memory_order_relaxed);
  const uint64_t gs_base = regs.gs_base == 0 ? Self() : regs.gs_base;
  if (gs_base < kTaskSize) words_.gs_base.store(gs_base, std::memory_order_relaxed);
  const bool fast =
      from_syscall_ && regs.rcx == regs.rip && regs.r11 == frame.eflags && (frame.eflags & kTrapFlag) == 0;
  GiveTurn(fast ? COMMAND_RESUME_FAST : COMMAND_RESUME);
  return true;
}

void TrappedThread::ResumeUnchanged() { GiveTurn(in_call_ ? COMMAND_RETURN : COMMAND_RESUME); }

void TrappedThread::GiveTurn(uint32_t command) {
  our_turn_ = false;
  words_.command.store(command, std::memory_order_relaxed);
  words_.turn.store(0, std::memory_order_seq_cst);
  if (words_.stub_sleeps.load(std::memory_order_seq_cst) != 0) Futex(words_.turn, FUTEX_WAKE, 1, nullptr);
}

void TrappedThread::Kick() {
  words_.kick.store(1, std::memory_order_seq_cst);
  syscall(SYS_tgkill, stub_->pid(), thread_.tid, kKickSignal);
}

}  // namespace platform::systrap
