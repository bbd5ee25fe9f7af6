#include "sentry/memfile/extent_set.h"

#include <bit>
#include <iterator>

#include "base/check.h"

namespace sentry {

size_t ExtentSet::ClassOf(uint64_t size) { return static_cast<size_t>(std::bit_width(size)) - 1; }

void ExtentSet::Insert(uint64_t start, uint64_t end) {
  by_start_.emplace(start, end);
  const size_t c = ClassOf(end - start);
  by_class_[c].insert(start);
  class_mask_ |= uint64_t{1} << c;
  total_ += end - start;
}

void ExtentSet::Erase(absl::btree_map<uint64_t, uint64_t>::iterator it) {
  const size_t c = ClassOf(it->second - it->first);
  by_class_[c].erase(it->first);
  if (by_class_[c].empty()) class_mask_ &= ~(uint64_t{1} << c);
  total_ -= it->second - it->first;
  by_start_.erase(it);
}

void ExtentSet::Add(uint64_t start, uint64_t end) {
  if (start == end) return;
  CHECK(start < end);
  auto next = by_start_.lower_bound(start);
  if (next != by_start_.end()) {
    CHECK(end <= next->first);
    if (next->first == end) {
      end = next->second;
      Erase(next);
    }
  }
  auto prev = by_start_.lower_bound(start);
  if (prev != by_start_.begin()) {
    --prev;
    CHECK(prev->second <= start);
    if (prev->second == start) {
      start = prev->first;
      Erase(prev);
    }
  }
  Insert(start, end);
}

std::optional<uint64_t> ExtentSet::Take(uint64_t size) {
  CHECK(size > 0);
  // Extents of the request's own class may be too small: a bounded look, then
  // any of a greater class will do.
  constexpr int kTries = 8;
  const size_t own = ClassOf(size);
  std::optional<uint64_t> found;
  int tries = kTries;
  for (uint64_t start : by_class_[own]) {
    if (by_start_.find(start)->second - start >= size) {
      found = start;
      break;
    }
    if (--tries == 0) break;
  }
  if (!found) {
    const uint64_t greater = own == 63 ? 0 : class_mask_ & ~((uint64_t{2} << own) - 1);
    if (greater != 0) found = *by_class_[static_cast<size_t>(std::countr_zero(greater))].begin();
  }
  if (!found) {
    // Nothing bigger is left: the whole class, before giving up.
    for (uint64_t start : by_class_[own]) {
      if (by_start_.find(start)->second - start >= size) {
        found = start;
        break;
      }
    }
  }
  if (!found) return std::nullopt;
  auto it = by_start_.find(*found);
  const uint64_t end = it->second;
  Erase(it);
  if (*found + size < end) Insert(*found + size, end);
  return found;
}

std::optional<ExtentSet::Extent> ExtentSet::TakeLargest() {
  if (class_mask_ == 0) return std::nullopt;
  const size_t c = static_cast<size_t>(std::bit_width(class_mask_)) - 1;
  auto it = by_start_.find(*by_class_[c].begin());
  const Extent e{it->first, it->second};
  Erase(it);
  return e;
}

}  // namespace sentry
