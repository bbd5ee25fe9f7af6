// A guest address space: page tables, and which virtual CPUs are in it.
#ifndef PLATFORM_KVM_ADDRESS_SPACE_H_
#define PLATFORM_KVM_ADDRESS_SPACE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/mutex.h"
#include "platform/kvm/page_tables.h"
#include "platform/platform.h"

namespace platform::kvm {

class VcpuPool;

// What all address spaces of a VM share.
struct SpaceParts {
  Tables& tables;
  GuestMemory& memory;
  VcpuPool& vcpus;
  GpaRange vdso_data{}, vdso_text{};  // the host's vDSO; empty: none
};

class KvmAddressSpace : public AddressSpace {
 public:
  static Result<std::unique_ptr<KvmAddressSpace>> Create(const SpaceParts& parts);
  ~KvmAddressSpace() override;

  Result<void> Apply(std::span<const MapOp> ops) override;
  // Page tables have no such limit.
  size_t vma_budget() const override { return size_t{1} << 40; }

  // Unlike any other's, for ever.
  uint64_t id() const { return id_; }
  // Changes whenever a virtual CPU may have kept what is true no more.
  uint64_t generation() const { return generation_.load(std::memory_order_seq_cst); }
  Result<uint64_t> Root(size_t vcpu, uint64_t ring0);

  // Of the guest's memory, as its page tables have it now. False: not mapped, or gone.
  bool Read(uint64_t addr, void* to, size_t size) const;
  // Where a page that the host could not give is mapped.
  std::optional<uint64_t> FindAddress(uint64_t gpa) const;
  // The same from hosts that do not say which page: of the addresses in `hints` the first
  // whose page can't be read; else any such page.
  std::optional<uint64_t> FindGone(std::span<const uint64_t> hints) const;

  // Maps pages that are in no file, for good.
  Result<void> MapFixed(uint64_t addr, GpaRange to, MemoryProtection prot);

 private:
  explicit KvmAddressSpace(const SpaceParts& parts);
  Result<void> MapOne(const MapOp& op, Taken& taken) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The guest reaches no more of it when this returns.
  void Settle(Taken& taken) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::byte* Host(uint64_t gpa) const;
  bool IsGone(uint64_t gpa) const;

  const SpaceParts parts_;
  const uint64_t id_;
  std::atomic<uint64_t> generation_ = 1;
  // Rank kPlatform: under mm's.
  mutable base::RankedMutex<base::LockRank::kPlatform> mu_;
  PageTables tables_ ABSL_GUARDED_BY(mu_);
};

}  // namespace platform::kvm

#endif  // PLATFORM_KVM_ADDRESS_SPACE_H_
