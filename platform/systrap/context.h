// The systrap platform's Context.
#ifndef PLATFORM_SYSTRAP_CONTEXT_H_
#define PLATFORM_SYSTRAP_CONTEXT_H_

#include <atomic>
#include <bitset>
#include <memory>
#include <optional>

#include "base/mutex.h"
#include "platform/platform.h"
#include "platform/stub/placement.h"
#include "platform/stub/stub_process.h"
#include "platform/systrap/spin_policy.h"
#include "platform/systrap/trapped_thread.h"

namespace platform::systrap {

class SystrapAddressSpace;

class SystrapContext : public Context {
 public:
  SystrapContext(stub::Placement& placement, TscClock& clock) : placement_(placement), clock_(clock) {}
  ~SystrapContext() override { Release(); }

  Event Switch(AddressSpace& as, sentry::arch::Registers& regs) override;
  void Kick() override;
  Result<void> GetFpState(sentry::arch::FpState& out) override;
  void SetFpState(const sentry::arch::FpState& state) override;
  uint32_t answers_generation() const override { return generation_.load(std::memory_order_seq_cst); }
  void RememberAnswer(uint32_t number, uint64_t value, uint32_t generation) override;
  void ForgetAnswers() override;
  void WillBlock() override { EndSpin(); }
  void SetPriority(HostPriority priority) override;
  void Release() override;

 private:
  void ChooseSpin();
  // Waits for the turn awake, if the spin policy has it so. False: it did not come.
  bool AwaitAwake();
  void EndSpin();
  Result<void> EnterStub(const std::shared_ptr<stub::StubProcess>& stub);
  // Waits for the thread; what came of it. nullopt: nothing of the guest's, run on.
  // `overdue` counts what came, or did not, in place of an answer to a kick.
  std::optional<Event> Await(sentry::arch::Registers& regs, int& overdue);
  std::optional<Event> Interpret(const Trap& trap, sentry::arch::Registers& regs);
  Event DidNotAnswer();  // kills the stub
  Event MemoryFault(const Trap& trap, const sentry::arch::Registers& regs);
  Event Dead(std::string cause);
  bool TakeKick() { return kicked_.load(std::memory_order_relaxed) && kicked_.exchange(false); }

  stub::Placement& placement_;
  TscClock& clock_;
  stub::Runner runner_;
  SpinPolicy spin_;
  SystrapAddressSpace* space_ = nullptr;  // of the Switch that runs
  std::unique_ptr<TrappedThread> thread_;
  HostPriority priority_;  // of thread_, whichever it is
  // What SetFpState gave; a thread in another stub starts from it.
  std::optional<sentry::arch::FpState> given_fp_;
  bool fp_dirty_ = false;  // thread_ does not have given_fp_ yet

  // A SIGBUS that a mapping did not cure is the guest's.
  struct LastFault {
    uint64_t rip = 0, addr = 0;
    bool valid = false;
  } last_fault_;

  // Kick: the flag first, then, if guest code may run, the signal. Switch: guest
  // code may run, then a look at the flag.
  std::atomic<bool> kicked_ = false;
  std::atomic<bool> running_ = false;
  // Rank: kLeaf. Keeps the thread from going under a Kick.
  base::RankedMutex<base::LockRank::kLeaf> kick_mu_;
  TrappedThread* kick_thread_ ABSL_GUARDED_BY(kick_mu_) = nullptr;
  std::atomic<uint32_t> generation_ = 0;
  std::bitset<TrappedThread::kMaxAnswers> answered_ ABSL_GUARDED_BY(kick_mu_);  // by number
};

}  // namespace platform::systrap

#endif  // PLATFORM_SYSTRAP_CONTEXT_H_
