// The semaphores of an IPC namespace.
#ifndef SENTRY_KERNEL_IPC_SEMAPHORES_H_
#define SENTRY_KERNEL_IPC_SEMAPHORES_H_

#include <atomic>
#include <string>

#include "sentry/kernel/ipc/ipc_ids.h"
#include "sentry/kernel/ipc/semaphore_set.h"

namespace sentry {

// /proc/sys/kernel/sem. Each is independent of all others.
struct SemaphoreLimits {
  std::atomic<int32_t> per_set{32000};  // SEMMSL
  std::atomic<int32_t> in_all{abi::kSemMns};
  std::atomic<int32_t> per_call{500};  // SEMOPM
  std::atomic<int32_t> sets{32000};    // SEMMNI
};

class SemaphoreNamespace final : public base::RefCounted {
 public:
  explicit SemaphoreNamespace(RefPtr<UserNamespace> owner) : owner_(std::move(owner)) {}
  SemaphoreLimits limits;

  Result<int32_t> Get(const IpcCaller& caller, int32_t key, int32_t count, uint32_t flags);  // semget(2)
  Result<RefPtr<SemaphoreSet>> Find(int32_t id) const { return ids_.Find(id); }
  Result<RefPtr<SemaphoreSet>> FindIndex(int32_t index) const { return ids_.FindIndex(index); }
  Result<void> Remove(const IpcCaller& caller, int32_t id) { return ids_.Remove(caller, id); }
  struct Info {
    abi::Seminfo info;
    int32_t max_index;
  };
  Info GetInfo(int32_t command) const;  // IPC_INFO, SEM_INFO
  // /proc/sysvipc/sem, with the ids that the reader has for them.
  std::string Text(const UserNamespace& seen_by) const;

 private:
  ~SemaphoreNamespace() override = default;
  const RefPtr<UserNamespace> owner_;
  IpcIds<SemaphoreSet> ids_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_IPC_SEMAPHORES_H_
