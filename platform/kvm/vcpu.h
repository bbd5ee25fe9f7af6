// One virtual CPU: a KVM descriptor, its page shared with the host, ring 0's pages.
// Whoever has claimed it (VcpuPool) uses it alone; Interrupt excepted.
#ifndef PLATFORM_KVM_VCPU_H_
#define PLATFORM_KVM_VCPU_H_

#include <signal.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "platform/kvm/address_space.h"
#include "platform/kvm/layout.h"
#include "platform/kvm/machine.h"
#include "platform/kvm/tables.h"

namespace platform::kvm {

// Ends KVM_RUN, by a handler that does nothing.
inline constexpr int kKickSignal = SIGURG;
void InstallKickHandler();

// Guest-physical addresses of ring 0's pages that all virtual CPUs share.
struct SharedPages {
  uint64_t text = 0;
  uint64_t idt = 0;
};

// What kind of KVM it is; found out by trying (probe.h).
struct Traits {
  // Ring 0 runs on the processor. Otherwise the host plays its instructions: `syscall`
  // does not get there but ends in a page fault, and there is no way back from it.
  bool ring0 = false;
  // The host sees what we write to page tables, since the processor itself reads them.
  bool nested_paging = false;
};

// Why a run ended.
struct Exit {
  enum class Kind : uint8_t {
    kSyscall,    // regs: rip behind it
    kException,  // of ring 3; vector, error_code; regs as they were
    kNothing,    // the guest can go on with regs
    kNoPage,     // the host could not give a page: gpa
    kBroken,     // the virtual CPU can't go on: cause
  };
  Kind kind;
  uint8_t vector = 0;
  uint32_t error_code = 0;
  uint64_t addr = 0;       // kException 14: CR2; kNoPage: its guest-physical address, 0: not known
  uint32_t trap_bits = 0;  // kException 1: DR6
  std::string cause = {};
};

class Vcpu {
 public:
  static Result<std::unique_ptr<Vcpu>> Create(Machine& machine, Tables& tables, const SharedPages& shared,
                                              uint32_t index, const Traits& traits);
  ~Vcpu();
  Vcpu(const Vcpu&) = delete;
  Vcpu& operator=(const Vcpu&) = delete;

  // Runs guest code in `space` with `regs` until an exit. `cancelled` is asked once, at
  // the last moment from which on an Interrupt is sure to be seen; it leaves at once.
  template <typename Cancelled>
  Exit Run(KvmAddressSpace& space, sentry::arch::Registers& regs, Cancelled cancelled) {
    if (!Prepare(space, regs)) return {.kind = Exit::Kind::kBroken, .cause = "no memory for page tables"};
    if (cancelled()) {
      Cancel();
      return {.kind = Exit::Kind::kNothing};
    }
    return Enter(space, regs);
  }

  // Tells the host that this thread will run it from now on; it may have to wait before it may.
  void TakeOver();
  // Makes a run end soon, from any thread. May cause one that ends at once later.
  void Interrupt();
  // If it runs in `space` with mappings of before now: makes it leave, and waits.
  void Expel(const KvmAddressSpace& space);
  // The space dies. Its virtual CPU must not start from its tables again.
  void Forget(const KvmAddressSpace& space);

  // As new, but without a page table: the next run gives it one.
  Result<void> Reset();
  // The system call that came last was seen by ring 0.
  bool called_ring0() const;

  Result<void> GetFpState(sentry::arch::FpState& out);
  Result<void> SetFpState(const sentry::arch::FpState& state);

  void SetAnswer(uint32_t number, uint64_t value);
  void ClearAnswer(uint32_t number);

  // Guests read the host's time stamps.
  bool host_tsc() const { return host_tsc_; }

 private:
  // Address spaces whose translations the processor may keep, by the low bits of CR3
  // (process-context identifiers, where there are any).
  struct Tag {
    uint64_t space = 0;  // its id
    uint64_t root = 0;
    uint64_t generation = 0;
    uint64_t used = 0;
  };
  static constexpr size_t kTags = 8;

  Vcpu(Machine& machine, Tables& tables, uint32_t index, const Traits& traits)
      : machine_(machine), tables_(tables), index_(index), traits_(traits) {}
  Result<void> MakePages(const SharedPages& shared);
  Tag* TagOf(KvmAddressSpace& space);
  bool Prepare(KvmAddressSpace& space, const sentry::arch::Registers& regs);
  bool ResumeInRing0(const sentry::arch::Registers& regs, bool stale);
  Exit Enter(KvmAddressSpace& space, sentry::arch::Registers& regs);
  void Cancel();
  void Leave();
  void AwaitEndOfRun(uint32_t ended);

  Exit Decode(int error, sentry::arch::Registers& regs);
  Exit DecodeRing0(sentry::arch::Registers& regs);
  Exit DecodePlace(uint64_t place, const sentry::arch::Registers& now, sentry::arch::Registers& regs);
  Exit DecodeVector(uint8_t vector, sentry::arch::Registers& regs);
  static sentry::arch::Registers ToRegisters(const kvm_regs& r, const kvm_sregs& s,
                                             const sentry::arch::Registers& before);
  static Exit CallExit(sentry::arch::Registers& regs);
  static void AsByHardware(const KvmAddressSpace& space, Exit& exit, sentry::arch::Registers& regs);
  uint32_t TakeTrapBits();
  void DropPending(Exit& exit);
  Exit BrokenExit() const;

  // A word of ring 0's pages that are this virtual CPU's own.
  template <typename T>
  T& At(int64_t ring0_address) const {
    const uint64_t page = ring0_address >= RING0_ANSWERS ? answers_ : ring0_address >= RING0_STACK ? stack_ : gdt_;
    return *reinterpret_cast<T*>(tables_.Host(page) + (static_cast<uint64_t>(ring0_address) & 0xfff));
  }

  Machine& machine_;
  Tables& tables_;
  const uint32_t index_;
  const Traits& traits_;
  base::UniqueFd fd_;
  kvm_run* run_ = nullptr;
  uint64_t ring0_ = 0;  // the PDPT that leads to ring 0's pages
  uint64_t gdt_ = 0, stack_ = 0, answers_ = 0;
  bool broken_ = false;
  bool host_tsc_ = false;

  Tag tags_[kTags];
  size_t tag_count_ = 1;
  uint64_t uses_ = 0;
  // Of the run that is prepared.
  Tag* tag_ = nullptr;
  uint64_t cr3_ = 0;

  // A run sets running_in_, then looks at the space's generation; Expel's caller sets
  // that one, then looks here. root_of_ and Forget are such a pair, too.
  std::atomic<uint64_t> running_in_ = 0;  // an address space's id; 0: none
  std::atomic<uint64_t> root_of_ = 0;     // whose root CR3 has; 0: nobody's that lives
  std::atomic<uint32_t> runs_ended_ = 0;  // a futex
  std::atomic<uint32_t> waiters_ = 0;
  std::atomic<int> tid_ = 0;
};

}  // namespace platform::kvm

#endif  // PLATFORM_KVM_VCPU_H_
