// Sending: what a signal undoes, whether it is dropped, in which queue it waits
// and which thread is woken for it. Analogous to the first half of Linux's
// kernel/signal.c (prepare_signal, send_signal_locked, complete_signal).
#include "sentry/kernel/task_impl.h"
#include "sentry/kernel/time/posix_timers.h"

namespace sentry {

using base::MutexLock;

namespace {

constexpr SignalSet StopSet() {
  SignalSet set;
  for (int signo : {abi::kSigStop, abi::kSigTstp, abi::kSigTtin, abi::kSigTtou}) set.Add(signo);
  return set;
}

constexpr SignalSet Only(int signo) {
  SignalSet set;
  set.Add(signo);
  return set;
}

// Linux's has_si_pid_and_uid, for what guests may send to others.
bool NamesSender(const SigInfo& info) {
  constexpr int kSiSigIo = -5;
  return info.code <= abi::kSiUser && info.code != abi::kSiTimer && info.code != kSiSigIo;
}

bool IsFatalByDefault(int signo) {
  const DefaultAction action = DefaultActionOf(signo);
  return action == DefaultAction::kTerminate || action == DefaultAction::kCore;
}

}  // namespace

Result<void> ThreadGroup::SendSignal(const SigInfo& info) { return SendSignalFrom(info, Origin::kGuest); }

// Ids become the receiver's; who does not see the sender is not told of it.
ThreadGroup::Origin ThreadGroup::OriginOf(const Task& sender, SigInfo& info) const {
  const RefPtr<Task> receiver = leader();
  const RefPtr<Credentials> theirs = receiver ? receiver->SharedCreds() : nullptr;
  const UserNamespace& own = *sender.creds().user_ns;
  if (NamesSender(info) && theirs && theirs->user_ns.get() != &own) {
    info.u.kill.uid = theirs->user_ns->ShownUid(own.ToKernelUid(info.u.kill.uid));
  }
  if (pid_ns().Contains(sender.pid_ns())) return Origin::kGuest;
  if (NamesSender(info)) info.u.kill.pid = 0;
  return Origin::kAncestor;
}

Result<void> ThreadGroup::SendSignalBy(const Task& sender, SigInfo info) {
  const Origin origin = OriginOf(sender, info);
  return SendSignalFrom(info, origin);
}

Result<void> ThreadGroup::SendSignalFrom(const SigInfo& info, Origin origin) {
  MutexLock lock(signal_mu_);
  if (!SendLocked(info, nullptr, origin)) return Errno::kEAGAIN;
  return Ok();
}

bool ThreadGroup::IgnoredLocked(int signo, const Task& target, Origin origin) const {
  // A blocked signal waits: its action may change before it is unblocked.
  if (target.blocked().Has(signo)) return false;
  const uint64_t handler = actions_->Get(signo).handler;
  const bool forced = origin != Origin::kGuest && (signo == abi::kSigKill || signo == abi::kSigStop);
  if (handler == abi::kSigDfl && unkillable_.load(std::memory_order_relaxed) && !forced) return true;
  return actions_->IsIgnored(signo);
}

void ThreadGroup::ContinueLocked() {
  if (exit_->stop_signal == 0) return;
  if (exit_->stop_complete) exit_->continue_untold = true;
  exit_->stop_signal = 0;
  exit_->stop_waiting = 0;
  exit_->stop_complete = false;
  for (const RefPtr<Task>& task : tasks_) {
    task->impl_->stop_pending = false;
    if (task->impl_->stopped) {
      task->impl_->stopped = false;
      task->Wake();
    }
  }
}

bool ThreadGroup::PrepareSignalLocked(int signo, Task* target, Origin origin) {
  if (exiting_.load(std::memory_order_relaxed)) return false;
  Task* const receiver = target ? target : AnyLiveTaskLocked();
  if (!receiver) return false;
  if (StopSet().Has(signo)) {
    shared_pending_.Discard(Only(abi::kSigCont));
    for (const RefPtr<Task>& task : tasks_) task->pending_.Discard(Only(abi::kSigCont));
  } else if (signo == abi::kSigCont) {
    shared_pending_.Discard(StopSet());
    for (const RefPtr<Task>& task : tasks_) task->pending_.Discard(StopSet());
    ContinueLocked();
  }
  return !IgnoredLocked(signo, *receiver, origin);
}

bool ThreadGroup::SendLocked(const SigInfo& info, Task* target, Origin origin) {
  const int signo = info.signo;
  if (!PrepareSignalLocked(signo, target, origin)) return true;
  PendingSignals& queue = target ? target->pending_ : shared_pending_;
  // A timer has at most one signal on its way, so it needs no limit.
  const size_t limit = info.code == abi::kSiTimer ? SIZE_MAX : soft_limit(RlimitKind::kSigpending);
  if (!queue.Enqueue(info, limit)) {
    if (signo < abi::kSigRtMin) return true;  // pending already
    if (info.code != abi::kSiUser && info.code != abi::kSiKernel) return false;
    // kill(2) does not fail for want of room: the signal comes, once.
    if (!queue.set().Has(signo)) queue.Enqueue(info, SIZE_MAX);
  }
  const bool kernel_only = signo == abi::kSigKill || signo == abi::kSigStop;
  if (origin == Origin::kRuntime || (origin == Origin::kAncestor && kernel_only)) exit_->from_outside.Add(signo);
  if (target) {
    target->signal_events_.Notify(base::kEventIn);
  } else {
    for (const RefPtr<Task>& task : tasks_) task->signal_events_.Notify(base::kEventIn);
  }
  CompleteSignalLocked(signo, target);
  return true;
}

void ThreadGroup::CompleteSignalLocked(int signo, Task* target) {
  auto wants = [signo](const Task& task) {
    if (task.impl_->exiting) return false;
    if (task.blocked().Has(signo)) return false;
    return signo == abi::kSigKill || !task.impl_->stopped;
  };
  Task* chosen = nullptr;
  if (target) {
    if (wants(*target)) chosen = target;
  } else {
    // The first that is not busy with another signal, else the first at all.
    for (const RefPtr<Task>& task : tasks_) {
      if (!wants(*task)) continue;
      if (!chosen) chosen = task.get();
      if (task->interrupted()) continue;
      chosen = task.get();
      break;
    }
  }
  // Nobody: it waits until a thread unblocks it.
  if (!chosen) return;
  // Surely fatal: the whole group begins to leave now, whatever its threads do.
  if (IsFatalByDefault(signo) && actions_->Get(signo).handler == abi::kSigDfl) {
    ExitLocked({.signo = signo});
    return;
  }
  chosen->Interrupt();
}

void ThreadGroup::StartStopLocked(int signo) {
  if (exit_->stop_signal != 0) return;
  exit_->stop_signal = signo;
  exit_->stop_waiting = 0;
  exit_->stop_complete = false;
  exit_->continue_untold = false;
  for (const RefPtr<Task>& task : tasks_) {
    if (task->impl_->exiting) continue;
    task->impl_->stop_pending = true;
    ++exit_->stop_waiting;
    task->Interrupt();
  }
}

abi::SigAction ThreadGroup::ExchangeAction(int signo, const abi::SigAction& action) {
  MutexLock lock(signal_mu_);
  const abi::SigAction old = actions_->Exchange(signo, action);
  if (actions_->IsIgnored(signo)) {
    shared_pending_.Discard(Only(signo));
    for (const RefPtr<Task>& task : tasks_) task->pending_.Discard(Only(signo));
  }
  return old;
}

// --- Task's side -------------------------------------------------------------

Result<void> Task::SendSignal(const SigInfo& info) {
  MutexLock lock(group_->signal_mu_);
  if (impl_->exiting) return Ok();
  if (!group_->SendLocked(info, this, ThreadGroup::Origin::kGuest)) return Errno::kEAGAIN;
  return Ok();
}

Result<void> Task::SendSignalBy(const Task& sender, SigInfo info) {
  const ThreadGroup::Origin origin = group_->OriginOf(sender, info);
  MutexLock lock(group_->signal_mu_);
  if (impl_->exiting) return Ok();
  if (!group_->SendLocked(info, this, origin)) return Errno::kEAGAIN;
  return Ok();
}

void Task::SendKernelSignal(int signo) {
  SigInfo info = {.signo = signo, .code = abi::kSiUser};
  info.u.kill.pid = own_tgid();
  info.u.kill.uid = creds_->user_ns->ShownUid(creds_->uid);
  (void)SendSignal(info);
}

void Task::ForceSignal(const SigInfo& info) {
  MutexLock lock(group_->signal_mu_);
  ForceSignalLocked(info, false);
}

void Task::ForceSignalLocked(const SigInfo& info, bool reset_handler) {
  const int signo = info.signo;
  abi::SigAction action = group_->actions_->Get(signo);
  const bool is_blocked = blocked().Has(signo);
  if (is_blocked || reset_handler || action.handler == abi::kSigIgn) {
    action.handler = abi::kSigDfl;
    group_->actions_->Exchange(signo, action);
    SignalSet mask = blocked();
    mask.Remove(signo);
    blocked_.store(mask.bits, std::memory_order_relaxed);
  }
  // Even init dies of its own fault.
  if (action.handler == abi::kSigDfl) group_->exit_->from_outside.Add(signo);
  pending_.Enqueue(info, SIZE_MAX);
  interrupted_.store(true, std::memory_order_seq_cst);
}

SignalSet Task::blocked() const { return {blocked_.load(std::memory_order_relaxed)}; }

void Task::SetBlocked(SignalSet mask) {
  mask = mask & ~abi::kUnblockable;
  if (mask == blocked()) return;
  MutexLock lock(group_->signal_mu_);
  const SignalSet newly = mask & ~blocked();
  blocked_.store(mask.bits, std::memory_order_relaxed);
  RecalculateInterruptedLocked();
  // A shared signal that was to be ours is another thread's now.
  const SignalSet moved = group_->shared_pending_.set() & newly;
  if (moved.empty()) return;
  for (const RefPtr<Task>& task : group_->tasks_) {
    if (task.get() == this || task->impl_->exiting || (moved & ~task->blocked()).empty()) continue;
    task->Interrupt();
  }
}

void Task::SetTemporaryMask(SignalSet mask) {
  if (!saved_mask_) saved_mask_ = blocked();
  SetBlocked(mask);
}

SignalSet Task::pending() const {
  MutexLock lock(group_->signal_mu_);
  return pending_.set() | group_->shared_pending_.set();
}

std::optional<SigInfo> Task::DequeueSignal(SignalSet set) {
  MutexLock lock(group_->signal_mu_);
  std::optional<SigInfo> info = DequeueLocked(set & ~abi::kUnblockable);
  return info;
}

std::optional<SigInfo> Task::DequeueLocked(SignalSet set) {
  while (true) {
    std::optional<SigInfo> info = pending_.Dequeue(set);
    if (!info) info = group_->shared_pending_.Dequeue(set);
    if (!info) return std::nullopt;
    if (info->code == abi::kSiTimer && !group_->timers().OnSignalTaken(*info)) continue;
    return info;
  }
}

bool Task::RecalculateInterruptedLocked() {
  const SignalSet ready = (pending_.set() | group_->shared_pending_.set()) & ~blocked();
  const bool waits = !ready.empty() || impl_->stop_pending || killed();
  interrupted_.store(waits, std::memory_order_seq_cst);
  return waits;
}

}  // namespace sentry
