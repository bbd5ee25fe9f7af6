// Root, working directory and umask. Analogous to Linux's struct fs_struct.
#ifndef SENTRY_KERNEL_FS_CONTEXT_H_
#define SENTRY_KERNEL_FS_CONTEXT_H_

#include <atomic>

#include "base/mutex.h"
#include "sentry/vfs/context.h"
#include "sentry/vfs/mount.h"

namespace sentry {

class FsContext final : public base::RefCounted {
 public:
  FsContext(Path root, Path cwd, uint32_t umask);
  RefPtr<FsContext> Fork() const;

  // Tasks that have it, as apart from who only looks at it.
  void AddUser() { users_.fetch_add(1, std::memory_order_relaxed); }
  void DropUser() { users_.fetch_sub(1, std::memory_order_relaxed); }
  uint32_t users() const { return users_.load(std::memory_order_relaxed); }

  Path root() const;
  Path cwd() const;
  uint32_t umask() const;
  void SetRoot(Path root);
  void SetCwd(Path cwd);
  uint32_t SetUmask(uint32_t umask);  // the old one

 private:
  ~FsContext() override;
  std::atomic<uint32_t> users_{0};
  mutable base::RankedMutex<base::LockRank::kFsContext> mu_;
  Path root_ ABSL_GUARDED_BY(mu_);
  Path cwd_ ABSL_GUARDED_BY(mu_);
  uint32_t umask_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_FS_CONTEXT_H_
