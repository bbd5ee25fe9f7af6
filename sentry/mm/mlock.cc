// mlock, munlock, mlockall, munlockall, and MAP_POPULATE (man 2 mlock).
#include <algorithm>

#include "sentry/mm/mm_impl.h"

namespace sentry {
namespace {

// Linux's rounding of a lock range: from the page of addr to that of its end.
std::optional<UserRange> LockRange(UserAddr addr, uint64_t length) {
  const uint64_t start = PageRoundDown(addr.value);
  const auto size =
      CheckedPageRoundUp(length > UINT64_MAX - (addr.value - start) ? UINT64_MAX : length + (addr.value - start));
  if (!size) return std::nullopt;
  return MakeUserRange(UserAddr(start), *size);
}

}  // namespace

Result<void> MemoryManager::Impl::SetLocked(UserRange range, bool locked, bool on_fault) {
  // ENOMEM for a hole, after what lies before it was done.
  uint64_t end = range.start.value;
  for (auto it = vmas.FirstAbove(end); it != vmas.end() && it->first <= end && end < range.end.value; ++it) {
    end = std::min(it->second.range.end, range.end).value;
  }
  if (end > range.start.value) {
    const UserRange part{range.start, UserAddr(end)};
    TRY(Isolate(part));
    for (auto it = vmas.FirstAbove(part.start.value); it != vmas.end() && it->first < end; ++it) {
      Change(it->second, [&](Vma& v) {
        v.locked = locked;
        v.lock_on_fault = locked && on_fault;
      });
    }
    JoinAround(part);
  }
  if (end < range.end.value) return Errno::kENOMEM;
  return base::Ok();
}

void MemoryManager::Impl::Populate(UserRange range) {
  for (uint64_t at = range.start.value; at < range.end.value;) {
    MemoryProtection access{.read = true};
    {
      base::MutexLock lock(mu);
      const Vma* vma = vmas.Find(at);
      if (vma == nullptr || !vma->prot.any()) return;
      access.write = vma->prot.write && !vma->shared;
    }
    if (Fault({.addr = at, .access = access, .length = range.end.value - at}) != FaultStatus::kDone) return;
    MemRange mem;
    uint64_t next = at + kPageSize;
    {
      base::MutexLock lock(mu);
      uint64_t start = 0;
      const PageRun* run = pages.Find(at, &start);
      if (run == nullptr) continue;  // gone again; the next fault decides
      next = std::min({run->end, range.end.value, at + kFaultMax});
      if (run->in_memory_file()) {
        mem = {run->offset + (at - start), run->offset + (next - start)};
        memory_file.IncRef(mem);
      }
    }
    if (mem.size() > 0) {
      const Result<void> r = memory_file.Commit(mem);
      memory_file.DecRef(mem);
      if (!r.ok()) return;
    }
    at = next;
  }
}

Result<void> MemoryManager::Mlock(UserAddr addr, uint64_t length, bool on_fault) {
  const auto range = LockRange(addr, length);
  {
    Impl& m = *impl_;
    base::MutexLock lock(m.mu);
    if (m.limits.memlock == 0) return Errno::kEPERM;
    if (!range) return Errno::kENOMEM;
    if (range->empty()) return base::Ok();
    uint64_t already = 0;
    for (auto it = m.vmas.FirstAbove(range->start.value); it != m.vmas.end() && it->first < range->end.value; ++it) {
      if (it->second.locked) already += it->second.range.Intersect(*range).size();
    }
    if (!m.MayLock(range->size() - already)) return Errno::kENOMEM;
    TRY(m.SetLocked(*range, true, on_fault));
  }
  if (!on_fault) impl_->Populate(*range);
  return base::Ok();
}

Result<void> MemoryManager::Munlock(UserAddr addr, uint64_t length) {
  const auto range = LockRange(addr, length);
  if (!range) return Errno::kENOMEM;
  if (range->empty()) return base::Ok();
  base::MutexLock lock(impl_->mu);
  return impl_->SetLocked(*range, false, false);
}

Result<void> MemoryManager::MlockAll(bool current, bool future, bool on_fault) {
  if (!current && !future) return Errno::kEINVAL;
  std::vector<UserRange> ranges;
  {
    Impl& m = *impl_;
    base::MutexLock lock(m.mu);
    if (m.limits.memlock == 0) return Errno::kEPERM;
    if (current && m.totals.all > m.limits.memlock) return Errno::kENOMEM;
    m.lock_future = future;
    m.lock_future_on_fault = future && on_fault;
    if (!current) return base::Ok();
    for (auto& [start, vma] : m.vmas) {
      m.Change(vma, [&](Vma& v) {
        v.locked = true;
        v.lock_on_fault = on_fault;
      });
      ranges.push_back(vma.range);
    }
  }
  if (on_fault) return base::Ok();
  for (const UserRange& r : ranges) impl_->Populate(r);
  return base::Ok();
}

void MemoryManager::MunlockAll() {
  base::MutexLock lock(impl_->mu);
  impl_->lock_future = impl_->lock_future_on_fault = false;
  for (auto& [start, vma] : impl_->vmas) {
    if (vma.locked) impl_->Change(vma, [](Vma& v) { v.locked = v.lock_on_fault = false; });
  }
  impl_->JoinAround({UserAddr(0), kMaxUserAddr});
}

}  // namespace sentry
