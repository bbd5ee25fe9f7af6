#include "sentry/mm/vma_set.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"

namespace sentry {

bool Vma::CanMergeWith(const Vma& next) const {
  return range.end == next.range.start && prot == next.prot && max_prot == next.max_prot && shared == next.shared &&
         grows_down == next.grows_down && stack == next.stack && locked == next.locked &&
         lock_on_fault == next.lock_on_fault && no_reserve == next.no_reserve && dont_fork == next.dont_fork &&
         wipe_on_fork == next.wipe_on_fork && no_huge == next.no_huge && label == next.label &&
         mappable == next.mappable && identity == next.identity && !(identity && identity->attachment()) &&
         (anonymous() || OffsetOf(range.end.value) == next.offset);
}

Vma* VmaSet::Find(uint64_t addr) {
  auto it = map_.upper_bound(addr);
  if (it == map_.begin()) return nullptr;
  --it;
  return addr < it->second.range.end.value ? &it->second : nullptr;
}

VmaSet::Iterator VmaSet::FirstAbove(uint64_t addr) {
  auto it = map_.upper_bound(addr);
  if (it != map_.begin()) {
    auto prev = std::prev(it);
    if (prev->second.range.end.value > addr) return prev;
  }
  return it;
}

VmaSet::Iterator VmaSet::Insert(Vma vma) {
  DCHECK(!vma.range.empty() && !Overlaps(vma.range));
  ++version_;
  const uint64_t start = vma.range.start.value;
  auto [it, inserted] = map_.emplace(start, std::move(vma));
  CHECK(inserted);
  return it;
}

Vma VmaSet::Remove(Iterator it) {
  ++version_;
  Vma vma = std::move(it->second);
  map_.erase(it);
  NoteFreed(vma.range.start.value, vma.range.end.value);
  return vma;
}

VmaSet::Iterator VmaSet::Split(Iterator it, uint64_t addr) {
  Vma& low = it->second;
  CHECK(low.range.start.value < addr && addr < low.range.end.value);
  ++version_;
  Vma high = low;
  high.range.start = UserAddr(addr);
  if (!high.anonymous()) high.offset = low.OffsetOf(addr);
  low.range.end = UserAddr(addr);
  return map_.emplace_hint(std::next(it), addr, std::move(high));
}

void VmaSet::Join(Iterator it) {
  auto next = std::next(it);
  CHECK(next != map_.end() && it->second.CanMergeWith(next->second));
  ++version_;
  it->second.range.end = next->second.range.end;
  map_.erase(next);
}

VmaSet::Iterator VmaSet::GrowDown(Iterator it, uint64_t new_start) {
  ++version_;
  auto node = map_.extract(it);
  Vma& vma = node.mapped();
  const uint64_t by = vma.range.start.value - new_start;
  if (!vma.anonymous()) vma.offset -= by;
  vma.range.start = UserAddr(new_start);
  node.key() = new_start;
  return map_.insert(std::move(node)).position;
}

void VmaSet::GrowUp(Iterator it, uint64_t new_end) {
  ++version_;
  it->second.range.end = UserAddr(new_end);
}

bool VmaSet::Covers(UserRange range) {
  uint64_t at = range.start.value;
  for (auto it = FirstAbove(at); it != map_.end() && at < range.end.value; ++it) {
    if (it->first > at) return false;
    at = it->second.range.end.value;
  }
  return at >= range.end.value;
}

bool VmaSet::Overlaps(UserRange range) {
  auto it = FirstAbove(range.start.value);
  return it != map_.end() && it->first < range.end.value;
}

uint64_t VmaSet::GuardedStart(const Vma& vma) {
  const uint64_t start = vma.range.start.value;
  if (!vma.grows_down) return start;
  return start > kStackGuardGap ? start - kStackGuardGap : 0;
}

bool VmaSet::IsFree(UserRange range) {
  auto it = FirstAbove(range.start.value);
  return it == map_.end() || range.end.value <= GuardedStart(it->second);
}

void VmaSet::NoteFreed(uint64_t start, uint64_t end) {
  if (end < hint_) return;
  // The gap that is now there, with its neighbours.
  auto next = map_.lower_bound(end);
  const uint64_t high = next == map_.end() ? UINT64_MAX : next->first;
  auto prev = map_.upper_bound(start);
  const uint64_t low = prev == map_.begin() ? 0 : std::prev(prev)->second.range.end.value;
  if (high - low < hint_hole_) return;
  hint_ = std::min(high, hint_top_);
}

std::optional<uint64_t> VmaSet::FindTopDown(uint64_t length, uint64_t alignment, uint64_t bottom, uint64_t top) {
  if (top < length || top - length < bottom) return std::nullopt;
  uint64_t high = top;  // everything in [high, top) is known to be too small or taken
  const bool use_hint = alignment <= kPageSize;
  const bool from_hint = use_hint && top == hint_top_ && length >= hint_hole_;
  if (from_hint) high = hint_;
  for (auto it = map_.lower_bound(high); high >= length && high - length >= bottom;) {
    // The gap below `high`: down to the end of the mapping before `it`.
    const bool first = it == map_.begin();
    const uint64_t low = first ? bottom : std::max(bottom, std::prev(it)->second.range.end.value);
    const uint64_t limit = it == map_.end() ? high : std::min(high, GuardedStart(it->second));
    if (limit >= length) {
      const uint64_t at = (limit - length) / alignment * alignment;
      if (at >= low) {
        // Later searches may begin here, unless they are for less.
        if (use_hint && !(from_hint && high == hint_)) {
          hint_hole_ = length;
          hint_top_ = top;
          hint_ = high;
        }
        return at;
      }
    }
    if (first) break;
    --it;
    high = std::min(high, it->first);
  }
  return std::nullopt;
}

std::optional<uint64_t> VmaSet::FindBottomUp(uint64_t length, uint64_t alignment, uint64_t bottom, uint64_t top) {
  uint64_t low = (bottom + alignment - 1) / alignment * alignment;
  for (auto it = FirstAbove(low);; ++it) {
    const uint64_t limit = it == map_.end() ? top : std::min(top, GuardedStart(it->second));
    if (limit >= low && limit - low >= length) return low;
    if (it == map_.end() || low >= top) return std::nullopt;
    low = (it->second.range.end.value + alignment - 1) / alignment * alignment;
  }
}

}  // namespace sentry
