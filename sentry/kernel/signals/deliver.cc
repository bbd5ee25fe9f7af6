// Taking signals, and what they do to the thread: handlers, default actions,
// stops, and the restart of the interrupted call. Analogous to Linux's
// get_signal and arch/x86/kernel/signal.c.
#include "sentry/kernel/task_impl.h"

namespace sentry {

using base::MutexLock;

namespace {

constexpr uint64_t kSyscallLength = 2;  // `syscall`
constexpr uint64_t kNrRestartSyscall = 219;

}  // namespace

// The first signal that does something.
Task::NextStep Task::NextDelivery() {
  while (true) {
    SigInfo info;
    bool from_outside;
    {
      MutexLock lock(group_->signal_mu_);
      if (killed()) return RunState(RunExit{});
      if (impl_->stop_pending) return RunState(RunStopped{});
      std::optional<SigInfo> taken = DequeueLocked(~blocked());
      if (!taken) {
        RecalculateInterruptedLocked();
        return std::monostate();
      }
      info = *taken;
      from_outside = group_->exit_->from_outside.Has(info.signo);
      group_->exit_->from_outside.Remove(info.signo);
    }
    NextStep step = Consider(info, from_outside);
    if (!std::holds_alternative<std::monostate>(step)) return step;
  }
}

Task::NextStep Task::Consider(const SigInfo& info, bool from_outside) {
  const RefPtr<SignalActions> actions = group_->actions();
  const int signo = info.signo;
  abi::SigAction action = actions->Get(signo);
  if (action.handler == abi::kSigIgn) return std::monostate();
  if (action.handler != abi::kSigDfl) {
    if (action.flags & abi::kSaResetHand) {
      abi::SigAction reset = action;
      reset.handler = abi::kSigDfl;
      actions->Exchange(signo, reset);
    }
    return Delivery{.info = info, .action = action};
  }
  if (group_->unkillable_.load(std::memory_order_relaxed) && !from_outside) return std::monostate();
  switch (DefaultActionOf(signo)) {
    case DefaultAction::kIgnore:
    case DefaultAction::kContinue:
      return std::monostate();
    case DefaultAction::kStop:
      return DefaultStop(signo);
    case DefaultAction::kTerminate:
    case DefaultAction::kCore:
      // No core is ever written, so the status says so.
      group_->Exit({.signo = signo});
      return RunState(RunExit{});
  }
  return std::monostate();
}

Task::NextStep Task::DefaultStop(int signo) {
  // The terminal's stops do nothing where no shell could undo them.
  if (signo != abi::kSigStop && kernel().pids().Orphaned(*group_)) return std::monostate();
  MutexLock lock(group_->signal_mu_);
  if (killed()) return RunState(RunExit{});
  group_->StartStopLocked(signo);
  return RunState(RunStopped{});
}

// `action`: the handler that runs first; null: none does.
void Task::ResolveRestart(const abi::SigAction* action) {
  if (!impl_->restart) return;
  const Restart restart = *impl_->restart;
  impl_->restart.reset();
  bool again = true;
  if (action) {
    again = restart == Restart::kNoIntr || (restart == Restart::kSys && (action->flags & abi::kSaRestart));
  }
  if (!again) {
    regs_.rax = static_cast<uint64_t>(-static_cast<int64_t>(Errno::kEINTR));
  } else {
    regs_.rax = restart == Restart::kBlock ? kNrRestartSyscall : regs_.orig_rax;
    regs_.rip -= kSyscallLength;
  }
  regs_.orig_rax = UINT64_MAX;
}

void Task::DeliverToHandler(const Delivery& delivery) {
  ResolveRestart(&delivery.action);
  const SignalSet before = saved_mask_.value_or(blocked());
  if (!PushSignalFrame(delivery, before)) {
    // Linux's force_sigsegv: a SIGSEGV that can't be handled kills.
    SigInfo info = {.signo = abi::kSigSegv, .code = abi::kSiKernel};
    MutexLock lock(group_->signal_mu_);
    ForceSignalLocked(info, delivery.info.signo == abi::kSigSegv);
    return;
  }
  saved_mask_.reset();
  SignalSet mask = blocked() | delivery.action.mask;
  if (!(delivery.action.flags & abi::kSaNoDefer)) mask.Add(delivery.info.signo);
  SetBlocked(mask);
  if (altstack_.flags & abi::kSsAutoDisarm) altstack_ = {};
}

RunState Task::Step(RunInterrupted) {
  while (true) {
    NextStep step = NextDelivery();
    if (RunState* next = std::get_if<RunState>(&step)) return std::move(*next);
    const Delivery* delivery = std::get_if<Delivery>(&step);
    if (!delivery) break;
    DeliverToHandler(*delivery);
  }
  ResolveRestart(nullptr);
  if (saved_mask_) {
    const SignalSet mask = *saved_mask_;
    saved_mask_.reset();
    SetBlocked(mask);
  }
  return RunUser{};
}

RunState Task::Step(RunStopped) {
  int32_t complete = 0;
  {
    MutexLock lock(group_->signal_mu_);
    if (killed()) return RunExit{};
    if (!impl_->stop_pending) return RunInterrupted{};
    impl_->stop_pending = false;
    impl_->stopped = true;
    if (--group_->exit_->stop_waiting == 0) {
      group_->exit_->stop_complete = true;
      complete = group_->exit_->stop_signal;
    }
  }
  if (complete != 0) kernel().pids().ReportStop(*group_, complete);
  bool tell = false;
  while (true) {
    PrepareToSleep();
    {
      MutexLock lock(group_->signal_mu_);
      if (!impl_->stopped || killed()) {
        impl_->stopped = false;
        tell = group_->exit_->continue_untold;
        group_->exit_->continue_untold = false;
        break;
      }
    }
    SleepAs(SleepKind::kStopped, std::nullopt);
  }
  if (tell && !killed()) kernel().pids().ReportContinue(*group_);
  return RunInterrupted{};
}

}  // namespace sentry
