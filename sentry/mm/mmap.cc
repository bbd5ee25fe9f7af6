// mmap, munmap, brk, and where things are placed (man 2 mmap).
#include <algorithm>
#include <atomic>
#include <iterator>

#include "sentry/mm/mm_impl.h"
#include "sentry/mm/shared_anon.h"

namespace sentry {
namespace {

constexpr uint64_t k32BitBottom = 0x40000000;  // MAP_32BIT: the second gigabyte
constexpr uint64_t k32BitTop = 0x80000000;
// Linux's TASK_UNMAPPED_BASE, where the search goes on upwards when nothing is
// left below the top.
constexpr uint64_t kUnmappedBase = (kMaxUserAddr.value / 3 + kPageMask) & ~kPageMask;

uint64_t NextInode() {
  static std::atomic<uint64_t> next{1};  // shown in maps only: any unique number will do
  return next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

Result<uint64_t> MemoryManager::Impl::FindHole(uint64_t length, uint64_t alignment) {
  const uint64_t bottom = kMinUserAddr.value;
  if (auto at = vmas.FindTopDown(length, alignment, bottom, mmap_top)) return *at;
  if (auto at = vmas.FindBottomUp(length, alignment, kUnmappedBase, kMaxUserAddr.value)) return *at;
  return Errno::kENOMEM;
}

Result<UserRange> MemoryManager::Impl::PlaceFixed(const MmapRequest& rq, uint64_t length) {
  const auto range = MakeUserRange(rq.addr, length);
  if (!range) return Errno::kENOMEM;
  if (!rq.addr.page_aligned()) return Errno::kEINVAL;
  if (rq.addr < kMinUserAddr) return Errno::kEPERM;  // security_mmap_addr
  if (rq.placement == MmapRequest::Placement::kFixedNoReplace && vmas.Overlaps(*range)) return Errno::kEEXIST;
  return *range;
}

Result<uint64_t> MemoryManager::Impl::Place(const MmapRequest& rq, uint64_t length) {
  const uint64_t limit = rq.below_4g ? k32BitTop : kMaxUserAddr.value;
  if (length > limit) return Errno::kENOMEM;
  // Linux's round_hint_to_min: a hint too low is moved up, null is no hint.
  uint64_t hint = PageRoundDown(rq.addr.value);
  if (hint != 0) {
    hint = std::max(hint, kMinUserAddr.value);
    if (hint <= limit - length && vmas.IsFree({UserAddr(hint), UserAddr(hint + length)})) return hint;
  }
  if (!rq.below_4g) return FindHole(length, kPageSize);
  if (auto at = vmas.FindBottomUp(length, kPageSize, k32BitBottom, k32BitTop)) return *at;
  return Errno::kENOMEM;
}

Result<UserRange> MemoryManager::Impl::MapLocked(const MmapRequest& rq, uint64_t length, Trash& trash) {
  if (vmas.size() >= kMaxVmas) return Errno::kENOMEM;
  UserRange range;
  if (rq.placement != MmapRequest::Placement::kHint) {
    range = TRY(PlaceFixed(rq, length));
  } else {
    const uint64_t at = TRY(Place(rq, length));
    range = {UserAddr(at), UserAddr(at + length)};
  }
  Vma vma;
  vma.range = range;
  vma.prot = rq.prot;
  vma.max_prot = rq.max_prot;
  vma.shared = rq.shared;
  vma.grows_down = rq.grows_down;
  vma.stack = rq.stack;
  vma.no_reserve = rq.no_reserve;
  vma.locked = rq.locked || lock_future;
  vma.lock_on_fault = !rq.locked && lock_future && lock_future_on_fault;
  vma.mappable = rq.mappable;
  vma.identity = rq.identity;
  vma.offset = rq.mappable ? rq.offset : 0;
  vma.label = rq.label;
  if (rq.locked && limits.memlock == 0) return Errno::kEPERM;
  if (vma.locked && !MayLock(length)) return Errno::kEAGAIN;
  // What is replaced is not counted twice.
  uint64_t replaced = 0;
  for (auto it = vmas.FirstAbove(range.start.value); it != vmas.end() && it->first < range.end.value; ++it) {
    replaced += it->second.range.Intersect(range).size();
  }
  if (!MayExpand(length - std::min(length, replaced), vma)) return Errno::kENOMEM;
  // Overcommit mode 0: only what could never be there is refused.
  const bool accountable = rq.mappable ? (rq.prot.write && !rq.shared) : (rq.shared || rq.prot.write);
  if (accountable && !rq.no_reserve && length > memory_file.limit()) return Errno::kENOMEM;
  TRY(UnmapLocked(range, trash));
  MakeWay(range, trash);
  if (vma.shared && !vma.mappable) {
    vma.mappable = MakeRef<SharedAnon>(memory_file, length);
    vma.identity = MakeRef<SharedAnonIdentity>(NextInode());
    vma.kernel_shared = true;
  }
  AddVma(std::move(vma));
  JoinAround(range);
  return range;
}

Result<UserAddr> MemoryManager::Mmap(const MmapRequest& rq) {
  if (rq.length == 0) return Errno::kEINVAL;
  const auto length = CheckedPageRoundUp(rq.length);
  if (!length) return Errno::kENOMEM;
  if (rq.mappable) {
    if ((rq.offset & kPageMask) != 0) return Errno::kEINVAL;
    if (rq.offset > UINT64_MAX - *length) return Errno::kEOVERFLOW;
    TRY(rq.mappable->CheckMap(rq.shared, rq.max_prot));
  }
  UserRange range;
  bool populate = rq.populate;
  {
    Impl::Trash trash(*impl_);
    base::MutexLock lock(impl_->mu);
    range = TRY(impl_->MapLocked(rq, *length, trash));
    const Vma* vma = impl_->vmas.Find(range.start.value);
    populate |= vma->locked && !vma->lock_on_fault;
  }
  if (populate) impl_->Populate(range);
  return range.start;
}

Result<void> MemoryManager::Munmap(UserAddr addr, uint64_t length) {
  if (!addr.page_aligned() || !MakeUserRange(addr, length)) return Errno::kEINVAL;
  const uint64_t size = PageRoundUp(length);
  const auto range = MakeUserRange(addr, size);
  if (size == 0 || !range) return Errno::kEINVAL;
  Impl::Trash trash(*impl_);
  base::MutexLock lock(impl_->mu);
  return impl_->UnmapLocked(*range, trash);
}

// Linux's ksys_shmdt.
Result<void> MemoryManager::Detach(UserAddr addr) {
  if (!addr.page_aligned()) return Errno::kEINVAL;
  Impl& m = *impl_;
  Impl::Trash trash(m);
  base::MutexLock lock(m.mu);
  FileIdentity* attached = nullptr;  // kept by the trash
  uint64_t end = UINT64_MAX;
  for (auto it = m.vmas.FirstAbove(addr.value); it != m.vmas.end() && it->second.range.end.value <= end;) {
    const Vma& vma = it->second;
    const uint64_t start = vma.range.start.value;
    const bool wanted = vma.identity && vma.identity->attachment() && start >= addr.value &&
                        start - addr.value == vma.offset && (attached == nullptr || vma.identity.get() == attached);
    if (wanted && attached == nullptr) {
      attached = vma.identity.get();
      end = addr.value + vma.identity->attached_bytes();
    }
    const UserRange range = vma.range;
    ++it;
    if (wanted) TRY(m.UnmapLocked(range, trash));
  }
  if (attached == nullptr) return Errno::kEINVAL;
  return base::Ok();
}

Result<UserAddr> MemoryManager::FindFree(uint64_t length, uint64_t alignment) {
  const auto size = CheckedPageRoundUp(length);
  if (!size || *size == 0 || alignment == 0) return Errno::kEINVAL;
  alignment = std::max(alignment, kPageSize);
  if (alignment % kPageSize != 0 || alignment > (uint64_t{1} << 40)) return Errno::kEINVAL;
  base::MutexLock lock(impl_->mu);
  return UserAddr(TRY(impl_->FindHole(*size, alignment)));
}

void MemoryManager::SetMmapTop(UserAddr top) {
  base::MutexLock lock(impl_->mu);
  impl_->mmap_top = std::clamp(PageRoundDown(top.value), kMinUserAddr.value, kMaxUserAddr.value);
}

void MemoryManager::SetBrkStart(UserAddr addr) {
  base::MutexLock lock(impl_->mu);
  impl_->brk_begin = impl_->brk_now = addr.value;
}

UserAddr MemoryManager::brk_start() const {
  base::MutexLock lock(impl_->mu);
  return UserAddr(impl_->brk_begin);
}

UserAddr MemoryManager::brk_end() const {
  base::MutexLock lock(impl_->mu);
  return UserAddr(impl_->brk_now);
}

UserAddr MemoryManager::Brk(UserAddr addr, ReadImpliesExec implied) {
  Impl& m = *impl_;
  const uint64_t data = layout().data.size();
  UserRange grown;
  bool populate = false;
  {
    Impl::Trash trash(m);
    base::MutexLock lock(m.mu);
    const UserAddr old(m.brk_now);
    if (addr.value < m.brk_begin || m.brk_begin == 0 || addr > kMaxUserAddr) return old;
    const uint64_t heap = addr.value - m.brk_begin;
    if (heap > m.limits.data || data > m.limits.data - heap) return old;
    const uint64_t old_end = PageRoundUp(m.brk_now), new_end = PageRoundUp(addr.value);
    if (new_end < old_end) {
      if (!m.UnmapLocked({UserAddr(new_end), UserAddr(old_end)}, trash).ok()) return old;
    } else if (new_end > old_end) {
      grown = {UserAddr(old_end), UserAddr(new_end)};
      if (!m.vmas.IsFree(grown)) return old;
      const MmapRequest rq{.addr = grown.start,
                           .placement = MmapRequest::Placement::kFixedNoReplace,
                           .prot = {true, true, implied == ReadImpliesExec::kYes},
                           .label = "[heap]"};
      if (!m.MapLocked(rq, grown.size(), trash).ok()) return old;
      const Vma* vma = m.vmas.Find(old_end);
      populate = vma->locked && !vma->lock_on_fault;
    }
    m.brk_now = addr.value;
  }
  if (populate) m.Populate(grown);
  return addr;
}

}  // namespace sentry
