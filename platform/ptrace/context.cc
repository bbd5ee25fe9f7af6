#include "platform/ptrace/context.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "base/log.h"
#include "platform/processor.h"
#include "platform/ptrace/fault_access.h"
#include "platform/stub/stub_platform.h"

namespace platform::ptrace {
namespace {

using base::MutexLock;
using sentry::arch::FpState;
using sentry::arch::Registers;

constexpr int kSyscallStop = SIGTRAP | 0x80;  // PTRACE_O_TRACESYSGOOD
constexpr int kSysSeccomp = 1;                // si_code of SECCOMP_RET_TRAP
constexpr uint64_t kNoSyscall = ~uint64_t{0};
constexpr uint64_t kEnosys = -uint64_t{38};

// Whether `syscall` leaves rip in rcx, as it does but on processors with FRED.
bool SyscallSetsRcx() {
  static const bool sets = [] {
    uint64_t rcx = 0;
    long ret = SYS_gettid;
    asm volatile("syscall" : "+a"(ret), "+c"(rcx) : : "r11", "memory");
    return rcx != 0;
  }();
  return sets;
}

}  // namespace

Result<void> PtraceContext::EnterStub(const std::shared_ptr<stub::StubProcess>& stub) {
  Release();
  thread_ = TRY(TracedThread::Attach(stub));
  fp_dirty_ = given_fp_.has_value();
  placement_.Add(runner_, thread_->tid());
  if (priority_ != HostPriority()) SetHostPriority(thread_->tid(), priority_);
  MutexLock lock(kick_mu_);
  kick_tgid_ = stub->pid();
  kick_tid_ = thread_->tid();
  return base::Ok();
}

void PtraceContext::SetPriority(HostPriority priority) {
  priority_ = priority;
  if (thread_ != nullptr) SetHostPriority(thread_->tid(), priority_);
}

void PtraceContext::Release() {
  if (thread_ == nullptr) return;
  placement_.Remove(runner_);
  {
    MutexLock lock(kick_mu_);
    kick_tgid_ = kick_tid_ = -1;
  }
  thread_.reset();
}

Event PtraceContext::Dead(const stub::StubProcess& stub) { return DeadEvent{stub.DeathCause()}; }

Event PtraceContext::Switch(AddressSpace& as, Registers& regs) {
  // All address spaces that this platform's contexts see are its own.
  const std::shared_ptr<stub::StubProcess>& stub = static_cast<stub::StubAddressSpace&>(as).stub();
  if (TakeKick()) return PreemptedEvent{};
  if (thread_ == nullptr || thread_->stub() != stub) {
    const Result<void> entered = EnterStub(stub);
    if (entered.Is(Errno::kESRCH)) return Dead(*stub);
    if (entered.Is(Errno::kEPERM)) return DeadEvent{"ptrace is not permitted here"};
    if (!entered.ok()) {
      return DeadEvent{
          absl::StrFormat("no thread in stub process %d: %s", stub->pid(), base::ErrnoName(entered.error()))};
    }
  }
  thread_->SetRegisters(regs);
  if (fp_dirty_) {
    thread_->SetFpState(*given_fp_);
    fp_dirty_ = false;
  }
  // Sequentially consistent, as in Kick: one of the two sees the other.
  running_.store(true, std::memory_order_seq_cst);
  if (kicked_.load(std::memory_order_seq_cst) && kicked_.exchange(false)) {
    running_.store(false, std::memory_order_relaxed);
    return PreemptedEvent{};
  }
  placement_.Enter(runner_);
  std::optional<Event> event;
  while (!event) event = Interpret(thread_->RunToStop(), regs);
  placement_.Leave(runner_);
  running_.store(false, std::memory_order_relaxed);
  if (std::holds_alternative<DeadEvent>(*event)) Release();
  return *std::move(event);
}

std::optional<Event> PtraceContext::Interpret(int status, Registers& regs) {
  if (status < 0) return Dead(*thread_->stub());
  if (status >> 16 != 0) return std::nullopt;  // PTRACE_EVENT_STOP: a group stop of the host's, not ours
  const int signo = WSTOPSIG(status);
  if (signo != kSyscallStop) return InterpretSignal(signo, regs);
  last_fault_.repeats = -1;
  if (!thread_->GetRegisters(regs)) return Dead(*thread_->stub());
  if (SyscallSetsRcx() && regs.rcx != regs.rip) {
    // int $0x80 and the like: the numbers of another ABI, which the kernel does
    // not have. As on a Linux without it. (Should a guest fake rcx, it fools
    // itself.)
    regs.rip -= 2;
    regs.rax = regs.orig_rax;
    regs.orig_rax = kNoSyscall;
    return ExceptionEvent{SIGSEGV, SI_KERNEL, UserAddr(0)};
  }
  return SyscallEvent{};
}

std::optional<Event> PtraceContext::InterpretSignal(int signo, Registers& regs) {
  if (signo == kKickSignal) {
    if (!TakeKick()) return std::nullopt;  // of a kick that was answered already
    if (!thread_->GetRegisters(regs)) return Dead(*thread_->stub());
    regs.orig_rax = kNoSyscall;
    return PreemptedEvent{};
  }
  siginfo_t info = {};
  if (!thread_->GetSignalInfo(info)) return std::nullopt;  // killed; the next wait says so
  // Somebody on the host sent it. It is not the guest's.
  if (info.si_code <= 0) return std::nullopt;
  if (!thread_->GetRegisters(regs)) return Dead(*thread_->stub());
  regs.orig_rax = kNoSyscall;
  const UserAddr addr(reinterpret_cast<uint64_t>(info.si_addr));
  switch (signo) {
    case SIGSEGV:
      if (info.si_code == SEGV_MAPERR || info.si_code == SEGV_ACCERR) return MemoryFault(info, regs);
      return ExceptionEvent{SIGSEGV, info.si_code, info.si_code == SI_KERNEL ? UserAddr(0) : addr};
    case SIGBUS:
      if (info.si_code == BUS_ADRERR) return MemoryFault(info, regs);
      return ExceptionEvent{SIGBUS, info.si_code, addr};
    case SIGSYS:
      if (info.si_code != kSysSeccomp) return std::nullopt;
      // A vsyscall: the host has popped the return address already.
      regs.orig_rax = static_cast<uint64_t>(info.si_syscall);
      regs.rax = kEnosys;
      return SyscallEvent{};
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
      return ExceptionEvent{signo, info.si_code, info.si_code == SI_KERNEL ? UserAddr(0) : addr};
    default:
      return std::nullopt;
  }
}

Event PtraceContext::MemoryFault(const siginfo_t& info, Registers& regs) {
  const uint64_t addr = reinterpret_cast<uint64_t>(info.si_addr);
  if (addr == regs.rip) {
    // vsyscall=none on the host: there is no page to raise SIGSYS.
    if (const std::optional<uint64_t> nr = VsyscallNumber(addr)) {
      if (std::optional<Event> event = Vsyscall(regs, *nr)) return *std::move(event);
    }
  }
  const bool again = last_fault_.rip == regs.rip && last_fault_.addr == addr && last_fault_.repeats >= 0;
  last_fault_ = {regs.rip, addr, again ? last_fault_.repeats + 1 : 0};
  // Mapped, and the kernel found nothing to do about it: what lies behind is gone
  // (a truncated file) or the host is out of memory.
  if (info.si_signo == SIGBUS && again) return ExceptionEvent{SIGBUS, BUS_ADRERR, UserAddr(addr)};
  return FaultEvent{UserAddr(addr), GuessAccess(*thread_, regs, addr, last_fault_.repeats)};
}

std::optional<Event> PtraceContext::Vsyscall(Registers& regs, uint64_t nr) {
  uint64_t return_addr;
  if (!thread_->PeekWord(regs.rsp, return_addr)) return std::nullopt;
  regs.rip = return_addr;
  regs.rsp += 8;
  regs.orig_rax = nr;
  regs.rax = kEnosys;
  return SyscallEvent{};
}

void PtraceContext::Kick() {
  kicked_.store(true, std::memory_order_seq_cst);
  if (!running_.load(std::memory_order_seq_cst)) return;
  MutexLock lock(kick_mu_);
  if (kick_tid_ > 0) syscall(SYS_tgkill, kick_tgid_, kick_tid_, kKickSignal);
}

Result<void> PtraceContext::GetFpState(FpState& out) {
  if (thread_ != nullptr && !fp_dirty_) return thread_->GetFpState(out);
  if (given_fp_) {
    out = *given_fp_;
  } else {
    out.Reset();
  }
  return base::Ok();
}

void PtraceContext::SetFpState(const FpState& state) {
  given_fp_ = state;
  given_fp_->Sanitize();
  fp_dirty_ = true;
}

}  // namespace platform::ptrace
