#include "sentry/fs/tmpfs/page_map.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"

namespace sentry {

PageMap::Run PageMap::Find(uint64_t offset, uint64_t max_length) const {
  const uint64_t page = PageRoundDown(offset);
  auto next = runs_.upper_bound(page);
  if (next != runs_.begin()) {
    const auto& [start, run] = *std::prev(next);
    if (page < start + run.length) {
      const uint64_t skip = page - start;
      return {page, std::min(run.length - skip, max_length), run.memory + skip, false};
    }
  }
  const uint64_t end = next == runs_.end() ? UINT64_MAX : next->first;
  return {page, std::min(end - page, max_length), 0, true};
}

void PageMap::Insert(uint64_t offset, MemRange range) {
  const uint64_t length = range.size();
  bytes_ += length;
  auto next = runs_.lower_bound(offset);
  DCHECK(next == runs_.end() || offset + length <= next->first);
  if (next != runs_.begin()) {
    auto& [start, run] = *std::prev(next);
    if (start + run.length == offset && run.memory + run.length == range.start) {
      run.length += length;
      return;
    }
  }
  runs_.emplace_hint(next, offset, Value{length, range.start});
}

std::vector<MemRange> PageMap::Remove(uint64_t offset, uint64_t length) {
  std::vector<MemRange> removed;
  const uint64_t end = length > UINT64_MAX - offset ? UINT64_MAX : offset + length;
  auto it = runs_.upper_bound(offset);
  if (it != runs_.begin() && std::prev(it)->first + std::prev(it)->second.length > offset) --it;
  while (it != runs_.end() && it->first < end) {
    const uint64_t start = it->first;
    const Value run = it->second;
    const uint64_t from = std::max(start, offset), to = std::min(start + run.length, end);
    it = runs_.erase(it);
    if (start < from) runs_.emplace_hint(it, start, Value{from - start, run.memory});
    if (to < start + run.length) {
      runs_.emplace_hint(it, to, Value{start + run.length - to, run.memory + (to - start)});
    }
    removed.push_back({run.memory + (from - start), run.memory + (to - start)});
    bytes_ -= to - from;
  }
  return removed;
}

uint64_t PageMap::NextData(uint64_t offset) const {
  auto it = runs_.upper_bound(offset);
  if (it != runs_.begin() && std::prev(it)->first + std::prev(it)->second.length > offset) return offset;
  return it == runs_.end() ? UINT64_MAX : it->first;
}

uint64_t PageMap::NextHole(uint64_t offset) const {
  for (;;) {
    const Run run = Find(offset, UINT64_MAX - kPageMask);
    if (run.hole) return std::max(offset, run.offset);
    offset = run.offset + run.length;
  }
}

}  // namespace sentry
