// Rewritten call sites: `mov $number, %eax; syscall`, or `syscall` and libc's look at
// the result, becomes a jump through a table to a trampoline of the site's own, which
// enters the stub without a trap.
//
// The table and the trampolines lie in one area at the same address in all stubs, so
// that a rewritten page is good in each; what differs is where a trampoline returns.
#ifndef PLATFORM_SYSTRAP_CALL_SITES_H_
#define PLATFORM_SYSTRAP_CALL_SITES_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/mutex.h"
#include "platform/platform.h"
#include "platform/stub/stub_platform.h"

namespace platform::systrap {

// The area. Its address is part of the jump (ff 24 e5 and the table entry's address), and
// so is what traps where the second instruction was: 06, which is none, or e5, which is
// `in`. Far from where programs are linked to, and from ASan's shadow.
inline constexpr uint64_t kCallArea = 0x60060000, kCallAreaSize = 0x10000;
// A slot: the trampoline's address, then the trampoline, which may take two. The first
// slot holds the addresses of the stub's entries.
inline constexpr uint64_t kSlotSize = 40, kTrampolineOffset = 8;
inline constexpr uint32_t kMaxSlots = kCallAreaSize / kSlotSize;
inline constexpr uint64_t kChunkSize = STUB_REGION_SIZE;

// Of all stubs: which slots are taken.
class CallSlots {
 public:
  std::optional<uint32_t> Take(uint32_t count) {
    const uint32_t slot = next_.fetch_add(count, std::memory_order_relaxed);
    if (slot + count <= kMaxSlots) return slot;
    next_.store(kMaxSlots, std::memory_order_relaxed);
    return std::nullopt;
  }

 private:
  std::atomic<uint32_t> next_ = 1;
};

// Thread-safe, as address spaces are.
class SystrapAddressSpace final : public stub::StubAddressSpace, public CallSites {
 public:
  SystrapAddressSpace(stub::StubPool& pool, std::shared_ptr<stub::StubProcess> stub, size_t vma_budget,
                      CallSlots& slots)
      : StubAddressSpace(pool, std::move(stub), vma_budget), slots_(slots) {}

  Result<void> Apply(std::span<const MapOp> ops) override;
  CallSites* call_sites() override { return this; }

  std::optional<CallSite> Find(std::span<const std::byte> page, size_t behind) override;
  void Rewrite(std::span<std::byte> page, const CallSite& site) const override;
  Result<void> Install(UserAddr page, std::span<const CallSite> sites) override;
  UserRange area() const override { return {UserAddr(kCallArea), UserAddr(kCallArea + kCallAreaSize)}; }

  void Retire() override { area_in_use_.store(false, std::memory_order_release); }

  // For a thread that stopped at `rip` in a trampoline: where in the site's own code it
  // would be, and whether rcx is to be had back.
  struct InTrampoline {
    uint64_t rip;
    bool rcx_saved;
  };
  std::optional<InTrampoline> Locate(uint64_t rip) const;

 private:
  static constexpr size_t kChunks = kCallAreaSize / kChunkSize;
  Result<std::byte*> Chunk(uint64_t address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<void> WriteSlot(UserAddr page, const CallSite& site) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<void> Write(uint64_t address, std::span<const std::byte> bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  CallSlots& slots_;
  // What lies in the area is ours, and no change of mappings may touch it.
  std::atomic<bool> area_in_use_ = false;
  // Rank: kPlatformSites, before the stub's own.
  mutable base::RankedMutex<base::LockRank::kPlatformSites> mu_;
  std::array<std::byte*, kChunks> chunks_ ABSL_GUARDED_BY(mu_) = {};
  // By slot: where its site is; 0: not installed. Made with the first.
  struct Installed {
    uint64_t start = 0;
    CallSite::Kind kind = CallSite::Kind::kMov;
  };
  std::vector<Installed> installed_ ABSL_GUARDED_BY(mu_);
};

}  // namespace platform::systrap

#endif  // PLATFORM_SYSTRAP_CALL_SITES_H_
