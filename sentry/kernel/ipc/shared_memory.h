// The shared memory segments of an IPC namespace.
#ifndef SENTRY_KERNEL_IPC_SHARED_MEMORY_H_
#define SENTRY_KERNEL_IPC_SHARED_MEMORY_H_

#include <string>

#include "sentry/kernel/ipc/ipc_ids.h"
#include "sentry/kernel/ipc/shm_segment.h"

namespace sentry {

// /proc/sys/kernel/shm*. Each is independent of all others.
struct SharedMemoryLimits {
  std::atomic<uint64_t> segment_bytes{abi::kShmMax};  // shmmax
  std::atomic<uint64_t> pages{abi::kShmAll};          // shmall: in all
  std::atomic<uint32_t> segments{abi::kShmMni};       // shmmni
  std::atomic<uint32_t> rmid_forced{0};               // shm_rmid_forced
};

class SharedMemoryNamespace final : public base::RefCounted {
 public:
  // `memory` outlives it.
  SharedMemoryNamespace(RefPtr<UserNamespace> owner, MemoryFile& memory) : owner_(std::move(owner)), memory_(memory) {}
  SharedMemoryLimits limits;

  // shmget(2). `creator` is asked for where one is made.
  Result<int32_t> Get(const IpcCaller& caller, int32_t key, uint64_t size, uint32_t flags, ShmCreator& creator);
  Result<RefPtr<ShmSegment>> Find(int32_t id) const { return ids_.Find(id); }
  Result<RefPtr<ShmSegment>> FindIndex(int32_t index) const { return ids_.FindIndex(index); }
  Result<void> Remove(const IpcCaller& caller, int32_t id) { return ids_.Remove(caller, id); }
  void Retire(const ShmSegment& segment) { ids_.Retire(segment); }
  // Where kernel.shm_rmid_forced says so, those without a creator that nobody is attached to.
  void RetireOrphans();
  // SHM_LOCK, SHM_UNLOCK. `allowed`: RLIMIT_MEMLOCK. EPERM; ENOMEM: all that the caller locked would be more.
  Result<void> Lock(const IpcCaller& caller, int32_t id, bool lock, uint64_t allowed);

  abi::Shminfo GetLimits() const;  // IPC_INFO
  abi::ShmInfo GetUse() const;     // SHM_INFO
  int32_t max_index() const { return ids_.use().max_index; }
  // /proc/sysvipc/shm, with the ids and numbers that the reader has.
  std::string Text(const UserNamespace& seen_by, const PidNamespace& numbers) const;

 private:
  ~SharedMemoryNamespace() override = default;
  const RefPtr<UserNamespace> owner_;
  MemoryFile& memory_;
  IpcIds<ShmSegment> ids_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_IPC_SHARED_MEMORY_H_
