// The KVM platform's Context: a guest thread, run on whichever virtual CPU it has.
#ifndef PLATFORM_KVM_CONTEXT_H_
#define PLATFORM_KVM_CONTEXT_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "platform/kvm/vcpu_pool.h"
#include "platform/platform.h"

namespace platform::kvm {

class KvmContext : public Context {
 public:
  explicit KvmContext(VcpuPool& pool) : occupant_(pool) {}

  Event Switch(AddressSpace& as, sentry::arch::Registers& regs) override;
  void Kick() override;
  Result<void> GetFpState(sentry::arch::FpState& out) override { return occupant_.GetFpState(out); }
  void SetFpState(const sentry::arch::FpState& state) override;
  uint32_t answers_generation() const override { return occupant_.answers_generation(); }
  void RememberAnswer(uint32_t number, uint64_t value, uint32_t generation) override {
    occupant_.RememberAnswer(number, value, generation);
  }
  void ForgetAnswers() override { occupant_.ForgetAnswers(); }
  void WillBlock() override { occupant_.WillBlock(); }
  void Release() override { occupant_.Leave(); }

 private:
  // What an exit means; nullopt: nothing, run on.
  std::optional<Event> Interpret(Exit& exit, KvmAddressSpace& space, sentry::arch::Registers& regs);
  Event PageFault(const Exit& exit, KvmAddressSpace& space, sentry::arch::Registers& regs);
  static Event Vsyscall(KvmAddressSpace& space, sentry::arch::Registers& regs);
  Event NoPage(const Exit& exit, KvmAddressSpace& space, const sentry::arch::Registers& regs);
  bool TakeKick() { return kicked_.load(std::memory_order_relaxed) && kicked_.exchange(false); }

  Occupant occupant_;
  uint64_t space_ = 0;  // its id; 0: none yet
  sentry::arch::FpState given_fp_;
  // Kick: the flag first, then the virtual CPU is interrupted, if one runs. Switch: it is
  // known to run, then a look at the flag.
  std::atomic<bool> kicked_ = false;
  std::atomic<Vcpu*> running_ = nullptr;
};

}  // namespace platform::kvm

#endif  // PLATFORM_KVM_CONTEXT_H_
