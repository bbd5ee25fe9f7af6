#include "sentry/kernel/ipc/sem_undo.h"

#include <algorithm>
#include <utility>

#include "sentry/kernel/ipc/semaphore_set.h"

namespace sentry {

using base::MutexLock;
using base::RefPtr;

SemUndoList::SemUndoList() = default;
SemUndoList::~SemUndoList() = default;

void SemUndoList::Leave(Pid& process) {
  if (users_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  std::vector<RefPtr<SemaphoreSet>> sets;
  {
    MutexLock lock(mu_);
    sets.swap(sets_);
  }
  for (const RefPtr<SemaphoreSet>& set : sets) set->TakeBack(*this, process);
}

void SemUndoList::Remember(SemaphoreSet& set) {
  std::vector<RefPtr<SemaphoreSet>> gone;  // goes behind the lock
  MutexLock lock(mu_);
  const auto is_set = [&](const RefPtr<SemaphoreSet>& known) { return known.get() == &set; };
  if (std::any_of(sets_.begin(), sets_.end(), is_set)) return;
  const auto lives = [](const RefPtr<SemaphoreSet>& known) { return !known->removed(); };
  const auto dead = std::partition(sets_.begin(), sets_.end(), lives);
  std::move(dead, sets_.end(), std::back_inserter(gone));
  sets_.erase(dead, sets_.end());
  sets_.push_back(RefPtr<SemaphoreSet>(&set));
}

}  // namespace sentry
