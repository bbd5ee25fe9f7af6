#include "sentry/kernel/signals/signal_state.h"

#include <utility>

namespace sentry {

using base::MutexLock;

namespace {

// Signals a fault of the thread itself raises: taken before others, so that
// their frames tell of the instruction at fault (Linux's SYNCHRONOUS_MASK).
constexpr SignalSet SynchronousSet() {
  SignalSet set;
  for (int signo : {abi::kSigSegv, abi::kSigBus, abi::kSigIll, abi::kSigTrap, abi::kSigFpe, abi::kSigSys}) {
    set.Add(signo);
  }
  return set;
}

}  // namespace

DefaultAction DefaultActionOf(int signo) {
  switch (signo) {
    case abi::kSigChld:
    case abi::kSigUrg:
    case abi::kSigWinch:
      return DefaultAction::kIgnore;
    case abi::kSigCont:
      return DefaultAction::kContinue;
    case abi::kSigStop:
    case abi::kSigTstp:
    case abi::kSigTtin:
    case abi::kSigTtou:
      return DefaultAction::kStop;
    case abi::kSigQuit:
    case abi::kSigIll:
    case abi::kSigTrap:
    case abi::kSigAbrt:
    case abi::kSigFpe:
    case abi::kSigSegv:
    case abi::kSigBus:
    case abi::kSigSys:
    case abi::kSigXcpu:
    case abi::kSigXfsz:
      return DefaultAction::kCore;
    default:
      return DefaultAction::kTerminate;
  }
}

abi::SigAction SignalActions::Get(int signo) const {
  MutexLock lock(mu_);
  return actions_[signo];
}

abi::SigAction SignalActions::Exchange(int signo, const abi::SigAction& action) {
  MutexLock lock(mu_);
  abi::SigAction clean = action;
  clean.mask = clean.mask & ~abi::kUnblockable;
  return std::exchange(actions_[signo], clean);
}

bool SignalActions::IsIgnored(int signo) const {
  MutexLock lock(mu_);
  const uint64_t handler = actions_[signo].handler;
  if (handler == abi::kSigIgn) return true;
  if (handler != abi::kSigDfl) return false;
  const DefaultAction action = DefaultActionOf(signo);
  return action == DefaultAction::kIgnore || action == DefaultAction::kContinue;
}

RefPtr<SignalActions> SignalActions::Fork() const {
  RefPtr<SignalActions> copy = base::MakeRef<SignalActions>();
  MutexLock lock(mu_);
  // The copy is nobody else's yet; its lock is of the same rank as ours.
  [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { copy->actions_ = actions_; }();
  return copy;
}

void SignalActions::ResetForExec() {
  MutexLock lock(mu_);
  for (abi::SigAction& action : actions_) {
    const bool ignored = action.handler == abi::kSigIgn;
    action = {};
    if (ignored) action.handler = abi::kSigIgn;
  }
}

SignalSet SignalActions::ignored() const {
  SignalSet set;
  MutexLock lock(mu_);
  for (int signo = 1; signo <= abi::kSigMax; ++signo) {
    if (actions_[signo].handler == abi::kSigIgn) set.Add(signo);
  }
  return set;
}

SignalSet SignalActions::caught() const {
  SignalSet set;
  MutexLock lock(mu_);
  for (int signo = 1; signo <= abi::kSigMax; ++signo) {
    if (actions_[signo].handler > abi::kSigIgn) set.Add(signo);
  }
  return set;
}

bool PendingSignals::Enqueue(const SigInfo& info, size_t limit) {
  const int signo = info.signo;
  if (signo < abi::kSigRtMin) {
    // Each timer has a signal of its own, for its own count of overruns.
    if (set_.Has(signo) && info.code != abi::kSiTimer) return false;
  } else if (queue_.size() >= limit) {
    return false;
  }
  set_.Add(signo);
  queue_.push_back(info);
  return true;
}

std::optional<SigInfo> PendingSignals::Dequeue(SignalSet mask) {
  const SignalSet ready = set_ & mask;
  if (ready.empty()) return std::nullopt;
  int signo;
  if (ready.Has(abi::kSigKill)) {
    signo = abi::kSigKill;
  } else {
    const SignalSet synchronous = ready & SynchronousSet();
    signo = __builtin_ctzll(synchronous.empty() ? ready.bits : synchronous.bits) + 1;
  }
  std::optional<SigInfo> found;
  bool more = false;
  for (auto it = queue_.begin(); it != queue_.end();) {
    if (it->signo != signo) {
      ++it;
    } else if (!found) {
      found = *it;
      it = queue_.erase(it);
    } else {
      more = true;
      break;
    }
  }
  if (!more) set_.Remove(signo);
  return found;
}

void PendingSignals::Discard(SignalSet set) {
  if ((set_ & set).empty()) return;
  queue_.remove_if([&](const SigInfo& info) { return set.Has(info.signo); });
  set_ = set_ & ~set;
}

}  // namespace sentry
