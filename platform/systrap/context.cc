#include "platform/systrap/context.h"

#include <linux/audit.h>
#include <signal.h>

#include <utility>

#include "base/log.h"
#include "platform/processor.h"
#include "platform/systrap/call_sites.h"

namespace platform::systrap {
namespace {

using base::MutexLock;
using sentry::MemoryProtection;
using sentry::arch::FpState;
using sentry::arch::Registers;

constexpr int kSysSeccomp = 1;  // si_code of SECCOMP_RET_TRAP
constexpr uint64_t kEnosys = -uint64_t{38};
constexpr uint64_t kSyscallSize = 2;
constexpr uint64_t kUretprobe = 335;

SyscallEvent Call(Registers& regs, bool slow) {
  regs.orig_rax = regs.rax;
  regs.rax = kEnosys;
  return {slow};
}

constexpr uint64_t kPageFault = 14;

MemoryProtection AccessOf(const Trap& trap) {
  if (trap.number != kPageFault) return {.read = true};
  return platform::AccessOf(trap.error_code);
}

}  // namespace

Result<void> SystrapContext::EnterStub(const std::shared_ptr<stub::StubProcess>& stub) {
  Release();
  thread_ = TRY(TrappedThread::Start(stub, kicked_));
  fp_dirty_ = given_fp_.has_value();
  placement_.Add(runner_, thread_->tid());
  if (priority_ != HostPriority()) SetHostPriority(thread_->tid(), priority_);
  MutexLock lock(kick_mu_);
  kick_thread_ = thread_.get();
  answered_.reset();  // a new thread has none
  return base::Ok();
}

void SystrapContext::SetPriority(HostPriority priority) {
  priority_ = priority;
  if (thread_ != nullptr) SetHostPriority(thread_->tid(), priority_);
}

void SystrapContext::Release() {
  if (thread_ == nullptr) return;
  placement_.Remove(runner_);
  {
    MutexLock lock(kick_mu_);
    kick_thread_ = nullptr;
  }
  thread_.reset();
}

Event SystrapContext::Dead(std::string cause) {
  Release();
  return DeadEvent{std::move(cause)};
}

Event SystrapContext::Switch(AddressSpace& as, Registers& regs) {
  // All address spaces that this platform's contexts see are its own.
  space_ = &static_cast<SystrapAddressSpace&>(as);
  const std::shared_ptr<stub::StubProcess>& stub = space_->stub();
  if (TakeKick()) return PreemptedEvent{};
  if (thread_ == nullptr || thread_->stub() != stub) {
    const Result<void> entered = EnterStub(stub);
    if (entered.Is(Errno::kESRCH)) return Dead(stub->DeathCause());
    if (!entered.ok()) {
      return Dead(absl::StrFormat("no thread in stub process %d: %s", stub->pid(), base::ErrnoName(entered.error())));
    }
  }
  thread_->ClearKick();
  // Sequentially consistent, as in Kick: one of the two sees the other.
  running_.store(true, std::memory_order_seq_cst);
  if (kicked_.load(std::memory_order_seq_cst) && kicked_.exchange(false)) {
    running_.store(false, std::memory_order_relaxed);
    return PreemptedEvent{};
  }
  placement_.Enter(runner_);
  ChooseSpin();
  std::optional<Event> event;
  if (thread_->Resume(regs, fp_dirty_ ? &*given_fp_ : nullptr)) {
    fp_dirty_ = false;
    int overdue = 0;
    while (!(event = Await(regs, overdue))) thread_->ResumeUnchanged();
  }
  placement_.Leave(runner_);
  running_.store(false, std::memory_order_relaxed);
  if (!event) return Dead(absl::StrFormat("stub process %d spoilt its signal frame", stub->pid()));
  if (DeadEvent* dead = std::get_if<DeadEvent>(&*event)) return Dead(std::move(dead->cause));
  return *std::move(event);
}

void SystrapContext::ChooseSpin() {
  if (spin_.ticks_per_us() == 0) spin_.set_ticks_per_us(clock_.TicksPerMicrosecond());
  if (!runner_.split && spin_.Wants(TscClock::Now()) && !placement_.Split(runner_)) {
    spin_.OnDisturbance(TscClock::Now());
  }
  thread_->SetStubSpin(runner_.split ? spin_.max_spin() : 0);
}

bool SystrapContext::AwaitAwake() {
  if (!runner_.split) return false;
  const auto spare = [this] { return placement_.Spare(); };
  const TrappedThread::Spin result = thread_->AwaitAwake(spin_.max_spin(), spin_.gap(), spare);
  if (result == TrappedThread::Spin::kCame) return true;
  if (result == TrappedThread::Spin::kDisturbed) spin_.OnDisturbance(TscClock::Now());
  EndSpin();
  return false;
}

void SystrapContext::EndSpin() {
  spin_.OnBlock();
  if (!runner_.split) return;
  thread_->SetStubSpin(0);
  placement_.Join(runner_);
}

std::optional<Event> SystrapContext::Await(Registers& regs, int& overdue) {
  // Traps that are none of the guest's are no answer either: it can make them up.
  const auto answers = [&] { return !kicked_.load(std::memory_order_relaxed) || ++overdue < kKickChecks; };
  if (!AwaitAwake()) {
    const uint64_t start = TscClock::Now();
    while (!thread_->Await()) {
      if (!thread_->Exists()) return DeadEvent{thread_->stub()->DeathCause()};
      if (!answers()) return DidNotAnswer();
    }
    spin_.OnRequest(TscClock::Now() - start);
  }
  Trap trap;
  if (!thread_->Read(trap, regs)) {
    thread_->stub()->Kill();
    return DeadEvent{absl::StrFormat("stub process %d spoilt its signal frame", thread_->stub()->pid())};
  }
  if (const auto in = space_->Locate(regs.rip)) {
    // As if all was made in the site's own code: not begun yet, or come back there.
    if (regs.rcx == regs.rip) regs.rcx = in->rip;
    regs.rip = in->rip;
    if (in->rcx_saved) regs.rcx = thread_->site_rcx();
    // Its GS was not ours: a guest may load the selector. The next resume sets it.
    if (trap.signo == SIGSEGV) return PreemptedEvent{};
  }
  thread_->set_call_rip(regs.rip);
  if (trap.signo == EVENT_CALL) {
    last_fault_.valid = false;
    return Call(regs, false);
  }
  std::optional<Event> event = Interpret(trap, regs);
  if (!event && !answers()) return DidNotAnswer();
  return event;
}

Event SystrapContext::DidNotAnswer() {
  thread_->stub()->Kill();
  return DeadEvent{absl::StrFormat("stub process %d did not answer", thread_->stub()->pid())};
}

std::optional<Event> SystrapContext::Interpret(const Trap& trap, Registers& regs) {
  if (trap.signo == kKickSignal) {
    if (!TakeKick()) return std::nullopt;  // of a kick that was answered already
    return PreemptedEvent{};
  }
  if (trap.signo == SIGSYS && trap.code == kSysSeccomp) {
    last_fault_.valid = false;
    if (trap.arch != AUDIT_ARCH_X86_64) {
      // int $0x80: the numbers of another ABI, which the kernel does not have. As on
      // a Linux without it.
      regs.rip -= 2;
      return ExceptionEvent{SIGSEGV, SI_KERNEL, UserAddr(0)};
    }
    // Numbers that look like the host's -ERESTART* it took for a call to restart.
    if (static_cast<int32_t>(regs.rax) != trap.syscall) regs.rax = static_cast<uint64_t>(int64_t{trap.syscall});
    if (regs.rip == trap.addr - kSyscallSize) regs.rip = trap.addr;
    return Call(regs, regs.gs_base == 0);
  }
  // The one call that no filter sees (Linux 6.11): it looks where it was made, and
  // sends this.
  if (trap.signo == SIGILL && trap.code == SI_KERNEL && regs.rax == ~uint64_t{0}) {
    regs.rax = kUretprobe;
    return Call(regs, false);
  }
  // Somebody on the host sent it. It is not the guest's.
  if (trap.code <= 0) return std::nullopt;
  const UserAddr addr(trap.code == SI_KERNEL ? 0 : trap.addr);
  switch (trap.signo) {
    case SIGSEGV:
      if (trap.code == SEGV_MAPERR || trap.code == SEGV_ACCERR) return MemoryFault(trap, regs);
      break;
    case SIGBUS:
      if (trap.code == BUS_ADRERR) return MemoryFault(trap, regs);
      break;
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
      break;
    default:
      return std::nullopt;
  }
  return ExceptionEvent{trap.signo, trap.code, addr, ExceptionEvent::Trap{trap.number, trap.error_code}};
}

Event SystrapContext::MemoryFault(const Trap& trap, const Registers& regs) {
  const bool again = last_fault_.valid && last_fault_.rip == regs.rip && last_fault_.addr == trap.addr;
  last_fault_ = {regs.rip, trap.addr, true};
  // Mapped, and the kernel found nothing to do about it: what lies behind is gone
  // (a truncated file) or the host is out of memory.
  if (trap.signo == SIGBUS && again) return ExceptionEvent{SIGBUS, BUS_ADRERR, UserAddr(trap.addr)};
  return FaultEvent{UserAddr(trap.addr), AccessOf(trap)};
}

void SystrapContext::Kick() {
  kicked_.store(true, std::memory_order_seq_cst);
  if (!running_.load(std::memory_order_seq_cst)) return;
  MutexLock lock(kick_mu_);
  if (kick_thread_ != nullptr) kick_thread_->Kick();
}

void SystrapContext::RememberAnswer(uint32_t number, uint64_t value, uint32_t generation) {
  if (number >= TrappedThread::kMaxAnswers) return;
  MutexLock lock(kick_mu_);
  if (kick_thread_ == nullptr || generation != generation_.load(std::memory_order_relaxed)) return;
  kick_thread_->SetAnswer(number, value);
  answered_.set(number);
}

void SystrapContext::ForgetAnswers() {
  MutexLock lock(kick_mu_);
  generation_.fetch_add(1, std::memory_order_seq_cst);
  if (kick_thread_ == nullptr) return;
  for (uint32_t number = 0; number < answered_.size() && answered_.any(); number++) {
    if (!answered_.test(number)) continue;
    kick_thread_->ClearAnswer(number);
    answered_.reset(number);
  }
}

Result<void> SystrapContext::GetFpState(FpState& out) {
  if (thread_ != nullptr && !fp_dirty_) {
    if (!thread_->GetFpState(out)) return Errno::kEFAULT;
  } else if (given_fp_) {
    out = *given_fp_;
  } else {
    out.Reset();
  }
  return base::Ok();
}

void SystrapContext::SetFpState(const FpState& state) {
  given_fp_ = state;
  given_fp_->Sanitize();
  fp_dirty_ = true;
}

}  // namespace platform::systrap
