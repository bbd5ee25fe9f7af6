// mremap (man 2 mremap).
#include <algorithm>

#include "sentry/mm/mm_impl.h"

namespace sentry {

Result<UserAddr> MemoryManager::Mremap(const MremapRequest& rq) {
  using Move = MremapRequest::Move;
  if (rq.keep_old && (rq.move == Move::kNo || rq.old_size != rq.new_size)) return Errno::kEINVAL;
  if (!rq.old_addr.page_aligned()) return Errno::kEINVAL;
  const auto old_size = CheckedPageRoundUp(rq.old_size), new_size = CheckedPageRoundUp(rq.new_size);
  if (!old_size || !new_size || *new_size == 0) return Errno::kEINVAL;
  const auto old = MakeUserRange(rq.old_addr, *old_size);
  if (rq.move == Move::kFixed) {
    const auto to = MakeUserRange(rq.new_addr, *new_size);
    if (!rq.new_addr.page_aligned() || !to) return Errno::kEINVAL;
    if (old && !old->empty() && old->Overlaps(*to)) return Errno::kEINVAL;
    if (rq.new_addr < kMinUserAddr) return Errno::kEPERM;
  }
  if (!old) return Errno::kEFAULT;
  UserRange range;
  bool populate = false;
  {
    Impl::Trash trash(*impl_);
    base::MutexLock lock(impl_->mu);
    range = TRY(impl_->RemapLocked(rq, *old_size, *new_size, trash));
    const Vma* vma = impl_->vmas.Find(range.start.value);
    populate = vma != nullptr && vma->locked && !vma->lock_on_fault && *new_size > *old_size;
  }
  if (populate) impl_->Populate(range);
  return range.start;
}

Result<UserRange> MemoryManager::Impl::RemapLocked(const MremapRequest& rq, uint64_t old_size, uint64_t new_size,
                                                   Trash& trash) {
  using Move = MremapRequest::Move;
  const uint64_t at = rq.old_addr.value;
  const UserRange here{rq.old_addr, rq.old_addr + new_size};
  auto it = vmas.FirstAbove(at);
  if (it == vmas.end() || it->first > at) return Errno::kEFAULT;
  if (rq.move == Move::kFixed) {
    if (vmas.size() + 4 > kMaxVmas) return Errno::kENOMEM;
    TRY(UnmapLocked({rq.new_addr, rq.new_addr + new_size}, trash));
    it = vmas.FirstAbove(at);
    if (it == vmas.end() || it->first > at) return Errno::kEFAULT;
  }
  if (old_size >= new_size && rq.move != Move::kFixed && !rq.keep_old) {
    if (old_size > new_size) TRY(UnmapLocked({rq.old_addr + new_size, rq.old_addr + old_size}, trash));
    return here;
  }
  if (old_size > new_size) {
    TRY(UnmapLocked({rq.old_addr + new_size, rq.old_addr + old_size}, trash));
    old_size = new_size;
    it = vmas.FirstAbove(at);
  }
  Vma& vma = it->second;
  // An old size of 0 maps the same shared pages a second time.
  if (old_size == 0 && !vma.shared) return Errno::kEINVAL;
  if (old_size == 0 && rq.move == Move::kNo) return Errno::kENOMEM;
  if (old_size > vma.range.end.value - at) return Errno::kEFAULT;
  const uint64_t grow = new_size - old_size;
  if (!vma.anonymous() && vma.OffsetOf(at) > UINT64_MAX - new_size) return Errno::kEINVAL;
  if (vma.locked && grow > 0 && !MayLock(grow)) return Errno::kEAGAIN;
  if (!MayExpand(rq.keep_old ? new_size : grow, vma)) return Errno::kENOMEM;

  const uint64_t end = vma.range.end.value;
  if (rq.move != Move::kFixed && !rq.keep_old && old_size > 0 && at + old_size == end) {
    const auto more = MakeUserRange(UserAddr(end), grow);
    if (more && vmas.IsFree(*more)) {
      MakeWay(*more, trash);
      if (vma.mappable) vma.mappable->RemoveMapping(self, vma.range, vma.offset, vma.shared_writable());
      Account(vma, -1);
      vmas.GrowUp(it, more->end.value);
      Account(vma, +1);
      if (vma.mappable) vma.mappable->AddMapping(self, vma.range, vma.offset, vma.shared_writable());
      JoinAround(*more);
      return here;
    }
  }
  if (rq.move == Move::kNo) return Errno::kENOMEM;
  const uint64_t to = TRY(MoveLocked({rq.old_addr, rq.old_addr + old_size}, new_size, rq, trash));
  return UserRange{UserAddr(to), UserAddr(to + new_size)};
}

Result<uint64_t> MemoryManager::Impl::MoveLocked(UserRange old, uint64_t new_size, const MremapRequest& rq,
                                                 Trash& trash) {
  if (vmas.size() + 4 > kMaxVmas) return Errno::kENOMEM;
  uint64_t to = rq.new_addr.value;
  if (rq.move != MremapRequest::Move::kFixed) to = TRY(FindHole(new_size, kPageSize));
  if (!old.empty()) TRY(Isolate(old));
  auto it = vmas.FirstAbove(old.start.value);
  Vma vma = it->second;
  const AttachmentHold hold(vma.identity);
  vma.range = {UserAddr(to), UserAddr(to + new_size)};
  if (!vma.anonymous()) vma.offset = it->second.OffsetOf(old.start.value);
  vma.window_size = 0;
  // Private pages move along; a file's are asked for again.
  if (!old.empty()) {
    RemoveFilePages(old.start.value, old.end.value, Copies::kKeep, trash);
    std::vector<Pages::Piece> moved = pages.Remove(old.start.value, old.end.value);
    const bool mapped = std::any_of(moved.begin(), moved.end(), [](const Pages::Piece& p) { return p.run.hw.any(); });
    if (mapped && !UnmapHost(old.start.value, old.end.value)) {
      for (Pages::Piece& p : moved) pages.Insert(p.start, p.run);
      return Errno::kENOMEM;
    }
    for (Pages::Piece& p : moved) {
      p.run.end = p.run.end - old.start.value + to;
      p.run.hw = kProtNone;
      pages.Insert(p.start - old.start.value + to, p.run);
    }
    if (!rq.keep_old) {
      DropVma(it, trash);
    } else if (it->second.locked) {
      Change(it->second, [](Vma& v) { v.locked = v.lock_on_fault = false; });  // it has no page to lock
    }
  }
  MakeWay(vma.range, trash);
  AddVma(std::move(vma));
  JoinAround({UserAddr(to), UserAddr(to + new_size)});
  return to;
}

}  // namespace sentry
