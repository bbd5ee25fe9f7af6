// Platforms that fail in chosen ways, as candidates of the self-test.
#ifndef RUNSC_CPP_SELECTION_FAKE_PLATFORM_H_
#define RUNSC_CPP_SELECTION_FAKE_PLATFORM_H_

#include <signal.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "runsc-cpp/boot/platforms.h"

namespace runsc {

enum class Fault {
  kHangs,
  kHangsDeaf,  // with all signals blocked
  kCrashes,
  kExits,
  kWrongRegisters,
  kFaultInstead,
  kGuestDies,
  kNoCreate,
  kNoMemory,
};

class FakeSpace : public platform::AddressSpace {
 public:
  base::Result<void> Apply(std::span<const platform::MapOp>) override { return base::Ok(); }
  size_t vma_budget() const override { return 1000; }
};

class FakeContext : public platform::Context {
 public:
  explicit FakeContext(Fault fault) : fault_(fault) {}

  platform::Event Switch(platform::AddressSpace&, sentry::arch::Registers& regs) override {
    sigset_t all;
    sigfillset(&all);
    switch (fault_) {
      case Fault::kHangsDeaf:
        sigprocmask(SIG_BLOCK, &all, nullptr);
        [[fallthrough]];
      case Fault::kHangs:
        while (true) pause();
      case Fault::kCrashes:
        __builtin_trap();
      case Fault::kExits:
        _exit(0);
      case Fault::kWrongRegisters:
        regs.rip += 7;
        regs.orig_rax = 39;
        regs.rax = -uint64_t{38};
        regs.r15 ^= 1;
        return platform::SyscallEvent{};
      case Fault::kFaultInstead:
        return platform::FaultEvent{};
      default:
        return platform::DeadEvent{"the guest fell over"};
    }
  }
  void Kick() override {}
  base::Result<void> GetFpState(sentry::arch::FpState&) override { return base::Ok(); }
  void SetFpState(const sentry::arch::FpState&) override {}
  void Release() override {}

 private:
  const Fault fault_;
};

class FakePlatform : public platform::Platform {
 public:
  FakePlatform(Fault fault, PlatformParts parts) : fault_(fault), parts_(std::move(parts)) {}
  ~FakePlatform() override { kill(parts_.stub_template.pid, SIGKILL); }
  const platform::PlatformInfo& info() const override { return info_; }
  base::Result<std::unique_ptr<platform::AddressSpace>> NewAddressSpace() override {
    return std::unique_ptr<platform::AddressSpace>(new FakeSpace());
  }
  base::Result<std::unique_ptr<platform::Context>> NewContext() override {
    return std::unique_ptr<platform::Context>(new FakeContext(fault_));
  }

 private:
  const Fault fault_;
  const PlatformParts parts_;  // holds the template
  const platform::PlatformInfo info_{"fake", {}};
};

template <Fault kFault>
absl::StatusOr<std::unique_ptr<platform::Platform>> CreateFake(PlatformParts parts) {
  if (kFault == Fault::kNoCreate) return absl::FailedPreconditionError("the host lacks a flux capacitor");
  if (kFault == Fault::kNoMemory) return PlatformError("start it", base::Errno::kENOMEM);
  return std::unique_ptr<platform::Platform>(new FakePlatform(kFault, std::move(parts)));
}

template <Fault kFault>
constexpr PlatformChoice kFake = {"fake", CreateFake<kFault>, nullptr};

}  // namespace runsc

#endif  // RUNSC_CPP_SELECTION_FAKE_PLATFORM_H_
