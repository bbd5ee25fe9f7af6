// Out of the guest: what the virtual CPU's state says.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_format.h"
#include "platform/kvm/exceptions.h"
#include "platform/kvm/layout.h"
#include "platform/kvm/ring0.h"
#include "platform/kvm/vcpu.h"

namespace platform::kvm {
namespace {

using sentry::arch::Registers;

constexpr uint64_t kResumeFlag = 0x10000;
constexpr uint64_t kNoSyscall = ~uint64_t{0};
constexpr uint64_t kDr6Initial = 0xffff0ff0;
constexpr uint8_t kSyscallCode[] = {0x0f, 0x05};

bool HasErrorCode(uint8_t vector) {
  constexpr uint32_t kWithCode = 1 << 8 | 0x1f << 10 | 1 << 17 | 1 << 21 | 1 << 29 | 1 << 30;
  return ((kWithCode >> vector) & 1) != 0;
}

}  // namespace

Exit Vcpu::Decode(int error, Registers& regs) {
  const kvm_sregs& s = run_->s.regs.sregs;
  const kvm_regs& r = run_->s.regs.regs;
  if (error == 0 && run_->exit_reason != KVM_EXIT_HLT) return BrokenExit();
  if (error != 0 && error != EINTR && error != EAGAIN && error != EFAULT) {
    return {.kind = Exit::Kind::kBroken, .cause = absl::StrFormat("KVM_RUN: %s", strerror(error))};
  }
  Exit exit{.kind = Exit::Kind::kNothing};
  if ((s.cs.selector & 3) == 0) {
    exit = DecodeRing0(regs);
  } else {
    regs = ToRegisters(r, s, regs);
    regs.rip = r.rip;
    regs.eflags = r.rflags;
    regs.cs = s.cs.selector;
    regs.ss = s.ss.selector;
  }
  if (error == 0) return exit;
  // On the way into an exception: the instruction will come to it again.
  DropPending(exit);
  if (error != EFAULT || exit.kind != Exit::Kind::kNothing) return exit;
  if ((s.cs.selector & 3) == 0) return {.kind = Exit::Kind::kBroken, .cause = "ring 0 lost a page"};
  exit.kind = Exit::Kind::kNoPage;
  if (run_->exit_reason == kExitMemoryFault) {
    MemoryFaultExit fault;
    std::memcpy(&fault, &run_->padding, sizeof fault);
    exit.addr = fault.gpa;
  }
  return exit;
}

// The guest's registers are those of the processor but rip, rsp, flags and selectors,
// which may be in a frame.
Registers Vcpu::ToRegisters(const kvm_regs& r, const kvm_sregs& s, const Registers& before) {
  Registers regs = before;
  regs.rax = r.rax, regs.rbx = r.rbx, regs.rcx = r.rcx, regs.rdx = r.rdx;
  regs.rsi = r.rsi, regs.rdi = r.rdi, regs.rbp = r.rbp, regs.rsp = r.rsp;
  regs.r8 = r.r8, regs.r9 = r.r9, regs.r10 = r.r10, regs.r11 = r.r11;
  regs.r12 = r.r12, regs.r13 = r.r13, regs.r14 = r.r14, regs.r15 = r.r15;
  regs.fs_base = s.fs.base, regs.gs_base = s.gs.base;
  regs.ds = s.ds.selector, regs.es = s.es.selector, regs.fs = s.fs.selector, regs.gs = s.gs.selector;
  regs.orig_rax = kNoSyscall;
  return regs;
}

// In the registers of a `syscall` just made.
Exit Vcpu::CallExit(Registers& regs) {
  regs.rip = regs.rcx;
  regs.eflags = regs.r11;
  return {.kind = Exit::Kind::kSyscall};
}

Exit Vcpu::DecodeRing0(Registers& regs) {
  const kvm_sregs& s = run_->s.regs.sregs;
  const kvm_regs& r = run_->s.regs.regs;
  const uint64_t vectors = TextAddress(ring0_vectors);
  if (r.rip >= vectors && r.rip < vectors + VECTOR_COUNT * VECTOR_SIZE) {
    return DecodeVector(static_cast<uint8_t>((r.rip - vectors) / VECTOR_SIZE), regs);
  }
  return DecodePlace(r.rip, ToRegisters(r, s, regs), regs);
}

// `now`: the registers at a place of ring 0's text that is no handler.
Exit Vcpu::DecodePlace(uint64_t place, const Registers& now, Registers& regs) {
  if (place >= TextAddress(ring0_text) && place <= TextAddress(ring0_call_exit) + 1) {
    regs = now;
    regs.cs = USER_CS;
    regs.ss = USER_SS;
    const bool answered = place == TextAddress(ring0_sysret);
    const Exit exit = CallExit(regs);
    return answered ? Exit{.kind = Exit::Kind::kNothing} : exit;
  }
  if (place >= TextAddress(ring0_compat) && place <= TextAddress(ring0_compat) + 1) {
    regs = now;
    regs.rip = static_cast<uint32_t>(now.rcx) - sizeof kSyscallCode;
    regs.eflags = now.r11;
    regs.cs = USER_CS32;
    regs.ss = USER_SS;
    return {.kind = Exit::Kind::kException, .vector = kGeneralProtection};
  }
  if (place >= TextAddress(ring0_resume_cr3) && place <= TextAddress(ring0_resume)) {
    // It did not come to the guest; nor, perhaps, to CR3.
    tag_->generation = 0;
    return {.kind = Exit::Kind::kNothing};
  }
  return {.kind = Exit::Kind::kBroken, .cause = absl::StrFormat("ring 0 stopped at %#x", place)};
}

Exit Vcpu::DecodeVector(uint8_t vector, Registers& regs) {
  const kvm_sregs& s = run_->s.regs.sregs;
  const kvm_regs& r = run_->s.regs.regs;
  uint64_t frame[6] = {};  // error code, rip, cs, flags, rsp, ss
  const size_t skip = HasErrorCode(vector) ? 0 : 1;
  const size_t size = sizeof frame - skip * 8;
  if (r.rsp < Ring0Address(RING0_STACK) || r.rsp > Ring0Address(RING0_STACK_END) - size) {
    return {.kind = Exit::Kind::kBroken, .cause = absl::StrFormat("ring 0 has its stack at %#x", r.rsp)};
  }
  std::memcpy(frame + skip, &At<std::byte>(static_cast<int64_t>(r.rsp)), size);
  Registers now = ToRegisters(r, s, regs);
  now.rsp = frame[4];
  if ((frame[2] & 3) == 0) {
    // `mov %ss` lets a debug exception of its own come first in ring 0. Linux drops it,
    // too.
    if (vector == kDebug) return DecodePlace(frame[1], now, regs);
    // Where the host plays ring 0, 32-bit code gets to half of CSTAR.
    const uint64_t compat = TextAddress(ring0_compat);
    if (vector == kPageFault && frame[1] == static_cast<uint32_t>(compat)) return DecodePlace(compat, now, regs);
    return {.kind = Exit::Kind::kBroken, .cause = absl::StrFormat("exception %d in ring 0 at %#x", vector, frame[1])};
  }
  regs = now;
  regs.rip = frame[1];
  regs.cs = frame[2];
  regs.eflags = frame[3];
  regs.ss = frame[5];
  Exit exit{.kind = Exit::Kind::kException, .vector = vector, .error_code = static_cast<uint32_t>(frame[0])};
  if (vector == kPageFault) exit.addr = s.cr2;
  if (vector == kDebug) exit.trap_bits = TakeTrapBits();
  return exit;
}

// Where the host plays ring 0, some things end otherwise.
void Vcpu::AsByHardware(const KvmAddressSpace& space, Exit& exit, Registers& regs) {
  // A `syscall` is a fault of the instruction fetch at its entry, or a kick that comes before the fault; as is a jump
  // there, which has no `syscall` behind it.
  uint8_t code[2];
  const uint64_t entry = TextAddress(ring0_text);
  const bool fetch = exit.kind == Exit::Kind::kException && exit.vector == kPageFault && exit.addr == entry;
  if (regs.rip == entry && (fetch || exit.kind == Exit::Kind::kNothing)) {
    if (space.Read(regs.rcx - sizeof code, code, sizeof code) && std::equal(code, code + sizeof code, kSyscallCode)) {
      exit = CallExit(regs);
    }
    return;
  }
  if (exit.kind != Exit::Kind::kException) return;
  // `int n` without a gate is taken for an instruction that there is not; now and then int3
  // is, too.
  constexpr uint8_t kInt = 0xcd, kInt3 = 0xcc;
  if (exit.vector != kInvalidOpcode || !space.Read(regs.rip, code, 1)) return;
  if (code[0] == kInt3) {
    exit.vector = kBreakpoint;
    regs.rip++;
    regs.eflags &= ~kResumeFlag;
  } else if (code[0] == kInt && space.Read(regs.rip + 1, code + 1, 1)) {
    const bool has_gate = code[1] == kBreakpoint || code[1] == kOverflow;
    exit.vector = has_gate ? code[1] : kGeneralProtection;
    exit.error_code = has_gate ? 0 : code[1] * 8u + 2;
    if (has_gate) {
      regs.rip += sizeof code;
      regs.eflags &= ~kResumeFlag;
    }
  }
}

uint32_t Vcpu::TakeTrapBits() {
  kvm_debugregs debug = {};
  if (ioctl(fd_.get(), KVM_GET_DEBUGREGS, &debug) != 0) return 0;
  const auto bits = static_cast<uint32_t>(debug.dr6);
  debug.dr6 = kDr6Initial;
  (void)ioctl(fd_.get(), KVM_SET_DEBUGREGS, &debug);
  return bits;
}

void Vcpu::DropPending(Exit& exit) {
  kvm_vcpu_events events;
  if (ioctl(fd_.get(), KVM_GET_VCPU_EVENTS, &events) != 0) return;
  if (!events.exception.injected && !events.exception.pending) return;
  const uint8_t vector = events.exception.nr;
  events.exception = {};
  events.flags = 0;
  if (ioctl(fd_.get(), KVM_SET_VCPU_EVENTS, &events) != 0) return;
  // A trap would not come again.
  if (vector == kDebug && exit.kind == Exit::Kind::kNothing) {
    exit = {.kind = Exit::Kind::kException, .vector = kDebug, .trap_bits = TakeTrapBits()};
  }
}

Exit Vcpu::BrokenExit() const {
  const auto words = [&]() -> std::string {
    switch (run_->exit_reason) {
      case KVM_EXIT_SHUTDOWN:
        return "a triple fault";
      case KVM_EXIT_FAIL_ENTRY:
        return absl::StrFormat("no entry (hardware reason %#x)", run_->fail_entry.hardware_entry_failure_reason);
      case KVM_EXIT_INTERNAL_ERROR:
        return absl::StrFormat("an internal error of KVM (%d)", run_->internal.suberror);
      case KVM_EXIT_MMIO:
        return absl::StrFormat("an access to no memory, at %#x", run_->mmio.phys_addr);
      default:
        return absl::StrFormat("KVM exit %d", run_->exit_reason);
    }
  };
  return {.kind = Exit::Kind::kBroken,
          .cause = absl::StrFormat("its virtual CPU stopped: %s, rip %#x, CPL %d", words(), run_->s.regs.regs.rip,
                                   run_->s.regs.sregs.cs.selector & 3)};
}

bool Vcpu::called_ring0() const { return run_->s.regs.regs.rip == TextAddress(ring0_call_exit) + 1; }

}  // namespace platform::kvm
