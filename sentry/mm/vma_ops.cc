// Changes of the set of mappings that keep the mappables' lists, the accounts
// and the pages in step with it.
#include <algorithm>
#include <iterator>

#include "sentry/mm/mm_impl.h"

namespace sentry {

void MemoryManager::Impl::Account(const Vma& vma, int sign) {
  const uint64_t size = vma.range.size();
  const auto add = [&](uint64_t& total, bool counts) {
    if (counts) total = sign > 0 ? total + size : total - size;
  };
  add(totals.all, true);
  add(totals.data, vma.is_data());
  add(totals.stack, vma.grows_down);
  add(totals.exec, vma.prot.execute && !vma.prot.write && !vma.grows_down);
  add(totals.locked, vma.locked);
  peak_virtual = std::max(peak_virtual, totals.all);
}

VmaSet::Iterator MemoryManager::Impl::AddVma(Vma vma) {
  Account(vma, +1);
  if (vma.mappable) vma.mappable->AddMapping(self, vma.range, vma.offset, vma.shared_writable());
  if (vma.identity) vma.identity->Mapped();
  return vmas.Insert(std::move(vma));
}

void MemoryManager::Impl::DropVma(VmaSet::Iterator it, Trash& trash) {
  Vma vma = vmas.Remove(it);
  Account(vma, -1);
  if (vma.mappable) vma.mappable->RemoveMapping(self, vma.range, vma.offset, vma.shared_writable());
  if (vma.identity) vma.identity->Unmapped();
  trash.Add(RefPtr<base::RefCounted>(std::move(vma.mappable)));
  trash.Add(RefPtr<base::RefCounted>(std::move(vma.identity)));
}

void MemoryManager::Impl::SplitAt(uint64_t addr) {
  auto it = vmas.FirstAbove(addr);
  if (it == vmas.end() || it->first >= addr) return;
  Vma& low = it->second;
  if (low.mappable) low.mappable->RemoveMapping(self, low.range, low.offset, low.shared_writable());
  Vma& high = vmas.Split(it, addr)->second;
  if (low.identity) low.identity->Mapped();  // one more
  if (!low.mappable) return;
  low.mappable->AddMapping(self, low.range, low.offset, low.shared_writable());
  high.mappable->AddMapping(self, high.range, high.offset, high.shared_writable());
}

Result<void> MemoryManager::Impl::Isolate(UserRange range) {
  if (vmas.size() + 2 > kMaxVmas) {
    const auto cuts = [&](uint64_t addr) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
      const Vma* v = vmas.Find(addr);
      return v != nullptr && v->range.start.value < addr;
    };
    if (cuts(range.start.value) || cuts(range.end.value)) return Errno::kENOMEM;
  }
  SplitAt(range.start.value);
  SplitAt(range.end.value);
  return base::Ok();
}

void MemoryManager::Impl::JoinAround(UserRange range) {
  auto it = vmas.FirstAbove(range.start.value == 0 ? 0 : range.start.value - 1);
  while (it != vmas.end() && it->second.range.end <= range.end) {
    auto next = std::next(it);
    if (next == vmas.end()) return;
    Vma& a = it->second;
    Vma& b = next->second;
    if (!a.CanMergeWith(b)) {
      it = next;
      continue;
    }
    if (a.mappable) {
      a.mappable->RemoveMapping(self, a.range, a.offset, a.shared_writable());
      b.mappable->RemoveMapping(self, b.range, b.offset, b.shared_writable());
    }
    vmas.Join(it);  // `b`'s references to the file are not the last: `a` has some
    if (a.mappable) a.mappable->AddMapping(self, a.range, a.offset, a.shared_writable());
  }
}

Result<void> MemoryManager::Impl::UnmapLocked(UserRange range, Trash& trash) {
  if (!vmas.Overlaps(range)) return base::Ok();
  TRY(Isolate(range));
  RemovePages(range.start.value, range.end.value, trash);
  for (auto it = vmas.FirstAbove(range.start.value); it != vmas.end() && it->first < range.end.value;) {
    auto gone = it++;
    DropVma(gone, trash);
  }
  return base::Ok();
}

// Linux's may_expand_vm.
bool MemoryManager::Impl::MayExpand(uint64_t bytes, const Vma& as) const {
  if (bytes > limits.address_space || totals.all > limits.address_space - bytes) return false;
  if (!as.is_data()) return true;
  return bytes <= limits.data && totals.data <= limits.data - bytes;
}

bool MemoryManager::Impl::MayLock(uint64_t bytes) const {
  return bytes <= limits.memlock && totals.locked <= limits.memlock - bytes;
}

// Linux's expand_downwards and acct_stack_growth; it has not looked at the stack
// pointer since 5.0.
bool MemoryManager::Impl::GrowStackTo(VmaSet::Iterator it, uint64_t start) {
  const Vma& vma = it->second;
  if (start < kMinUserAddr.value) return false;
  if (it != vmas.begin()) {
    const Vma& prev = std::prev(it)->second;
    const uint64_t gap = start - prev.range.end.value;
    if (!prev.grows_down && prev.prot.any() && gap < kStackGuardGap) return false;
  }
  const uint64_t grow = vma.range.start.value - start;
  if (vma.range.end.value - start > limits.stack || !MayExpand(grow, vma)) return false;
  if (vma.locked && !MayLock(grow)) return false;
  if (vma.mappable) {
    if (vma.offset < grow) return false;
    vma.mappable->RemoveMapping(self, vma.range, vma.offset, vma.shared_writable());
  }
  Account(vma, -1);
  const Vma& grown = vmas.GrowDown(it, start)->second;
  Account(grown, +1);
  if (grown.mappable) grown.mappable->AddMapping(self, grown.range, grown.offset, grown.shared_writable());
  return true;
}

}  // namespace sentry
