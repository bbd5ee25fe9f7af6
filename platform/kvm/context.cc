#include "platform/kvm/context.h"

#include <signal.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include "platform/kvm/exceptions.h"
#include "platform/processor.h"

namespace platform::kvm {
namespace {

using sentry::kPageSize;
using sentry::arch::FpState;
using sentry::arch::Registers;

constexpr uint64_t kEnosys = -uint64_t{38};

bool IsCanonical(uint64_t addr) { return static_cast<uint64_t>(static_cast<int64_t>(addr << 16) >> 16) == addr; }

}  // namespace

Event KvmContext::Switch(AddressSpace& as, Registers& regs) {
  // All address spaces that this platform's contexts see are its own.
  auto& space = static_cast<KvmAddressSpace&>(as);
  if (TakeKick()) return PreemptedEvent{};
  // Linux would fault on the way there.
  if (!IsCanonical(regs.rip)) return ExceptionEvent{SIGSEGV, SI_KERNEL, UserAddr(0)};
  if (space.id() != space_) {
    if (space_ != 0) occupant_.SetFpState(given_fp_);
    space_ = space.id();
  }
  while (true) {
    Errno error = Errno::kEIO;
    Seat* const seat = occupant_.Claim([this] { return kicked_.load(std::memory_order_seq_cst); }, error);
    if (seat == nullptr) {
      if (TakeKick()) return PreemptedEvent{};
      return DeadEvent{absl::StrCat("no virtual CPU: ", std::string(base::ErrnoName(error)))};
    }
    std::optional<Event> event;
    while (!event && !seat->wanted.load(std::memory_order_relaxed)) {
      running_.store(seat->vcpu.get(), std::memory_order_seq_cst);
      Exit exit = seat->vcpu->Run(space, regs, [this] { return kicked_.load(std::memory_order_seq_cst); });
      running_.store(nullptr, std::memory_order_seq_cst);
      event = Interpret(exit, space, regs);
    }
    occupant_.Park(*seat);
    if (event) return *std::move(event);
  }
}

std::optional<Event> KvmContext::Interpret(Exit& exit, KvmAddressSpace& space, Registers& regs) {
  switch (exit.kind) {
    case Exit::Kind::kNothing:
      if (TakeKick()) return PreemptedEvent{};
      return std::nullopt;
    case Exit::Kind::kSyscall:
      regs.orig_rax = regs.rax;
      regs.rax = kEnosys;
      return SyscallEvent{};
    case Exit::Kind::kException: {
      if (exit.vector == kPageFault) return PageFault(exit, space, regs);
      std::optional<FpState> fp;
      if (exit.vector == kFpError || exit.vector == kSimdError) {
        fp.emplace();
        if (!occupant_.GetFpStateOfSeat(*fp)) fp.reset();
      }
      return ExceptionOf(exit.vector, exit.error_code, exit.trap_bits, regs.rip, fp ? &*fp : nullptr);
    }
    case Exit::Kind::kNoPage:
      return NoPage(exit, space, regs);
    case Exit::Kind::kBroken:
      return DeadEvent{std::move(exit.cause)};
  }
  return std::nullopt;
}

Event KvmContext::PageFault(const Exit& exit, KvmAddressSpace& space, Registers& regs) {
  if (exit.addr == regs.rip && exit.addr / kPageSize * kPageSize == kVsyscallPage) return Vsyscall(space, regs);
  return FaultEvent{UserAddr(exit.addr), AccessOf(exit.error_code)};
}

// As Linux emulates the page (vsyscall=xonly).
Event KvmContext::Vsyscall(KvmAddressSpace& space, Registers& regs) {
  uint64_t return_addr;
  const std::optional<uint64_t> number = VsyscallNumber(regs.rip);
  if (!number || !space.Read(regs.rsp, &return_addr, sizeof return_addr)) {
    return ExceptionEvent{SIGSEGV, SI_KERNEL, UserAddr(0)};
  }
  regs.rip = return_addr;
  regs.rsp += sizeof return_addr;
  regs.orig_rax = *number;
  regs.rax = kEnosys;
  return SyscallEvent{};
}

// A file was truncated under its mapping, or the host is out of memory for a page.
Event KvmContext::NoPage(const Exit& exit, KvmAddressSpace& space, const Registers& regs) {
  const uint64_t hints[] = {regs.rip, regs.rdi, regs.rsi, regs.rax, regs.rbx, regs.rcx, regs.rdx, regs.rbp, regs.rsp,
                            regs.r8,  regs.r9,  regs.r10, regs.r11, regs.r12, regs.r13, regs.r14, regs.r15};
  const std::optional<uint64_t> addr = exit.addr != 0 ? space.FindAddress(exit.addr) : space.FindGone(hints);
  return ExceptionEvent{SIGBUS, BUS_ADRERR, UserAddr(addr.value_or(regs.rip))};
}

void KvmContext::Kick() {
  kicked_.store(true, std::memory_order_seq_cst);
  if (Vcpu* const vcpu = running_.load(std::memory_order_seq_cst)) vcpu->Interrupt();
  occupant_.Poke();
}

void KvmContext::SetFpState(const FpState& state) {
  given_fp_ = state;
  given_fp_.Sanitize();
  occupant_.SetFpState(given_fp_);
}

}  // namespace platform::kvm
