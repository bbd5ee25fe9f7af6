// The page tables of one address space (Intel SDM volume 3, chapter 4): its half of
// them. The root is made once more for each virtual CPU that comes here, since ring 0's
// pages are each virtual CPU's own.
#ifndef PLATFORM_KVM_PAGE_TABLES_H_
#define PLATFORM_KVM_PAGE_TABLES_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "platform/kvm/guest_memory.h"
#include "platform/kvm/tables.h"

namespace platform::kvm {

// What a change took from the guest. The pages and tables are the caller's to give
// back, once no virtual CPU can reach them.
struct Taken {
  bool rights = false;  // something that was allowed is no more
  std::vector<GpaRange> pages;
  std::vector<GpaRange> weakened;  // still mapped, with fewer rights
  std::vector<uint64_t> tables;
  bool any() const { return rights || !pages.empty() || !tables.empty(); }
};

// Not thread-safe; but a virtual CPU may use the tables meanwhile.
class PageTables {
 public:
  explicit PageTables(Tables& tables) : tables_(tables) {}
  // Gives back all tables; no virtual CPU may be in them.
  ~PageTables();
  PageTables(const PageTables&) = delete;
  PageTables& operator=(const PageTables&) = delete;

  // Nothing is mapped in the range. `huge`: in 2 MiB pieces where both sides allow.
  // ENOMEM: out of tables; the first part may be mapped, which an Unmap of the range undoes.
  Result<void> Map(uint64_t start, GpaRange to, MemoryProtection prot, bool huge);
  // ENOMEM, of both: a 2 MiB piece could not be split; the first part may be done.
  Result<void> Unmap(UserRange range, Taken& taken);
  Result<void> Protect(UserRange range, MemoryProtection prot, Taken& taken);

  // For a virtual CPU: the root whose upper part leads to `ring0`. ENOMEM.
  Result<uint64_t> Root(size_t vcpu, uint64_t ring0);

  struct Translation {
    uint64_t gpa;
    bool writable;
  };
  std::optional<Translation> Translate(uint64_t addr) const;
  // The first address that leads to a page that is looked for; a search through all.
  std::optional<uint64_t> FindAddress(const std::function<bool(uint64_t gpa)>& wanted) const;

 private:
  // The table of the given level (1: of pages, 3: of PDPT entries) on the way to addr; 0:
  // none, or a 2 MiB piece.
  uint64_t Find(uint64_t addr, int level) const;
  Result<uint64_t> Make(uint64_t addr, int level);
  Result<void> Split(uint64_t addr);
  // Calls f(addr, entry, size) for what is mapped in the range.
  template <typename F>
  void ForEach(uint64_t start, uint64_t end, F f) const;
  Result<void> SplitEnds(UserRange range);
  void Clear(uint64_t table, int level, UserRange range, Taken& taken);
  // Of an entry of a table of this level. True: nothing is left that it leads to.
  bool TakeBelow(uint64_t entry, int level, UserRange range, Taken& taken);
  void SetTop(size_t index, uint64_t entry);

  Tables& tables_;
  uint64_t top_ = 0;             // what the roots' lower halves are copies of; 0: none yet
  std::vector<uint64_t> roots_;  // by virtual CPU; 0: it was never here
};

}  // namespace platform::kvm

#endif  // PLATFORM_KVM_PAGE_TABLES_H_
