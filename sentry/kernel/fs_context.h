// Root, working directory and umask. Analogous to Linux's struct fs_struct.
#ifndef SENTRY_KERNEL_FS_CONTEXT_H_
#define SENTRY_KERNEL_FS_CONTEXT_H_

#include "base/mutex.h"
#include "sentry/vfs/context.h"
#include "sentry/vfs/mount.h"

namespace sentry {

class FsContext final : public base::RefCounted {
 public:
  FsContext(Path root, Path cwd, uint32_t umask);
  RefPtr<FsContext> Fork() const;

  Path root() const;
  Path cwd() const;
  uint32_t umask() const;
  void SetRoot(Path root);
  void SetCwd(Path cwd);
  uint32_t SetUmask(uint32_t umask);  // the old one

 private:
  ~FsContext() override;
  mutable base::RankedMutex<base::LockRank::kFsContext> mu_;
  Path root_ ABSL_GUARDED_BY(mu_);
  Path cwd_ ABSL_GUARDED_BY(mu_);
  uint32_t umask_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_FS_CONTEXT_H_
