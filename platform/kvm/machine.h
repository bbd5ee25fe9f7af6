// The VM: its descriptor and its memory slots. man: Linux, Documentation/virt/kvm/api.rst.
#ifndef PLATFORM_KVM_MACHINE_H_
#define PLATFORM_KVM_MACHINE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "platform/kvm/api.h"

namespace platform::kvm {

using base::Errno;
using base::Result;

class Machine {
 public:
  // `device`: /dev/kvm, borrowed. ENOSYS: it lacks what we need; `why` says what.
  static Result<std::unique_ptr<Machine>> Create(int device, std::string& why);

  // Makes [gpa, gpa+size) the host memory at `host`. Slots stay until the VM goes.
  Result<void> AddSlot(uint64_t gpa, void* host, uint64_t size, bool writable);
  // Makes the host drop all that it derived from the guest's page tables.
  void DropShadows();
  // How often it did.
  uint64_t drops() const { return drops_.load(std::memory_order_relaxed); }
  Result<base::UniqueFd> NewVcpu(uint32_t id);

  int fd() const { return fd_.get(); }
  size_t run_size() const { return run_size_; }
  size_t xsave_size() const { return xsave_size_; }
  const Cpuid& cpuid() const { return *cpuid_; }
  // What XSAVE images have in the guest.
  uint64_t xsave_features() const { return xsave_features_; }
  bool Supports(uint32_t leaf, uint32_t kvm_cpuid_entry2::*reg, int bit) const;

 private:
  Machine() = default;
  Result<void> ReadCpuid(int device);
  Result<void> SetSlot(uint32_t slot, uint64_t gpa, void* host, uint64_t size, uint32_t flags) const;

  base::UniqueFd fd_;
  size_t run_size_ = 0, xsave_size_ = 0;
  uint32_t max_slots_ = 0;
  uint64_t gpa_end_ = 0;
  uint64_t xsave_features_ = 0;
  std::unique_ptr<Cpuid> cpuid_;
  std::atomic<uint64_t> drops_ = 0;
  // Rank kLeaf.
  base::RankedMutex<base::LockRank::kLeaf> mu_;
  uint32_t slots_ ABSL_GUARDED_BY(mu_) = 1;  // the first one is DropShadows'
};

}  // namespace platform::kvm

#endif  // PLATFORM_KVM_MACHINE_H_
