// A segment of System V shared memory. Analogous to Linux's struct shmid_kernel.
#ifndef SENTRY_KERNEL_IPC_SHM_SEGMENT_H_
#define SENTRY_KERNEL_IPC_SHM_SEGMENT_H_

#include <memory>
#include <string>
#include <vector>

#include "sentry/kernel/ipc/ipc_object.h"
#include "sentry/mm/shared_anon.h"

namespace sentry {

class SharedMemoryNamespace;

// A task, to the segments that it made: with kernel.shm_rmid_forced they go when it has gone and nobody is attached.
class ShmCreator final : public base::RefCounted {
 public:
  ShmCreator();
  bool gone() const { return gone_.load(std::memory_order_acquire); }
  // It has made something in there.
  void Remember(SharedMemoryNamespace& in);
  void Leave();

 private:
  ~ShmCreator() override;
  std::atomic<bool> gone_{false};
  std::vector<RefPtr<SharedMemoryNamespace>> namespaces_;  // the task's own thread
};

class ShmSegment final : public IpcObject {
 public:
  ShmSegment(const IpcCaller& caller, RefPtr<UserNamespace> owner, int32_t key, uint32_t flags, IpcCharge charge,
             RefPtr<ShmCreator> creator, MemoryFile& memory, uint64_t size);

  uint64_t size() const { return size_; }
  size_t count() const { return PageRoundUp(size_) / kPageSize; }
  const RefPtr<SharedAnon>& memory() const { return memory_; }
  const RefPtr<ShmCreator>& creator() const { return creator_; }
  const std::string& name() const { return name_; }  // in /proc/PID/maps

  // --- Attaching: shmat(2) ---
  // In use over an attempt to map it. EACCES, EIDRM. `flags`: permission bits.
  Result<void> HoldFor(const IpcCaller& caller, uint32_t flags);
  void Hold();  // once more
  // Whether it is out of use, and is to go: IpcIds::Retire.
  bool PutDown(bool forced);
  void Attached();
  bool Detached(bool forced);
  // Ends it, unless somebody is attached.
  bool Retire();

  // --- shmctl(2) ---
  Result<abi::ShmidDs> Stat(const IpcCaller& caller, IpcStatKind kind) const;
  abi::ShmidDs Describe(const UserNamespace& seen_by, const PidNamespace& numbers) const;
  Result<void> SetPerm(const IpcCaller& caller, const abi::IpcPerm& perm);
  // SHM_LOCK and SHM_UNLOCK. `allowed`: RLIMIT_MEMLOCK. EPERM, EIDRM.
  Result<void> CheckLock(const IpcCaller& caller, bool lock, uint64_t allowed) const;
  void SetLocked(const IpcCaller& caller, bool locked);
  uint64_t BytesLockedBy(uint32_t uid) const;

 private:
  ~ShmSegment() override;
  bool StaysLocked() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool OutOfUseLocked(bool forced) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  abi::ShmidDs DescribeLocked(const UserNamespace& seen_by, const PidNamespace& numbers) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);

  const IpcCharge charge_;
  const RefPtr<ShmCreator> creator_;
  const RefPtr<SharedAnon> memory_;
  const uint64_t size_;  // as asked for
  const std::string name_;
  const RefPtr<Pid> made_by_;
  uint64_t attached_ ABSL_GUARDED_BY(mu_) = 0;
  bool leaves_ ABSL_GUARDED_BY(mu_) = false;  // SHM_DEST
  bool locked_ ABSL_GUARDED_BY(mu_) = false;
  uint32_t locker_ ABSL_GUARDED_BY(mu_) = 0;  // a uid
  int64_t attached_at_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t detached_at_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t changed_at_ ABSL_GUARDED_BY(mu_);
  RefPtr<Pid> last_ ABSL_GUARDED_BY(mu_);  // who attached or detached
};

// What one shmat(2) maps: Linux's struct shm_file_data. Keeps the segment and its namespace.
class ShmAttachment final : public FileIdentity {
 public:
  ShmAttachment(RefPtr<SharedMemoryNamespace> ns, RefPtr<ShmSegment> segment);
  std::string MappedName() const override { return segment_->name(); }
  uint64_t MappedDevice() const override { return 1; }  // as SharedAnonIdentity's
  uint64_t MappedInode() const override { return static_cast<uint64_t>(segment_->id()); }
  uint64_t attached_bytes() const override { return PageRoundUp(segment_->size()); }
  void Mapped() override { segment_->Attached(); }
  void Unmapped() override;
  void Hold() override { segment_->Hold(); }
  void PutDown() override;

 private:
  ~ShmAttachment() override;
  const RefPtr<SharedMemoryNamespace> namespace_;
  const RefPtr<ShmSegment> segment_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_IPC_SHM_SEGMENT_H_
