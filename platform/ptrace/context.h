// The ptrace platform's Context.
#ifndef PLATFORM_PTRACE_CONTEXT_H_
#define PLATFORM_PTRACE_CONTEXT_H_

#include <atomic>
#include <memory>
#include <optional>

#include "base/mutex.h"
#include "platform/platform.h"
#include "platform/ptrace/traced_thread.h"
#include "platform/stub/placement.h"
#include "platform/stub/stub_process.h"

namespace platform::ptrace {

class PtraceContext : public Context {
 public:
  explicit PtraceContext(stub::Placement& placement) : placement_(placement) {}
  ~PtraceContext() override { Release(); }

  Event Switch(AddressSpace& as, sentry::arch::Registers& regs) override;
  void Kick() override;
  Result<void> GetFpState(sentry::arch::FpState& out) override;
  void SetFpState(const sentry::arch::FpState& state) override;
  void SetPriority(HostPriority priority) override;
  void Release() override;

 private:
  // What a stop means; nullopt: nothing, run on.
  std::optional<Event> Interpret(int status, sentry::arch::Registers& regs);
  std::optional<Event> InterpretSignal(int signo, sentry::arch::Registers& regs);
  Event MemoryFault(const siginfo_t& info, sentry::arch::Registers& regs);
  std::optional<Event> Vsyscall(sentry::arch::Registers& regs, uint64_t nr);
  Result<void> EnterStub(const std::shared_ptr<stub::StubProcess>& stub);
  Event Dead(const stub::StubProcess& stub);
  bool TakeKick() { return kicked_.load(std::memory_order_relaxed) && kicked_.exchange(false); }

  stub::Placement& placement_;
  stub::Runner runner_;
  std::unique_ptr<TracedThread> thread_;
  HostPriority priority_;  // of thread_, whichever it is
  // What SetFpState gave; a thread in another stub starts from it.
  std::optional<sentry::arch::FpState> given_fp_;
  bool fp_dirty_ = false;  // thread_ does not have given_fp_ yet

  // The fault before this one: the host does not tell reads from writes, so one
  // that a mapping for the first guess did not cure is the other.
  struct LastFault {
    uint64_t rip = 0, addr = 0;
    int repeats = -1;
  } last_fault_;

  // Kick: the flag first, then, if guest code may run, the signal. Switch: guest
  // code may run, then a look at the flag.
  std::atomic<bool> kicked_ = false;
  std::atomic<bool> running_ = false;
  // Rank: kLeaf. Keeps the thread's number from reuse under a Kick.
  base::RankedMutex<base::LockRank::kLeaf> kick_mu_;
  pid_t kick_tgid_ ABSL_GUARDED_BY(kick_mu_) = -1;
  pid_t kick_tid_ ABSL_GUARDED_BY(kick_mu_) = -1;
};

}  // namespace platform::ptrace

#endif  // PLATFORM_PTRACE_CONTEXT_H_
