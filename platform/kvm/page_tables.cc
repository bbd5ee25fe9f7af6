#include "platform/kvm/page_tables.h"

#include <algorithm>
#include <atomic>

#include "platform/kvm/layout.h"

namespace platform::kvm {
namespace {

using sentry::kPageSize;

constexpr uint64_t kAddress = 0x000ffffffffff000;
// Rights are for the last level to say.
constexpr uint64_t kTable = kPresent | kWrite | kUser | kAccessed;
constexpr uint64_t kLargeSize = 2 << 20;
constexpr size_t kEntries = 512, kUserEntries = 256;

// Bytes that an entry of a table of this level maps.
constexpr uint64_t Span(int level) { return uint64_t{1} << (12 + 9 * (level - 1)); }
constexpr size_t Index(uint64_t addr, int level) { return (addr / Span(level)) % kEntries; }

// Accessed and dirty from the start: nobody reads them, and the processor need not
// write here.
uint64_t Rights(MemoryProtection prot) {
  return kPresent | kUser | kAccessed | (prot.write ? kWrite | kDirty : 0) | (prot.execute ? 0 : kNoExecute);
}

// The virtual CPUs read them at any time.
void Store(uint64_t& entry, uint64_t value) { std::atomic_ref(entry).store(value, std::memory_order_release); }

void Append(std::vector<GpaRange>& ranges, GpaRange more) {
  if (!ranges.empty() && ranges.back().start + ranges.back().size == more.start) {
    ranges.back().size += more.size;
  } else {
    ranges.push_back(more);
  }
}

}  // namespace

PageTables::~PageTables() {
  std::vector<uint64_t> all;
  const auto collect = [&](auto& self, uint64_t table, int level) -> void {
    if (level > 1) {
      const uint64_t* const entries = tables_.Entries(table);
      for (size_t i = 0; i < (level == 4 ? kUserEntries : kEntries); i++) {
        if ((entries[i] & kPresent) != 0 && (entries[i] & kLarge) == 0) self(self, entries[i] & kAddress, level - 1);
      }
    }
    all.push_back(table);
  };
  if (top_ != 0) collect(collect, top_, 4);
  for (const uint64_t root : roots_) {
    if (root != 0) all.push_back(root);
  }
  tables_.Free(all);
}

void PageTables::SetTop(size_t index, uint64_t entry) {
  Store(tables_.Entries(top_)[index], entry);
  for (const uint64_t root : roots_) {
    if (root != 0) Store(tables_.Entries(root)[index], entry);
  }
}

Result<uint64_t> PageTables::Root(size_t vcpu, uint64_t ring0) {
  if (top_ == 0) top_ = TRY(tables_.Allocate());
  if (vcpu >= roots_.size()) roots_.resize(vcpu + 1);
  if (roots_[vcpu] == 0) {
    const uint64_t root = TRY(tables_.Allocate());
    std::copy_n(tables_.Entries(top_), kUserEntries, tables_.Entries(root));
    tables_.Entries(root)[Index(Ring0Address(RING0_BASE), 4)] = ring0 | kTable;
    roots_[vcpu] = root;
  }
  return roots_[vcpu];
}

uint64_t PageTables::Find(uint64_t addr, int level) const {
  uint64_t table = top_;
  for (int at = 4; at > level; at--) {
    if (table == 0) return 0;
    const uint64_t entry = tables_.Entries(table)[Index(addr, at)];
    if ((entry & kPresent) == 0 || (entry & kLarge) != 0) return 0;
    table = entry & kAddress;
  }
  return table;
}

Result<uint64_t> PageTables::Make(uint64_t addr, int level) {
  if (top_ == 0) top_ = TRY(tables_.Allocate());
  uint64_t table = top_;
  for (int at = 4; at > level; at--) {
    const size_t index = Index(addr, at);
    uint64_t entry = tables_.Entries(table)[index];
    if ((entry & kPresent) == 0) {
      entry = TRY(tables_.Allocate()) | kTable;
      tables_.used(table)++;
      if (at == 4) {
        SetTop(index, entry);
      } else {
        Store(tables_.Entries(table)[index], entry);
      }
    }
    table = entry & kAddress;
  }
  return table;
}

Result<void> PageTables::Map(uint64_t start, GpaRange to, MemoryProtection prot, bool huge) {
  const uint64_t rights = Rights(prot), end = start + to.size;
  for (uint64_t at = start; at < end;) {
    const uint64_t gpa = to.start + (at - start);
    if (huge && ((at | gpa) & (kLargeSize - 1)) == 0 && end - at >= kLargeSize && Find(at, 1) == 0) {
      const uint64_t table = TRY(Make(at, 2));
      Store(tables_.Entries(table)[Index(at, 2)], gpa | rights | kLarge);
      tables_.used(table)++;
      at += kLargeSize;
      continue;
    }
    const uint64_t table = TRY(Make(at, 1));
    const uint64_t last = std::min(end, (at / kLargeSize + 1) * kLargeSize);
    tables_.used(table) += (last - at) / kPageSize;
    for (uint64_t entry = gpa | rights; at < last; at += kPageSize, entry += kPageSize) {
      Store(tables_.Entries(table)[Index(at, 1)], entry);
    }
  }
  return base::Ok();
}

Result<void> PageTables::Split(uint64_t addr) {
  const uint64_t table = Find(addr, 2);
  if (table == 0) return base::Ok();
  uint64_t& entry = tables_.Entries(table)[Index(addr, 2)];
  if ((entry & kLarge) == 0) return base::Ok();
  const uint64_t small = TRY(tables_.Allocate());
  for (size_t i = 0; i < kEntries; i++) tables_.Entries(small)[i] = (entry & ~kLarge) + i * kPageSize;
  tables_.used(small) = kEntries;
  Store(entry, small | kTable);
  return base::Ok();
}

Result<void> PageTables::SplitEnds(UserRange range) {
  if (range.start.value % kLargeSize != 0) TRY(Split(range.start.value));
  if (range.end.value % kLargeSize != 0) TRY(Split(range.end.value));
  return base::Ok();
}

template <typename F>
void PageTables::ForEach(uint64_t start, uint64_t end, F f) const {
  const auto walk = [&](auto& self, uint64_t table, int level, uint64_t from, uint64_t to) -> void {
    while (from < to) {
      const uint64_t next = std::min(to, (from / Span(level) + 1) * Span(level));
      uint64_t& entry = tables_.Entries(table)[Index(from, level)];
      if ((entry & kPresent) != 0) {
        if (level == 1 || (entry & kLarge) != 0) {
          f(from, entry, Span(level));
        } else {
          self(self, entry & kAddress, level - 1, from, next);
        }
      }
      from = next;
    }
  };
  if (top_ != 0) walk(walk, top_, 4, start, std::min<uint64_t>(end, RESERVED_END));
}

// Tables that are left empty go, those of a Map that failed among them.
void PageTables::Clear(uint64_t table, int level, UserRange range, Taken& taken) {
  uint64_t* const entries = tables_.Entries(table);
  for (uint64_t at = range.start.value; at < range.end.value;) {
    const uint64_t next = std::min(range.end.value, (at / Span(level) + 1) * Span(level));
    const size_t index = Index(at, level);
    if (TakeBelow(entries[index], level, {UserAddr(at), UserAddr(next)}, taken)) {
      if (level == 4) {
        SetTop(index, 0);
      } else {
        Store(entries[index], 0);
      }
      tables_.used(table)--;
    }
    at = next;
  }
}

bool PageTables::TakeBelow(uint64_t entry, int level, UserRange range, Taken& taken) {
  if ((entry & kPresent) == 0) return false;
  const uint64_t below = entry & kAddress;
  if (level == 1 || (entry & kLarge) != 0) {
    Append(taken.pages, {below, Span(level)});
    return true;
  }
  Clear(below, level - 1, range, taken);
  if (tables_.used(below) != 0) return false;
  taken.tables.push_back(below);
  return true;
}

Result<void> PageTables::Unmap(UserRange range, Taken& taken) {
  TRY(SplitEnds(range));
  range.end.value = std::min<uint64_t>(range.end.value, RESERVED_END);
  if (top_ != 0) Clear(top_, 4, range, taken);
  return base::Ok();
}

Result<void> PageTables::Protect(UserRange range, MemoryProtection prot, Taken& taken) {
  TRY(SplitEnds(range));
  const uint64_t rights = Rights(prot);
  ForEach(range.start.value, range.end.value, [&](uint64_t, uint64_t& entry, uint64_t size) {
    const uint64_t fewer = (entry & kWrite & ~rights) | (~entry & kNoExecute & rights);
    Store(entry, (entry & (kAddress | kLarge)) | rights);
    if (fewer == 0) return;
    taken.rights = true;
    Append(taken.weakened, {entry & kAddress, size});
  });
  return base::Ok();
}

std::optional<PageTables::Translation> PageTables::Translate(uint64_t addr) const {
  std::optional<Translation> found;
  const uint64_t page = addr / kPageSize * kPageSize;
  ForEach(page, page + kPageSize, [&](uint64_t at, const uint64_t& entry, uint64_t size) {
    (void)at;
    found = Translation{(entry & kAddress) + page % size, (entry & kWrite) != 0};
  });
  return found;
}

std::optional<uint64_t> PageTables::FindAddress(const std::function<bool(uint64_t gpa)>& wanted) const {
  std::optional<uint64_t> found;
  ForEach(0, RESERVED_BASE, [&](uint64_t at, const uint64_t& entry, uint64_t size) {
    for (uint64_t skip = 0; skip < size && !found; skip += kPageSize) {
      if (wanted((entry & kAddress) + skip)) found = at + skip;
    }
  });
  return found;
}

}  // namespace platform::kvm
