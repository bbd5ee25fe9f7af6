// A set of System V semaphores. Analogous to Linux's struct sem_array.
#ifndef SENTRY_KERNEL_IPC_SEMAPHORE_SET_H_
#define SENTRY_KERNEL_IPC_SEMAPHORE_SET_H_

#include <atomic>
#include <list>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "sentry/kernel/ipc/ipc_object.h"

namespace sentry {

class SemUndoList;

class SemaphoreSet final : public IpcObject {
 public:
  // ENOMEM.
  static Result<RefPtr<SemaphoreSet>> Create(const IpcCaller& caller, RefPtr<UserNamespace> owner, int32_t key,
                                             uint32_t flags, size_t count);

  // semop(2): all of them or none.
  struct Operation : IpcWaiter {
    Operation(const IpcCaller& caller, std::span<const abi::Sembuf> ops, RefPtr<SemUndoList> undo);
    const std::span<const abi::Sembuf> ops;
    const RefPtr<SemUndoList> undo;  // null: none of them has SEM_UNDO
    const bool alters;
    size_t blocking = 0;  // the first that can't be done yet
  };
  // Done, or it waits, as the outcome tells. EFBIG, EACCES, EIDRM, ENOMEM.
  Result<void> Start(Operation& operation);

  size_t count() const { return semaphores_.size(); }
  bool removed() const { return gone_.load(std::memory_order_relaxed); }

  // --- semctl(2) ---
  Result<abi::SemidDs> Stat(const IpcCaller& caller, IpcStatKind kind) const;
  abi::SemidDs Describe(const UserNamespace& seen_by) const;
  Result<void> SetPerm(const IpcCaller& caller, const abi::IpcPerm& perm);
  Result<std::vector<uint16_t>> GetAll(const IpcCaller& caller) const;
  Result<void> SetAll(const IpcCaller& caller, std::span<const uint16_t> values);  // ERANGE
  Result<void> SetValue(const IpcCaller& caller, int32_t number, int32_t value);
  enum class Ask : uint8_t { kValue, kPid, kWaitForMore, kWaitForZero };
  Result<int32_t> Get(const IpcCaller& caller, int32_t number, Ask ask) const;

  // The end of who shares `undo`.
  void TakeBack(const SemUndoList& undo, Pid& process);

 private:
  struct Semaphore {
    int32_t value = 0;
    RefPtr<Pid> process;  // who operated last
  };
  struct Undo {
    std::vector<int16_t> adjust;
    IpcCharge charge;
  };
  using Queue = std::list<Operation*>;

  SemaphoreSet(const IpcCaller& caller, RefPtr<UserNamespace> owner, int32_t key, uint32_t flags, size_t count,
               IpcCharge charge);
  ~SemaphoreSet() override = default;
  void UnlinkLocked(IpcWaiter& waiter) override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RemoveLocked() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  abi::SemidDs DescribeLocked(const UserNamespace& seen_by) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  enum class Step : uint8_t { kDone, kBlocks };
  // ERANGE; EAGAIN: it blocks where it has IPC_NOWAIT.
  Result<Step> PerformLocked(Operation& operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<Step> StepLocked(const abi::Sembuf& op, Undo* undo) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<Undo*> UndoOfLocked(const Operation& operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Values changed: finishes who can go on. True: somebody did.
  bool UpdateLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool FinishWhoCanLocked(Queue& queue) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // True: it is done, and left the queue.
  bool TryLocked(Queue& queue, Queue::iterator& at, bool& succeeded) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const IpcCharge charge_;
  std::vector<Semaphore> semaphores_;  // its elements under mu_
  std::atomic<bool> gone_{false};      // for a list that has only this to ask
  // In order of arrival; whoever waits for zeros alone is asked before the others.
  Queue readers_ ABSL_GUARDED_BY(mu_);
  Queue alterers_ ABSL_GUARDED_BY(mu_);
  size_t complex_ ABSL_GUARDED_BY(mu_) = 0;  // of alterers_, those of several operations
  std::map<const SemUndoList*, Undo> undos_ ABSL_GUARDED_BY(mu_);
  int64_t operated_at_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t changed_at_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_IPC_SEMAPHORE_SET_H_
