// What semaphore sets, message queues and shared memory have in common: Linux's
// struct kern_ipc_perm, and calls that wait.
#ifndef SENTRY_KERNEL_IPC_IPC_OBJECT_H_
#define SENTRY_KERNEL_IPC_IPC_OBJECT_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/mutex.h"
#include "base/ref_ptr.h"
#include "base/result.h"
#include "base/wait_queue.h"
#include "sentry/abi/sysv_ipc.h"
#include "sentry/vfs/credentials.h"
#include "sentry/vfs/pid.h"

namespace sentry {

using base::Errno;
using base::Ok;
using base::RefPtr;
using base::Result;

// Who makes a call.
struct IpcCaller {
  const Credentials& creds;
  Pid& process;
};

// How an id is looked up: IPC_STAT, or by index (*_STAT), perhaps of anybody's (*_STAT_ANY).
enum class IpcStatKind : uint8_t { kId, kIndex, kIndexAny };

// Bytes of the kernel's that guests make it keep: all namespaces together have a limit.
class IpcCharge {
 public:
  IpcCharge() = default;
  static Result<IpcCharge> Take(size_t bytes);  // ENOMEM
  IpcCharge(IpcCharge&& o) noexcept : bytes_(o.bytes_) { o.bytes_ = 0; }
  IpcCharge& operator=(IpcCharge&& o) noexcept {
    std::swap(bytes_, o.bytes_);
    return *this;
  }
  ~IpcCharge();

 private:
  explicit IpcCharge(size_t bytes) : bytes_(bytes) {}
  size_t bytes_ = 0;
};

// A call that may wait: on its caller's stack, Cancelled or done before it ends. Its
// fields are guarded by the object's lock, under which it is woken too.
struct IpcWaiter {
  struct Outcome {
    std::optional<Errno> error;
  };
  explicit IpcWaiter(const IpcCaller& caller) : caller(caller) {}
  const IpcCaller caller;
  std::optional<Outcome> outcome;
  base::WaitQueue woken;

  void Finish(std::optional<Errno> error = std::nullopt) {
    outcome = Outcome{error};
    woken.Notify(base::kEventIn);
  }
};

class IpcObject : public base::RefCounted {
 public:
  // EAGAIN: it waits still.
  Result<IpcWaiter::Outcome> OutcomeOf(const IpcWaiter& waiter) const;
  // No more of it. False: it was done before.
  bool Cancel(IpcWaiter& waiter);

  // --- For IpcIds, which knows all of a namespace ---
  int32_t id() const { return id_; }
  int32_t key() const { return key_.load(std::memory_order_relaxed); }
  void SetId(int32_t id) { id_ = id; }  // before it is known to anybody
  // Linux's ipcperms by `flags`' permission bits: EACCES, EIDRM.
  Result<void> CheckAccess(const IpcCaller& caller, uint32_t flags) const;
  // IPC_RMID: whether it is gone, or stays without its key until it is out of use. EPERM.
  Result<bool> Remove(const IpcCaller& caller);

 protected:
  // `owner`: of the namespace, who has capabilities over it.
  IpcObject(const IpcCaller& caller, RefPtr<UserNamespace> owner, int32_t key, uint32_t flags);

  Result<void> CheckAccessLocked(const IpcCaller& caller, uint32_t flags) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // Of those who made it or were given it, and their masters: EPERM, EIDRM.
  Result<void> CheckOwnerLocked(const IpcCaller& caller, Capability master = Capability::kSysAdmin) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  const UserNamespace& owner() const { return *owner_; }
  // IPC_SET. EINVAL: an id without a mapping.
  Result<void> SetPermLocked(const IpcCaller& caller, const abi::IpcPerm& perm) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // With the ids that `seen_by` has for them.
  abi::IpcPerm PermLocked(const UserNamespace& seen_by) const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  bool removed_locked() const ABSL_SHARED_LOCKS_REQUIRED(mu_) { return removed_; }
  void EndLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Takes `waiter` off all lists. Of nothing where nobody waits.
  virtual void UnlinkLocked(IpcWaiter&) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {}
  // It is removed: whoever waits is done, by EIDRM.
  virtual void RemoveLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {}
  // Asked to go: whether it is in use, and goes later.
  virtual bool StaysLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return false; }

  // Rank kIpcObject: under the lock of all ids and mm's, held over wake-ups only.
  mutable base::RankedMutex<base::LockRank::kIpcObject> mu_;

 private:
  const RefPtr<UserNamespace> owner_;
  std::atomic<int32_t> key_;
  int32_t id_ = 0;
  const uint32_t creator_uid_, creator_gid_;
  bool removed_ ABSL_GUARDED_BY(mu_) = false;
  uint32_t uid_ ABSL_GUARDED_BY(mu_);
  uint32_t gid_ ABSL_GUARDED_BY(mu_);
  uint32_t mode_ ABSL_GUARDED_BY(mu_);
};

// ctime and its kin, in seconds.
int64_t IpcNow();
// In the numbers of `ns`; 0: nobody, or not seen there.
inline int32_t PidNumber(const RefPtr<Pid>& pid, const PidNamespace& ns) { return pid ? pid->NumberIn(ns) : 0; }

}  // namespace sentry

#endif  // SENTRY_KERNEL_IPC_IPC_OBJECT_H_
