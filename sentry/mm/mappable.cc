#include "sentry/mm/mappable.h"

#include <algorithm>

#include "base/check.h"

namespace sentry {

void Mappable::AddMapping(MappingSpace& space, UserRange range, uint64_t offset, bool shared_writable) {
  base::MutexLock lock(mappings_mu_);
  mappings_.push_back({&space, range, offset, shared_writable});
}

void Mappable::RemoveMapping(MappingSpace& space, UserRange range, uint64_t offset, bool shared_writable) {
  base::MutexLock lock(mappings_mu_);
  // From the back: who mapped last is most often the first to unmap.
  for (auto it = mappings_.rbegin(); it != mappings_.rend(); ++it) {
    if (it->space != &space || it->range != range || it->offset != offset || it->shared_writable != shared_writable) {
      continue;
    }
    *it = mappings_.back();
    mappings_.pop_back();
    return;
  }
  DCHECK(false);
}

void Mappable::InvalidateAll(uint64_t offset, uint64_t length, MappingSpace::Copies private_copies) {
  const uint64_t start = PageRoundDown(offset);
  const uint64_t last = length > UINT64_MAX - offset ? UINT64_MAX : offset + length;
  std::vector<Entry> hit;
  {
    base::MutexLock lock(mappings_mu_);
    for (const Entry& e : mappings_) {
      const uint64_t from = std::max(start, e.offset);
      const uint64_t to = std::min(last, e.offset + e.range.size());
      if (from >= to || !e.space->TryPin()) continue;
      const UserAddr at = e.range.start + (from - e.offset);
      hit.push_back({e.space, {at, (at + (to - from)).PageUp()}, from, e.shared_writable});
    }
  }
  for (const Entry& e : hit) {
    e.space->InvalidateMappingsOf(*this, e.range, private_copies);
    e.space->Unpin();
  }
}

size_t Mappable::shared_writable_mappings() const {
  base::MutexLock lock(mappings_mu_);
  return static_cast<size_t>(
      std::count_if(mappings_.begin(), mappings_.end(), [](const Entry& e) { return e.shared_writable; }));
}

}  // namespace sentry
