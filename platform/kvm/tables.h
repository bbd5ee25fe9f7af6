// Pages of the VM that the platform itself fills: page tables, and ring 0's. They lie
// at the start of guest-physical space, so that a page's address there is its offset
// in one range of the sentry's.
#ifndef PLATFORM_KVM_TABLES_H_
#define PLATFORM_KVM_TABLES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/mutex.h"
#include "platform/kvm/machine.h"

namespace platform::kvm {

// Bits of their entries (Intel SDM volume 3, chapter 4).
inline constexpr uint64_t kPresent = 1, kWrite = 2, kUser = 4, kAccessed = 0x20, kDirty = 0x40, kLarge = 0x80;
inline constexpr uint64_t kNoExecute = uint64_t{1} << 63;

class Tables {
 public:
  // `limit` bytes at most, whole slots.
  static Result<std::unique_ptr<Tables>> Create(Machine& machine, uint64_t limit);
  ~Tables();
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  // The guest-physical address of a zeroed page. ENOMEM: the limit.
  Result<uint64_t> Allocate();
  // The caller has seen to it that no virtual CPU uses them any more; but see
  // set_shadowed.
  void Free(std::span<const uint64_t> pages);

  // The host derives its own tables from ours and does not notice what we write to
  // them: freed pages wait until it was made to forget all it knew.
  void set_shadowed() { shadowed_ = true; }
  bool shadowed() const { return shadowed_; }

  std::byte* Host(uint64_t page) const { return base_ + page; }
  uint64_t* Entries(uint64_t page) const { return reinterpret_cast<uint64_t*>(Host(page)); }
  // How many entries of a table are in use; kept by its owner.
  uint16_t& used(uint64_t page) { return used_[page >> 12]; }
  size_t in_use() const;

 private:
  Tables(Machine& machine, std::byte* base, uint64_t limit);
  Result<void> Grow() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Machine& machine_;
  std::byte* const base_;
  const uint64_t limit_;
  bool shadowed_ = false;
  uint16_t* used_ = nullptr;
  // Rank kPlatformPool: under an address space's.
  mutable base::RankedMutex<base::LockRank::kPlatformPool> mu_;
  uint64_t end_ ABSL_GUARDED_BY(mu_) = 0;        // of the slots
  uint64_t next_ ABSL_GUARDED_BY(mu_) = 0x1000;  // never used yet from here on; 0 is no page
  std::vector<uint64_t> free_ ABSL_GUARDED_BY(mu_);
  std::vector<uint64_t> waiting_ ABSL_GUARDED_BY(mu_);  // shadowed_ only
};

}  // namespace platform::kvm

#endif  // PLATFORM_KVM_TABLES_H_
