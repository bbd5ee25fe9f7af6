// mprotect (man 2 mprotect).
#include <algorithm>

#include "sentry/mm/mm_impl.h"

namespace sentry {

Result<void> MemoryManager::Mprotect(UserAddr addr, uint64_t length, MemoryProtection prot, bool grows_down,
                                     ReadImpliesExec implied) {
  if (!addr.page_aligned()) return Errno::kEINVAL;
  if (length == 0) return base::Ok();
  const auto size = CheckedPageRoundUp(length);
  if (!size || addr.value + *size <= addr.value) return Errno::kENOMEM;
  auto range = MakeUserRange(addr, *size);
  if (!range) return Errno::kENOMEM;

  Impl& m = *impl_;
  base::MutexLock lock(m.mu);
  auto it = m.vmas.FirstAbove(range->start.value);
  if (it == m.vmas.end()) return Errno::kENOMEM;
  if (grows_down) {
    if (it->second.range.start >= range->end) return Errno::kENOMEM;
    if (!it->second.grows_down) return Errno::kEINVAL;
    range->start = it->second.range.start;
  } else if (it->second.range.start > range->start) {
    return Errno::kENOMEM;
  }
  // Like Linux, mappings before the one that can't be changed are changed.
  uint64_t at = range->start.value;
  Result<void> result;
  uint64_t more_data = 0;
  const auto prot_of = [&](const Vma& vma) {
    MemoryProtection own = prot;
    if (implied == ReadImpliesExec::kYes && own.read && vma.max_prot.execute) own.execute = true;
    return own;
  };
  for (; at < range->end.value && result.ok(); ++it) {
    if (it == m.vmas.end() || it->first > at) {
      result = Errno::kENOMEM;
      break;
    }
    const Vma& vma = it->second;
    Vma after;
    after.prot = prot_of(vma);
    after.shared = vma.shared;
    after.grows_down = vma.grows_down;
    const uint64_t part = vma.range.Intersect(*range).size();
    if (!vma.max_prot.Allows(prot)) {
      result = Errno::kEACCES;
    } else if (after.is_data() && !vma.is_data() &&
               (more_data + part > m.limits.data || m.totals.data > m.limits.data - more_data - part)) {
      result = Errno::kENOMEM;
    } else {
      if (after.is_data() && !vma.is_data()) more_data += part;
      at = std::min(vma.range.end, range->end).value;
    }
  }
  const UserRange part{range->start, UserAddr(at)};
  if (part.empty()) return result;
  TRY(m.Isolate(part));
  for (auto v = m.vmas.FirstAbove(part.start.value); v != m.vmas.end() && v->first < part.end.value; ++v) {
    m.Change(v->second, [&](Vma& vma) { vma.prot = prot_of(vma); });
  }
  const Result<void> synced = m.SyncProtection(part);
  m.JoinAround(part);
  return result.ok() ? synced : result;
}

}  // namespace sentry
