// The run loop: one function a run state, each returns the next.
#include <bit>
#include <optional>

#include "base/log.h"
#include "sentry/kernel/task_impl.h"

namespace sentry {

namespace {

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

// Trap numbers and error code bits of x86, for signal frames.
constexpr uint64_t kTrapDivide = 0, kTrapDebug = 1, kTrapBreakpoint = 3, kTrapInvalidOpcode = 6, kTrapStack = 12;
constexpr uint64_t kTrapProtection = 13, kTrapPageFault = 14, kTrapAlignment = 17, kTrapSimd = 19;
constexpr uint64_t kErrorPresent = 1, kErrorWrite = 2, kErrorUser = 4, kErrorFetch = 16;

// What most likely led to such a signal.
uint64_t GuessTrap(const platform::ExceptionEvent& e) {
  constexpr int kFpeIntDiv = 1;  // si_code FPE_INTDIV
  switch (e.signo) {
    case abi::kSigFpe:
      return e.code == kFpeIntDiv ? kTrapDivide : kTrapSimd;
    case abi::kSigTrap:
      return e.code == abi::kSiKernel ? kTrapBreakpoint : kTrapDebug;
    case abi::kSigIll:
      return kTrapInvalidOpcode;
    case abi::kSigBus:
      return e.code == abi::kSiKernel ? kTrapStack : kTrapAlignment;
    default:
      return kTrapProtection;
  }
}

constexpr uint64_t kTrapFlag = 0x100;  // of eflags

// eflags after `cmp b, a` (Intel SDM, CMP): the result's sign, parity and so on.
uint64_t CompareFlags(uint64_t eflags, uint64_t a, uint64_t b) {
  constexpr uint64_t kCarry = 1, kParity = 4, kAdjust = 0x10, kZero = 0x40, kSign = 0x80, kOverflow = 0x800;
  const uint64_t result = a - b;
  eflags &= ~(kCarry | kParity | kAdjust | kZero | kSign | kOverflow);
  if (a < b) eflags |= kCarry;
  if (std::popcount(result & 0xff) % 2 == 0) eflags |= kParity;
  if (((a ^ b ^ result) & 0x10) != 0) eflags |= kAdjust;
  if (result == 0) eflags |= kZero;
  if (result >> 63 != 0) eflags |= kSign;
  if ((((a ^ b) & (a ^ result)) >> 63) != 0) eflags |= kOverflow;
  return eflags;
}

}  // namespace

void Task::Run() {
  const MemChargerScope charger(&impl_->member);
  BecomeBusy();
  SwitchCpuMode(CpuMode::kSystem);
  RunState next = RunUser{};
  while (!std::holds_alternative<RunDead>(next)) {
    next = std::visit(Overloaded{[](RunDead dead) -> RunState { return dead; },
                                 [this](auto& step) -> RunState { return Step(std::move(step)); }},
                      next);
  }
}

RunState Task::Step(RunUser) {
  // The order pairs with Interrupt's: flag, then look.
  impl_->in_guest.store(true, std::memory_order_seq_cst);
  if (interrupted_.load(std::memory_order_seq_cst)) {
    impl_->in_guest.store(false, std::memory_order_relaxed);
    return RunInterrupted{};
  }
  if (impl_->member.held()) [[unlikely]] {
    impl_->in_guest.store(false, std::memory_order_relaxed);
    StayHeld();
    return RunUser{};
  }
  if (impl_->sched.host_is_stale()) [[unlikely]] {
    impl_->in_guest.store(false, std::memory_order_relaxed);
    TellHostPriority();
    return RunUser{};
  }
  SwitchCpuMode(CpuMode::kUser);
  const platform::Event event = context_->Switch(mm_->address_space(), regs_);
  SwitchCpuMode(CpuMode::kSystem);
  impl_->in_guest.store(false, std::memory_order_relaxed);

  if (const auto* call = std::get_if<platform::SyscallEvent>(&event)) [[likely]] {
    if (call->slow) mm_->RewriteCallSite(UserAddr(regs_.rip));
    return RunSyscall{};
  }
  if (const auto* fault = std::get_if<platform::FaultEvent>(&event)) return HandleFault(*fault);
  if (const auto* exception = std::get_if<platform::ExceptionEvent>(&event)) {
    if (std::optional<RunState> next = GoOnInRewrittenSite(*exception)) return *std::move(next);
    HandleException(*exception);
    return RunInterrupted{};
  }
  if (const auto* dead = std::get_if<platform::DeadEvent>(&event)) {
    HandleDeadStub(*dead);
    return RunExit{};
  }
  return RunUser{};  // PreemptedEvent: look at interrupted_ again
}

std::optional<RunState> Task::GoOnInRewrittenSite(const platform::ExceptionEvent& exception) {
  // Who steps through his code instruction by instruction would see more of them.
  if (exception.signo == abi::kSigTrap && (regs_.eflags & kTrapFlag) != 0) mm_->StopRewriting();
  if (exception.signo != abi::kSigIll && (exception.signo != abi::kSigSegv || exception.code != abi::kSiKernel)) {
    return std::nullopt;
  }
  const std::optional<platform::CallSite> site = mm_->InRewrittenSite(UserAddr(regs_.rip));
  if (!site) return std::nullopt;
  regs_.rip += site->end() - site->second();
  if (site->kind == platform::CallSite::Kind::kCompare) {
    regs_.eflags = CompareFlags(regs_.eflags, regs_.rax, static_cast<uint64_t>(int64_t{site->operand}));
    return RunUser{};
  }
  regs_.rcx = regs_.rip;
  regs_.r11 = regs_.eflags;
  regs_.orig_rax = regs_.rax;
  regs_.rax = static_cast<uint64_t>(-static_cast<int64_t>(Errno::kENOSYS));
  return RunSyscall{};
}

RunState Task::HandleFault(const platform::FaultEvent& fault) {
  const std::optional<FaultFailure> failure = mm_->HandleFault(fault.addr, fault.access);
  if (!failure) return RunUser{};
  impl_->fault_address = fault.addr.value;
  impl_->fault_trap = kTrapPageFault;
  impl_->fault_error = kErrorUser | (fault.access.write ? kErrorWrite : 0) | (fault.access.execute ? kErrorFetch : 0) |
                       (failure->signo == abi::kSigSegv && failure->code == abi::kSegvAccErr ? kErrorPresent : 0);
  SigInfo info = {.signo = failure->signo, .code = failure->code};
  info.u.fault.addr = fault.addr.value;
  ForceSignal(info);
  return RunInterrupted{};
}

void Task::HandleException(const platform::ExceptionEvent& exception) {
  // (cr2 stays that of the last page fault.)
  const auto trap = exception.trap.value_or(platform::ExceptionEvent::Trap{GuessTrap(exception), 0});
  impl_->fault_trap = trap.number;
  impl_->fault_error = trap.error;
  SigInfo info = {.signo = exception.signo, .code = exception.code};
  info.u.fault.addr = exception.addr.value;
  ForceSignal(info);
}

// Only this process goes; the parent sees SIGKILL.
void Task::HandleDeadStub(const platform::DeadEvent& event) {
  if (!killed()) {
    LOG(kWarning, "process %d (%s) is lost with its stub: %s", group_->tgid(), name(), event.cause);
  }
  group_->Exit({.signo = abi::kSigKill});
}

RunState Task::Step(RunSyscall) {
  if (seccomp_.active()) [[unlikely]] {
    if (std::optional<RunState> next = CheckSeccomp()) return *std::move(next);
  }
  return AfterSyscall(kernel().dispatcher().Dispatch(*this));
}

RunState Task::AfterSyscall(const SyscallResult& result) {
  if (const uint64_t* value = result.value_if()) [[likely]] {
    regs_.rax = *value;
    regs_.orig_rax = UINT64_MAX;
  } else if (const SyscallError* error = result.error_if()) {
    if (const Errno* e = error->errno_if()) {
      regs_.rax = static_cast<uint64_t>(-static_cast<int64_t>(*e));
      regs_.orig_rax = UINT64_MAX;
    } else {
      impl_->restart = *error->restart_if();
    }
  }
  if (next_state_) [[unlikely]] {
    RunState next = std::move(*next_state_);
    next_state_.reset();
    return next;
  }
  if (interrupted() || saved_mask_ || impl_->restart) [[unlikely]]
    return RunInterrupted{};
  return RunUser{};
}

RunState Task::Step(RunVforkWait wait) {
  while (!wait.child->impl_->mm_released.load(std::memory_order_seq_cst)) {
    PrepareToSleep();
    if (wait.child->impl_->mm_released.load(std::memory_order_seq_cst)) break;
    // Killed while it waits: the child lives on.
    if (SleepAs(SleepKind::kKillable, std::nullopt) == WakeReason::kInterrupted) break;
  }
  regs_.rax = static_cast<uint64_t>(static_cast<int64_t>(wait.child_tid));
  regs_.orig_rax = UINT64_MAX;
  return interrupted() ? RunState(RunInterrupted{}) : RunState(RunUser{});
}

}  // namespace sentry
