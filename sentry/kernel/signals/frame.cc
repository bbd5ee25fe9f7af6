// The signal frame on the guest's stack: struct rt_sigframe of x86-64 Linux
// (arch/x86/kernel/signal_64.c), and the way back through rt_sigreturn.
#include <cstddef>
#include <cstring>
#include <vector>

#include "sentry/arch/amd64/signal_frame.h"
#include "sentry/kernel/task_impl.h"
#include "sentry/usermem/user_ptr.h"

namespace sentry {
namespace {

struct SigContext {
  uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
  uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
  uint16_t cs, gs, fs, ss;
  uint64_t err, trapno, oldmask, cr2;
  uint64_t fpstate;
  uint64_t reserved[8];
};
static_assert(sizeof(SigContext) == 256);

struct UContext {
  uint64_t flags;
  uint64_t link;
  abi::SigAltStack stack;
  SigContext mcontext;
  SignalSet sigmask;
};
static_assert(sizeof(UContext) == 304);

struct RtSigFrame {
  uint64_t return_address;
  UContext uc;
  SigInfo info;
};
static_assert(sizeof(RtSigFrame) == 440 && offsetof(RtSigFrame, uc) == 8);

constexpr uint64_t kUcFpXstate = 1, kUcSigContextSs = 2, kUcStrictRestoreSs = 4;
constexpr uint64_t kRedZone = 128;
constexpr uint64_t kUserCs = 0x33, kUserDs = 0x2b;
constexpr uint64_t kTrapProtection = 13;
constexpr uint64_t kHoleStart = uint64_t{1} << 47, kHoleEnd = ~kHoleStart + 1;  // no canonical addresses
constexpr uint64_t kEflagsTf = 0x100, kEflagsDf = 0x400, kEflagsRf = 0x10000;
// Linux's FIX_EFLAGS: what sigreturn takes from the frame.
constexpr uint64_t kFixEflags = 0x00050dd5;

// Linux's on_sig_stack and sas_ss_flags. An auto-disarming stack never counts
// as in use: it is disarmed while it is.
bool OnAltStack(const abi::SigAltStack& stack, uint64_t sp) {
  if (stack.flags & abi::kSsAutoDisarm) return false;
  return sp > stack.sp && sp - stack.sp <= stack.size;
}
bool Usable(const abi::SigAltStack& stack) { return stack.size != 0 && !(stack.flags & abi::kSsDisable); }

struct FramePlace {
  uint64_t frame;
  uint64_t fpstate;
};

// Where frame and FPU state go; nothing: the alternate stack is too small.
std::optional<FramePlace> PlaceFrame(uint64_t rsp, const abi::SigAltStack& alt, bool on_stack) {
  uint64_t sp = rsp - kRedZone;
  const bool nested = OnAltStack(alt, sp);
  bool entering = false;
  if (on_stack && Usable(alt) && !nested) {
    sp = alt.sp + alt.size;
    entering = true;
  }
  const uint64_t fpstate = (sp - arch::FpFrameSize()) & ~(arch::kFpFrameAlignment - 1);
  const uint64_t frame = ((fpstate - sizeof(RtSigFrame)) & ~uint64_t{15}) - 8;
  if ((nested || entering) && !(frame > alt.sp && frame - alt.sp <= alt.size)) return std::nullopt;
  return FramePlace{.frame = frame, .fpstate = fpstate};
}

void SaveRegisters(const arch::Registers& r, SigContext& c) {
  c.r8 = r.r8, c.r9 = r.r9, c.r10 = r.r10, c.r11 = r.r11;
  c.r12 = r.r12, c.r13 = r.r13, c.r14 = r.r14, c.r15 = r.r15;
  c.rdi = r.rdi, c.rsi = r.rsi, c.rbp = r.rbp, c.rbx = r.rbx;
  c.rdx = r.rdx, c.rax = r.rax, c.rcx = r.rcx, c.rsp = r.rsp;
  c.rip = r.rip, c.eflags = r.eflags;
  c.cs = static_cast<uint16_t>(r.cs);
  c.ss = static_cast<uint16_t>(r.ss);
}

void RestoreRegisters(const SigContext& c, arch::Registers& r) {
  r.r8 = c.r8, r.r9 = c.r9, r.r10 = c.r10, r.r11 = c.r11;
  r.r12 = c.r12, r.r13 = c.r13, r.r14 = c.r14, r.r15 = c.r15;
  r.rdi = c.rdi, r.rsi = c.rsi, r.rbp = c.rbp, r.rbx = c.rbx;
  r.rdx = c.rdx, r.rax = c.rax, r.rcx = c.rcx, r.rsp = c.rsp;
  r.rip = c.rip;
  r.eflags = (r.eflags & ~kFixEflags) | (c.eflags & kFixEflags);
  // In ring 3, whatever the frame says.
  r.cs = c.cs | uint64_t{3};
  r.ss = c.ss | uint64_t{3};
  r.orig_rax = UINT64_MAX;  // not in a call: nothing to restart
}

// The error code with which iret refuses the selectors of a frame, at the frame's rip.
std::optional<uint64_t> IretError(const arch::Registers& r) {
  if (r.cs == kUserCs && r.ss == kUserDs) return std::nullopt;
  constexpr uint64_t kInLdt = 4;
  if (r.ss & kInLdt) return 0;  // Linux's way to 16-bit stacks (espfix) tells none
  if (r.cs != kUserCs) return r.cs & ~uint64_t{3};
  const bool canonical = r.rip < kHoleStart || r.rip >= kHoleEnd;
  return canonical ? r.ss & ~uint64_t{3} : 0;
}

}  // namespace

bool Task::PushSignalFrame(const Delivery& delivery, SignalSet mask) {
  const abi::SigAction& action = delivery.action;
  if (!(action.flags & abi::kSaRestorer)) return false;
  const std::optional<FramePlace> place = PlaceFrame(regs_.rsp, altstack_, action.flags & abi::kSaOnStack);
  if (!place) return false;

  arch::FpState fp;
  if (!context_->GetFpState(fp).ok()) return false;
  std::vector<std::byte> fp_frame(arch::FpFrameSize());
  arch::BuildFpFrame(fp, fp_frame);
  if (!CopyOutFull(*mm_, UserAddr(place->fpstate), fp_frame).ok()) return false;

  RtSigFrame frame = {};
  frame.return_address = action.restorer;
  frame.uc.flags = kUcFpXstate | kUcSigContextSs | kUcStrictRestoreSs;
  frame.uc.stack = altstack_;
  SaveRegisters(regs_, frame.uc.mcontext);
  frame.uc.mcontext.err = impl_->fault_error;
  frame.uc.mcontext.trapno = impl_->fault_trap;
  frame.uc.mcontext.cr2 = impl_->fault_address;
  frame.uc.mcontext.oldmask = mask.bits;
  frame.uc.mcontext.fpstate = place->fpstate;
  frame.uc.sigmask = mask;
  frame.info = delivery.info;
  if (!CopyOutFull(*mm_, UserAddr(place->frame), std::as_bytes(std::span(&frame, 1))).ok()) return false;

  regs_.rip = action.handler;
  regs_.rsp = place->frame;
  regs_.rdi = static_cast<uint64_t>(delivery.info.signo);
  regs_.rsi = place->frame + offsetof(RtSigFrame, info);
  regs_.rdx = place->frame + offsetof(RtSigFrame, uc);
  regs_.rax = 0;
  regs_.cs = kUserCs;
  regs_.ss = kUserDs;
  regs_.eflags &= ~(kEflagsDf | kEflagsRf | kEflagsTf);
  regs_.orig_rax = UINT64_MAX;
  return true;
}

namespace {

Result<void> ReadFpFrame(UserMemory& mem, UserAddr addr, arch::FpState& fp) {
  if (addr.is_null()) return Ok();  // initial state
  std::vector<std::byte> bytes(arch::kFpLegacySize);
  TRY(CopyInFull(mem, addr, bytes));
  const size_t total = arch::FpFrameBytesToRead(bytes);
  if (total > bytes.size()) {
    bytes.resize(total);
    TRY(CopyInFull(mem, addr, bytes));
  }
  if (!arch::FpFrameLoads(bytes, addr.value)) return Errno::kEFAULT;
  arch::ParseFpFrame(bytes, fp);
  return Ok();
}

}  // namespace

SyscallResult Task::ReturnFromSignal() {
  // `ret` took the return address off the frame: it may be gone.
  const UserAddr addr(regs_.rsp);
  UContext uc;
  if (!CopyInFull(*mm_, addr, std::as_writable_bytes(std::span(&uc, 1))).ok()) {
    ForceSignal({.signo = abi::kSigSegv, .code = abi::kSiKernel});
    return NoReturn{};
  }
  SetBlocked(uc.sigmask);
  RestoreRegisters(uc.mcontext, regs_);
  if (!(uc.flags & kUcStrictRestoreSs)) regs_.ss = kUserDs;
  restart_block = std::monostate();
  impl_->restart.reset();
  arch::FpState fp;
  const bool good = ReadFpFrame(*mm_, UserAddr(uc.mcontext.fpstate), fp).ok();
  if (!good) fp.Reset();
  context_->SetFpState(fp);
  // The rest of a bad frame stands, as in Linux: the SIGSEGV shows its registers.
  if (!good) {
    ForceSignal({.signo = abi::kSigSegv, .code = abi::kSiKernel});
    return NoReturn{};
  }
  // As sigaltstack(2) would take it; Linux ignores its errors here.
  const abi::SigAltStack& stack = uc.stack;
  const int32_t mode = stack.flags & ~abi::kSsAutoDisarm;
  if (!OnAltStack(altstack_, regs_.rsp) && (mode == 0 || mode == abi::kSsOnStack || mode == abi::kSsDisable)) {
    if (mode == abi::kSsDisable) {
      altstack_ = {};
    } else if (stack.size >= abi::kMinSigStackSize) {
      altstack_ = {.sp = stack.sp, .flags = stack.flags & ~abi::kSsOnStack, .pad = 0, .size = stack.size};
    }
  }
  if (const std::optional<uint64_t> error = IretError(regs_)) {
    impl_->fault_trap = kTrapProtection;
    impl_->fault_error = *error;
    ForceSignal({.signo = abi::kSigSegv, .code = abi::kSiKernel});
  }
  return NoReturn{};
}

}  // namespace sentry
