// Signals: actions (shared by CLONE_SIGHAND), queues of pending ones (one a
// task, one a thread group). Analogous to Linux's sighand_struct and sigpending.
// Pure data: the lock is the thread group's signal lock (ThreadGroup::signal_mu).
#ifndef SENTRY_KERNEL_SIGNALS_SIGNAL_STATE_H_
#define SENTRY_KERNEL_SIGNALS_SIGNAL_STATE_H_

#include <array>
#include <list>
#include <optional>

#include "base/mutex.h"
#include "base/ref_ptr.h"
#include "sentry/abi/signal.h"

namespace sentry {

using abi::SigInfo;
using abi::SignalSet;
using base::RefPtr;

// The default action of a signal (man 7 signal).
enum class DefaultAction : uint8_t { kTerminate, kIgnore, kCore, kStop, kContinue };
DefaultAction DefaultActionOf(int signo);

class SignalActions final : public base::RefCounted {
 public:
  abi::SigAction Get(int signo) const;
  abi::SigAction Exchange(int signo, const abi::SigAction& action);  // the old one
  bool IsIgnored(int signo) const;                                   // SIG_IGN, or SIG_DFL of an ignored signal
  RefPtr<SignalActions> Fork() const;
  void ResetForExec();  // handlers -> SIG_DFL, SIG_IGN stays
  SignalSet ignored() const;
  SignalSet caught() const;

 private:
  mutable base::RankedMutex<base::LockRank::kLeaf> mu_;
  std::array<abi::SigAction, abi::kSigMax + 1> actions_ ABSL_GUARDED_BY(mu_) = {};
};

// Standard signals are pending at most once; real-time ones queue, at most
// `limit` (RLIMIT_SIGPENDING) in all.
class PendingSignals {
 public:
  // False: a standard signal that was pending already (dropped), or the queue
  // is full (the caller says EAGAIN for sigqueue).
  bool Enqueue(const SigInfo& info, size_t limit);
  // The next of `mask` (synchronous ones first, then by number); SIGKILL wins.
  std::optional<SigInfo> Dequeue(SignalSet mask);
  void Discard(SignalSet set);
  SignalSet set() const { return set_; }

 private:
  SignalSet set_;
  std::list<SigInfo> queue_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_SIGNALS_SIGNAL_STATE_H_
