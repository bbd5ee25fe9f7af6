#include "sentry/mm/shared_anon.h"

#include <algorithm>
#include <vector>

namespace sentry {
namespace {
constexpr uint64_t kGroup = 64 << 10;
}  // namespace

SharedAnon::~SharedAnon() {
  base::MutexLock lock(mu_);
  for (const auto& [offset, mem] : pages_) memory_file_.DecRef(mem);
}

Result<Translation> SharedAnon::Translate(uint64_t offset, uint64_t max_length, MemoryProtection) {
  if (offset >= size_) return Errno::kEFAULT;
  const uint64_t limit = offset + std::min(std::max(max_length, kPageSize), size_ - offset);
  base::MutexLock lock(mu_);
  auto next = pages_.upper_bound(offset);
  if (next != pages_.begin()) {
    const auto& [start, mem] = *std::prev(next);
    if (offset < start + mem.size()) {
      const uint64_t end = std::min(start + mem.size(), limit);
      const MemOffset at = mem.start + (offset - start);
      memory_file_.IncRef({at, at + (end - offset)});
      return Translation{.offset = offset, .length = end - offset, .in_memory_file = true, .mem_offset = at};
    }
  }
  uint64_t end = std::min(limit, std::max(offset / kGroup * kGroup + kGroup, offset + kPageSize));
  if (next != pages_.end()) end = std::min(end, next->first);
  Result<MemRange> mem = memory_file_.Allocate(end - offset, MemKind::kShared, false);
  if (!mem.ok()) {
    end = offset + kPageSize;
    mem = memory_file_.Allocate(kPageSize, MemKind::kShared, false);
  }
  const MemRange range = TRY(mem);
  pages_.emplace(offset, range);
  bytes_.fetch_add(range.size(), std::memory_order_relaxed);
  memory_file_.IncRef(range);
  return Translation{.offset = offset, .length = end - offset, .in_memory_file = true, .mem_offset = range.start};
}

Result<void> SharedAnon::PunchMapped(uint64_t offset, uint64_t length) {
  const uint64_t end = std::min(size_, length > UINT64_MAX - offset ? UINT64_MAX : offset + length);
  std::vector<MemRange> gone;
  {
    base::MutexLock lock(mu_);
    auto it = pages_.upper_bound(offset);
    if (it != pages_.begin()) --it;
    while (it != pages_.end() && it->first < end) {
      const uint64_t start = it->first;
      const MemRange mem = it->second;
      const uint64_t from = std::max(start, offset), to = std::min(start + mem.size(), end);
      if (from >= to) {
        ++it;
        continue;
      }
      it = pages_.erase(it);
      if (start < from) pages_.emplace(start, MemRange{mem.start, mem.start + (from - start)});
      if (to < start + mem.size()) pages_.emplace(to, MemRange{mem.start + (to - start), mem.end});
      bytes_.fetch_sub(to - from, std::memory_order_relaxed);
      gone.push_back({mem.start + (from - start), mem.start + (to - start)});
    }
  }
  InvalidateAll(offset, length, MappingSpace::Copies::kKeep);
  for (const MemRange& mem : gone) memory_file_.DecRef(mem);
  return base::Ok();
}

}  // namespace sentry
