// What the end of a process takes back of its semaphore operations (SEM_UNDO).
// Analogous to Linux's struct sem_undo_list.
#ifndef SENTRY_KERNEL_IPC_SEM_UNDO_H_
#define SENTRY_KERNEL_IPC_SEM_UNDO_H_

#include <atomic>
#include <cstdint>
#include <vector>

#include "base/mutex.h"
#include "base/ref_ptr.h"
#include "sentry/vfs/pid.h"

namespace sentry {

class SemaphoreSet;

// Shared by tasks with CLONE_SYSVSEM. What is to be taken back stands in the sets,
// under this list's address.
class SemUndoList final : public base::RefCounted {
 public:
  SemUndoList();
  // For one task more.
  base::RefPtr<SemUndoList> Share() {
    users_.fetch_add(1, std::memory_order_relaxed);
    return base::RefPtr<SemUndoList>(this);
  }
  // A task leaves; with the last one all is taken back, in the name of `process`.
  void Leave(Pid& process);
  // There is something to take back in `set`.
  void Remember(SemaphoreSet& set);

 private:
  ~SemUndoList() override;
  std::atomic<int32_t> users_{1};
  // Rank kLeaf: the list only.
  base::RankedMutex<base::LockRank::kLeaf> mu_;
  std::vector<base::RefPtr<SemaphoreSet>> sets_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_IPC_SEM_UNDO_H_
