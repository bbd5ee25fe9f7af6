// Futexes (man 2 futex). Analogous to Linux's kernel/futex: hash buckets of
// waiters, keyed by private address or by mapped object.
#ifndef SENTRY_KERNEL_FUTEX_FUTEX_H_
#define SENTRY_KERNEL_FUTEX_FUTEX_H_

#include <cstdint>
#include <memory>

#include "base/mutex.h"
#include "sentry/kernel/syscall_result.h"
#include "sentry/kernel/time/clock.h"
#include "sentry/mm/memory_manager.h"

namespace sentry {

class Task;

enum class FutexScope : uint8_t { kPrivate, kShared };

class FutexTable {
 public:
  FutexTable();
  ~FutexTable();

  // EAGAIN if *addr != expected; Restart::kSys on a signal (kBlock by the
  // caller for relative timeouts); ETIMEDOUT.
  Interruptible<int> Wait(Task& task, UserAddr addr, FutexScope scope, uint32_t expected, uint32_t bitset,
                          Deadline deadline);
  Result<int> Wake(MemoryManager& mm, UserAddr addr, FutexScope scope, int count, uint32_t bitset);
  // With `compare`: EAGAIN if *addr differs (FUTEX_CMP_REQUEUE). Woken + moved.
  Result<int> Requeue(MemoryManager& mm, UserAddr addr, UserAddr addr2, FutexScope scope, int wake, int requeue,
                      const uint32_t* compare);
  Result<int> WakeOp(MemoryManager& mm, UserAddr addr, UserAddr addr2, FutexScope scope, int wake, int wake2,
                     uint32_t op);
  // Priority-inheriting ones, without the inheritance: lock words are kept as
  // the ABI says (FUTEX_WAITERS, FUTEX_OWNER_DIED). `try_only`: FUTEX_TRYLOCK_PI.
  Interruptible<int> LockPi(Task& task, UserAddr addr, FutexScope scope, Deadline deadline, int try_only);
  Result<int> UnlockPi(Task& task, UserAddr addr, FutexScope scope);
  // The owner of a PI lock died and its word says so: one waiter tries again.
  void OwnerDied(MemoryManager& mm, UserAddr addr);
  enum class PiMode : uint8_t { kLock, kTryLock };

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Walks a dying task's robust list (man 2 set_robust_list): bounded at 2,048
// entries, every pointer checked.
void ExitRobustList(Task& task);

}  // namespace sentry

#endif  // SENTRY_KERNEL_FUTEX_FUTEX_H_
