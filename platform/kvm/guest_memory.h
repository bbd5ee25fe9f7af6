// Where host files lie in guest-physical space. It is cut into slots, added as they are
// first used. Those of the memory files are the sentry's own view of them; others hold
// windows of 256 KiB on host files, shared by all address spaces that map the same file.
#ifndef PLATFORM_KVM_GUEST_MEMORY_H_
#define PLATFORM_KVM_GUEST_MEMORY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/ref_ptr.h"
#include "platform/kvm/machine.h"
#include "platform/platform.h"

namespace platform::kvm {

// A memory file and the sentry's view of all of it.
struct MemoryView {
  int fd = -1;
  std::span<std::byte> view{};
};

// Guest-physical pages.
struct GpaRange {
  uint64_t start = 0;
  uint64_t size = 0;
};

class GuestMemory {
 public:
  GuestMemory(Machine& machine, std::vector<MemoryView> views, uint64_t first_gpa);
  ~GuestMemory();
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;

  // What `op` maps from `offset` on, `size` bytes of it or less; the caller holds a
  // reference to each page until Drop. ENOMEM: out of slots or windows.
  Result<GpaRange> Take(const MapOp& op, uint64_t offset, uint64_t size);
  // Gives references back: nothing maps the pages any more.
  void Drop(std::span<const GpaRange> ranges);
  // Makes the host forget where the pages are, so that it looks at our page tables again.
  void Zap(std::span<const GpaRange> ranges) const;

  // Another of the sentry's mappings, for good.
  Result<uint64_t> AddReadOnly(std::byte* host, uint64_t size);

  // The sentry's view of a page; null: there is none. It may fault.
  std::byte* Host(uint64_t gpa) const;
  // Whether guest tables may map it in 2 MiB pieces.
  bool IsMemoryFile(uint64_t gpa) const;

  // Below lies nothing of this.
  uint64_t first_gpa() const { return first_gpa_; }

  // Changes of mappings inside of slots, each of which the host had to follow.
  uint64_t remaps() const { return remaps_.load(std::memory_order_relaxed); }
  size_t windows() const;

  static constexpr uint64_t kWindowSize = 256 << 10;
  // Each is a mapping of the sentry's, of which the host allows 65,530.
  static constexpr size_t kMaxWindows = 30'000;

 private:
  using FileKey = std::pair<const base::RefCounted*, uint64_t>;  // whose, and where the window begins
  struct Window {
    uint32_t pages = 0;  // that page tables lead to
    base::RefPtr<base::RefCounted> file{};
    FileKey key{};
  };
  struct Slot {
    std::byte* host = nullptr;
    uint64_t size = 0;
    bool memory_file = false;
    bool owned = false;
  };
  struct View {
    MemoryView memory;
    std::vector<uint64_t> slots;  // guest-physical addresses; 0: not yet
  };

  Result<uint64_t> AddSlot(std::byte* host, uint64_t size, bool writable, bool memory_file, bool owned)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<GpaRange> TakeMemory(View& view, uint64_t offset, uint64_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<uint64_t> NewWindow(const MapOp& op, uint64_t offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<void> AddWindows() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Clear(uint64_t start, uint64_t end);
  const Slot* SlotOf(uint64_t gpa) const;

  Machine& machine_;
  std::atomic<uint64_t> remaps_ = 0;
  const uint64_t first_gpa_;
  const uint64_t slot_size_;
  // By guest-physical address; written under mu_, read without.
  struct Freed {
    void operator()(void* p) const { free(p); }
  };
  std::unique_ptr<std::atomic<const Slot*>[], Freed> slot_at_;

  // Rank kPlatformPool: under an address space's.
  mutable base::RankedMutex<base::LockRank::kPlatformPool> mu_;
  std::vector<View> views_ ABSL_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<Slot>> slots_ ABSL_GUARDED_BY(mu_);
  std::map<uint64_t, Window> windows_ ABSL_GUARDED_BY(mu_);  // by guest-physical address
  std::map<FileKey, uint64_t> window_of_ ABSL_GUARDED_BY(mu_);
  std::vector<uint64_t> free_windows_ ABSL_GUARDED_BY(mu_);
};

}  // namespace platform::kvm

#endif  // PLATFORM_KVM_GUEST_MEMORY_H_
