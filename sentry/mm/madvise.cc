// madvise, msync, mincore (man 2 madvise, msync, mincore).
#include <sys/mman.h>

#include <algorithm>

#include "sentry/abi/mman.h"
#include "sentry/mm/mm_impl.h"

namespace sentry {
namespace {

// What a kernel without KSM, memory failure injection and khugepaged's collapse
// knows; EINVAL for the rest.
bool Known(int advice) {
  return (advice >= abi::kMadvNormal && advice <= abi::kMadvDontNeed) ||
         (advice >= abi::kMadvFree && advice <= abi::kMadvDoFork) ||
         (advice >= abi::kMadvHugePage && advice <= abi::kMadvDontNeedLocked);
}

bool Discards(int advice) {
  return advice == abi::kMadvDontNeed || advice == abi::kMadvDontNeedLocked || advice == abi::kMadvFree;
}

}  // namespace

// The part of one mapping.
Result<void> MemoryManager::Impl::Advise(VmaSet::Iterator it, UserRange part, int advice, Trash& trash) {
  Vma& vma = it->second;
  if (Discards(advice)) {
    if (advice == abi::kMadvFree && (!vma.anonymous() || vma.shared)) return Errno::kEINVAL;
    if (vma.locked && advice != abi::kMadvDontNeedLocked) return Errno::kEINVAL;
    RemovePages(part.start.value, part.end.value, trash);
    return base::Ok();
  }
  if ((advice == abi::kMadvCold || advice == abi::kMadvPageOut) && vma.locked) return Errno::kEINVAL;
  const bool own_memory = vma.anonymous() && !vma.shared;
  if (advice == abi::kMadvWipeOnFork && !own_memory) return Errno::kEINVAL;
  const auto set = [&](bool Vma::*flag, bool value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) -> Result<void> {
    if (vma.*flag == value) return base::Ok();
    TRY(Isolate(part));
    vmas.Find(part.start.value)->*flag = value;
    JoinAround(part);
    return base::Ok();
  };
  switch (advice) {
    case abi::kMadvDontFork:
      return set(&Vma::dont_fork, true);
    case abi::kMadvDoFork:
      return set(&Vma::dont_fork, false);
    case abi::kMadvWipeOnFork:
      return set(&Vma::wipe_on_fork, true);
    case abi::kMadvKeepOnFork:
      return set(&Vma::wipe_on_fork, false);
    case abi::kMadvHugePage:
      return set(&Vma::no_huge, false);
    case abi::kMadvNoHugePage:
      return set(&Vma::no_huge, true);
    default:
      return base::Ok();  // hints about what we do not do: no swap, no read-ahead
  }
}

Result<void> MemoryManager::Madvise(UserAddr addr, uint64_t length, int advice) {
  if (!Known(advice) || !addr.page_aligned()) return Errno::kEINVAL;
  const auto size = CheckedPageRoundUp(length);
  if (!size || addr.value + *size < addr.value) return Errno::kEINVAL;
  if (*size == 0) return base::Ok();
  const auto range = MakeUserRange(addr, *size);
  if (!range) return Errno::kENOMEM;
  if (advice == abi::kMadvRemove) return impl_->Remove(*range);
  if (advice == abi::kMadvPopulateRead) return impl_->PopulateFor(*range, kProtRead);
  if (advice == abi::kMadvPopulateWrite) return impl_->PopulateFor(*range, kProtReadWrite);

  Impl& m = *impl_;
  Impl::Trash trash(m);
  base::MutexLock lock(m.mu);
  bool hole = false;
  uint64_t at = range->start.value;
  while (at < range->end.value) {
    auto it = m.vmas.FirstAbove(at);
    if (it == m.vmas.end() || it->first >= range->end.value) {
      hole = true;
      break;
    }
    if (it->first > at) hole = true;
    const UserRange part = it->second.range.Intersect(*range);
    at = part.end.value;
    TRY(m.Advise(it, part, advice, trash));
  }
  if (hole) return Errno::kENOMEM;
  return base::Ok();
}

Result<void> MemoryManager::Impl::PopulateFor(UserRange range, MemoryProtection access) {
  for (uint64_t at = range.start.value; at < range.end.value;) {
    const FaultStatus status = Fault({.addr = at, .access = access, .length = range.end.value - at});
    switch (status) {
      case FaultStatus::kDone:
        break;
      case FaultStatus::kMapErr:
      case FaultStatus::kNoMemory:
        return Errno::kENOMEM;
      case FaultStatus::kAccErr:
        return Errno::kEINVAL;
      case FaultStatus::kBus:
      case FaultStatus::kDead:
        return Errno::kEFAULT;
    }
    base::MutexLock lock(mu);
    uint64_t start = 0;
    const PageRun* run = pages.Find(at, &start);
    const bool whole = run != nullptr && !(access.write && run->kind == RunKind::kPrivate && run->cow);
    at = whole ? std::max(at + kPageSize, std::min(run->end, range.end.value)) : at + kPageSize;
  }
  return base::Ok();
}

// MADV_REMOVE. The file is told without our lock.
Result<void> MemoryManager::Impl::Remove(UserRange range) {
  uint64_t at = range.start.value;
  bool hole = false;
  while (at < range.end.value) {
    RefPtr<Mappable> file;
    uint64_t offset = 0, length = 0;
    {
      base::MutexLock lock(mu);
      auto it = vmas.FirstAbove(at);
      if (it == vmas.end() || it->first >= range.end.value) {
        hole = true;
        break;
      }
      const Vma& vma = it->second;
      if (it->first > at) hole = true;
      const UserRange part = vma.range.Intersect({UserAddr(at), range.end});
      at = part.end.value;
      if (vma.locked || !vma.mappable) return Errno::kEINVAL;
      if (!vma.shared || !vma.prot.write) return Errno::kEACCES;
      file = vma.mappable;
      offset = vma.OffsetOf(part.start.value);
      length = part.size();
    }
    TRY(file->PunchMapped(offset, length));
  }
  if (hole) return Errno::kENOMEM;
  return base::Ok();
}

Result<void> MemoryManager::Msync(UserAddr addr, uint64_t length, int flags) {
  if ((flags & ~(abi::kMsAsync | abi::kMsInvalidate | abi::kMsSync)) != 0) return Errno::kEINVAL;
  if (!addr.page_aligned()) return Errno::kEINVAL;
  if ((flags & abi::kMsAsync) != 0 && (flags & abi::kMsSync) != 0) return Errno::kEINVAL;
  const auto size = CheckedPageRoundUp(length);
  if (!size || addr.value + *size < addr.value) return Errno::kENOMEM;
  if (*size == 0) return base::Ok();
  const auto range = MakeUserRange(addr, *size);
  if (!range) return Errno::kENOMEM;
  uint64_t at = range->start.value;
  bool hole = false;
  while (at < range->end.value) {
    RefPtr<Mappable> file;
    uint64_t offset = 0, bytes = 0;
    {
      Impl& m = *impl_;
      base::MutexLock lock(m.mu);
      auto it = m.vmas.FirstAbove(at);
      if (it == m.vmas.end() || it->first >= range->end.value) return Errno::kENOMEM;
      const Vma& vma = it->second;
      if (it->first > at) hole = true;
      const UserRange part = vma.range.Intersect({UserAddr(at), range->end});
      at = part.end.value;
      if ((flags & abi::kMsInvalidate) != 0 && vma.locked) return Errno::kEBUSY;
      if ((flags & abi::kMsSync) == 0 || !vma.shared || !vma.mappable) continue;
      file = vma.mappable;
      offset = vma.OffsetOf(part.start.value);
      bytes = part.size();
    }
    TRY(file->SyncMapped(offset, bytes));
  }
  if (hole) return Errno::kENOMEM;
  return base::Ok();
}

Result<void> MemoryManager::Mincore(UserAddr addr, uint64_t length, std::vector<uint8_t>& out) {
  if (!addr.page_aligned()) return Errno::kEINVAL;
  const auto size = CheckedPageRoundUp(length);
  const auto range = size ? MakeUserRange(addr, *size) : std::nullopt;
  // A guest may have more address space than we have memory for a byte a page.
  if (!range || range->size() > kMaxMincore) return Errno::kENOMEM;
  out.assign(range->size() / kPageSize, 0);
  Impl& m = *impl_;
  base::MutexLock lock(m.mu);
  if (!m.vmas.Covers(*range)) return Errno::kENOMEM;
  for (const Pages::Piece& p : m.pages.PiecesIn(range->start.value, range->end.value)) {
    const std::span<uint8_t> part(out.data() + (p.start - range->start.value) / kPageSize, p.size() / kPageSize);
    if (p.run.in_memory_file()) {
      m.memory_file.Residency(p.mem(), part);
    } else if (std::byte* at = m.PointerTo(p.run); at == nullptr || mincore(at, p.size(), part.data()) != 0) {
      std::fill(part.begin(), part.end(), uint8_t{1});  // we hold it mapped, and can't ask
    }
  }
  for (uint8_t& b : out) b &= 1;
  return base::Ok();
}

}  // namespace sentry
