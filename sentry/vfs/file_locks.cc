#include "sentry/vfs/file_locks.h"

#include <algorithm>
#include <map>

namespace sentry {
namespace {

using base::Errno;
using base::Ok;
using base::Result;

// A guest can't make one file's list longer than this (ENOLCK).
constexpr size_t kMaxLocks = 16384;

// Rank kFileLocks: under directory and inode locks, above wait queues.
base::RankedMutex<base::LockRank::kFileLocks> locks_mu;

// Who waits for whom, over all files. Owners are tables of descriptors, so an
// owner may wait more than once (threads).
std::multimap<const void*, const void*>& Waits() {
  static auto* const waits = new std::multimap<const void*, const void*>;
  return *waits;
}

// Whether `from` waits, directly or through others, for `to`.
bool Reaches(const void* from, const void* to) {
  std::vector<const void*> todo{from};
  std::vector<const void*> seen;
  while (!todo.empty()) {
    const void* at = todo.back();
    todo.pop_back();
    if (at == to) return true;
    if (std::find(seen.begin(), seen.end(), at) != seen.end()) continue;
    seen.push_back(at);
    auto [begin, end] = Waits().equal_range(at);
    for (auto it = begin; it != end; ++it) todo.push_back(it->second);
  }
  return false;
}

}  // namespace

FileLocks::~FileLocks() = default;

const RangeLock* FileLocks::Conflict(const LockOwner& owner, LockType type, LockRange range) const {
  for (const RangeLock& lock : ranges_) {
    if (lock.owner.owner == owner.owner || !lock.range.Overlaps(range)) continue;
    if (type == LockType::kWrite || lock.type == LockType::kWrite) return &lock;
  }
  return nullptr;
}

// Takes `range` out of what `owner` has, splitting locks at its edges.
void FileLocks::Carve(const void* owner, LockRange range) {
  std::vector<RangeLock> rest;
  for (auto it = ranges_.begin(); it != ranges_.end();) {
    if (it->owner.owner != owner || !it->range.Overlaps(range)) {
      ++it;
      continue;
    }
    if (it->range.start < range.start) {
      rest.push_back(*it);
      rest.back().range.last = range.start - 1;
    }
    if (it->range.last > range.last) {
      rest.push_back(*it);
      rest.back().range.start = range.last + 1;
    }
    it = ranges_.erase(it);
  }
  ranges_.insert(ranges_.end(), rest.begin(), rest.end());
}

Result<void> FileLocks::Insert(const LockOwner& owner, LockType type, LockRange range) {
  if (ranges_.size() + 2 > kMaxLocks) return Errno::kENOLCK;
  Carve(owner.owner, range);
  // Neighbours of the same kind become one.
  for (auto it = ranges_.begin(); it != ranges_.end();) {
    const bool touches = it->range.last + 1 == range.start || range.last + 1 == it->range.start;
    if (it->owner.owner == owner.owner && it->type == type && touches) {
      range = {std::min(range.start, it->range.start), std::max(range.last, it->range.last)};
      it = ranges_.erase(it);
    } else {
      ++it;
    }
  }
  auto at = std::find_if(ranges_.begin(), ranges_.end(),
                         [&](const RangeLock& lock) { return lock.range.start > range.start; });
  ranges_.insert(at, RangeLock{owner, type, range});
  return Ok();
}

Result<void> FileLocks::SetRange(const LockOwner& owner, LockType type, LockRange range) {
  {
    base::MutexLock lock(locks_mu);
    if (Conflict(owner, type, range) != nullptr) return Errno::kEAGAIN;
    TRY(Insert(owner, type, range));
  }
  queue_.Notify(base::kEventIn);  // a write lock may have become a read lock
  return Ok();
}

Result<void> FileLocks::SetRangeOrWait(const LockOwner& owner, LockType type, LockRange range) {
  {
    base::MutexLock lock(locks_mu);
    if (const RangeLock* other = Conflict(owner, type, range); other != nullptr) {
      if (Reaches(other->owner.owner, owner.owner)) return Errno::kEDEADLK;
      auto [begin, end] = Waits().equal_range(owner.owner);
      const bool known = std::any_of(begin, end, [&](const auto& w) { return w.second == other->owner.owner; });
      if (!known) Waits().emplace(owner.owner, other->owner.owner);
      return Errno::kEAGAIN;
    }
    TRY(Insert(owner, type, range));
  }
  queue_.Notify(base::kEventIn);
  return Ok();
}

void FileLocks::StopWaiting(const void* owner) {
  base::MutexLock lock(locks_mu);
  Waits().erase(owner);
}

void FileLocks::ClearRange(const void* owner, LockRange range) {
  {
    base::MutexLock lock(locks_mu);
    Carve(owner, range);
  }
  queue_.Notify(base::kEventIn);
}

std::optional<RangeLock> FileLocks::TestRange(const LockOwner& owner, LockType type, LockRange range) const {
  base::MutexLock lock(locks_mu);
  const RangeLock* found = Conflict(owner, type, range);
  if (found == nullptr) return std::nullopt;
  return *found;
}

Result<void> FileLocks::SetFlock(const void* owner, LockType type) {
  Result<void> result = Ok();
  bool dropped = false;
  {
    base::MutexLock lock(locks_mu);
    auto mine = std::find_if(flocks_.begin(), flocks_.end(), [&](const Flock& f) { return f.owner == owner; });
    if (mine != flocks_.end()) {
      if (mine->type == type) return Ok();
      flocks_.erase(mine);
      dropped = true;
    }
    const bool blocked = std::any_of(flocks_.begin(), flocks_.end(), [&](const Flock& f) {
      return type == LockType::kWrite || f.type == LockType::kWrite;
    });
    if (blocked) {
      result = Errno::kEAGAIN;
    } else {
      flocks_.push_back({owner, type});
    }
  }
  if (dropped) queue_.Notify(base::kEventIn);
  return result;
}

void FileLocks::ClearFlock(const void* owner) {
  {
    base::MutexLock lock(locks_mu);
    std::erase_if(flocks_, [&](const Flock& f) { return f.owner == owner; });
  }
  queue_.Notify(base::kEventIn);
}

void FileLocks::Release(const void* owner) {
  size_t gone = 0;
  {
    base::MutexLock lock(locks_mu);
    gone += std::erase_if(ranges_, [&](const RangeLock& lock) { return lock.owner.owner == owner; });
    gone += std::erase_if(flocks_, [&](const Flock& f) { return f.owner == owner; });
  }
  if (gone != 0) queue_.Notify(base::kEventIn);
}

std::vector<RangeLock> FileLocks::ranges() const {
  base::MutexLock lock(locks_mu);
  return ranges_;
}

std::vector<FileLocks::Flock> FileLocks::flocks() const {
  base::MutexLock lock(locks_mu);
  return flocks_;
}

}  // namespace sentry
