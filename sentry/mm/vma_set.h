// The mappings of an address space: an interval map. Pure data, no locks.
#ifndef SENTRY_MM_VMA_SET_H_
#define SENTRY_MM_VMA_SET_H_

#include <cstdint>
#include <map>
#include <optional>

#include "sentry/mm/mappable.h"
#include "sentry/usermem/user_addr.h"

namespace sentry {

// Linux's stack_guard_gap: kept free below a mapping that grows down.
inline constexpr uint64_t kStackGuardGap = 256 * kPageSize;

// One mapping. Analogous to Linux's struct vm_area_struct.
struct Vma {
  UserRange range;
  MemoryProtection prot;
  MemoryProtection max_prot{true, true, true};
  bool shared = false;
  bool grows_down = false;
  bool stack = false;
  bool locked = false;
  bool lock_on_fault = false;
  bool no_reserve = false;
  bool dont_fork = false;
  bool wipe_on_fork = false;
  bool no_huge = false;
  bool kernel_shared = false;  // shared anonymous: `mappable` is our own
  RefPtr<Mappable> mappable;
  RefPtr<FileIdentity> identity;
  uint64_t offset = 0;  // in the mappable, of range.start
  const char* label = nullptr;

  // Where the last faults were, to see that access is dense (fault.cc).
  uint64_t window_start = 0;
  uint64_t window_end = 0;
  uint64_t window_size = 0;

  bool anonymous() const { return !mappable; }
  uint64_t OffsetOf(uint64_t addr) const { return offset + (addr - range.start.value); }
  bool shared_writable() const { return shared && max_prot.write; }
  // Linux's is_data_mapping: what RLIMIT_DATA counts.
  bool is_data() const { return prot.write && !shared && !grows_down; }
  bool CanMergeWith(const Vma& next) const;
};

class VmaSet {
 public:
  using Map = std::map<uint64_t, Vma>;  // by start; nodes never move
  using Iterator = Map::iterator;

  // The mapping that contains `addr`, or null.
  Vma* Find(uint64_t addr);
  const Vma* Find(uint64_t addr) const { return const_cast<VmaSet*>(this)->Find(addr); }
  // The first mapping that ends above `addr`.
  Iterator FirstAbove(uint64_t addr);
  Iterator begin() { return map_.begin(); }
  Iterator end() { return map_.end(); }
  Map::const_iterator begin() const { return map_.begin(); }
  Map::const_iterator end() const { return map_.end(); }
  size_t size() const { return map_.size(); }
  // Bumped by every change: what was looked up before may be void.
  uint64_t version() const { return version_; }
  void Touch() { ++version_; }

  // `vma.range` must be free.
  Iterator Insert(Vma vma);
  Vma Remove(Iterator it);
  // Cuts the mapping in two at `addr`, strictly inside it; returns the upper.
  Iterator Split(Iterator it, uint64_t addr);
  // Joins `it` with the one behind; CanMergeWith holds.
  void Join(Iterator it);
  // Moves the start or end into free space.
  Iterator GrowDown(Iterator it, uint64_t new_start);
  void GrowUp(Iterator it, uint64_t new_end);

  // Whether [start, end) is mapped without a hole; whether any of it is.
  bool Covers(UserRange range);
  bool Overlaps(UserRange range);
  // Free including the guard gap of a stack just above.
  bool IsFree(UserRange range);

  // The highest free place below `top`, the lowest above `bottom`; aligned.
  std::optional<uint64_t> FindTopDown(uint64_t length, uint64_t alignment, uint64_t bottom, uint64_t top);
  std::optional<uint64_t> FindBottomUp(uint64_t length, uint64_t alignment, uint64_t bottom, uint64_t top);

 private:
  // Where the space taken by `vma` begins, guard gap included.
  static uint64_t GuardedStart(const Vma& vma);
  void NoteFreed(uint64_t start, uint64_t end);

  Map map_;
  uint64_t version_ = 1;
  // All gaps between hint_ and hint_top_ are smaller than hint_hole_ bytes, so a
  // search for that much or more starts at hint_.
  uint64_t hint_ = 0;
  uint64_t hint_top_ = 0;
  uint64_t hint_hole_ = UINT64_MAX;
};

}  // namespace sentry

#endif  // SENTRY_MM_VMA_SET_H_
