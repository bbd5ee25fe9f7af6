#include "sentry/kernel/fs_context.h"

#include <utility>

namespace sentry {

using base::MutexLock;

RefPtr<FsContext> FsContext::Fork() const {
  MutexLock lock(mu_);
  return base::MakeRef<FsContext>(root_, cwd_, umask_);
}

Path FsContext::root() const {
  MutexLock lock(mu_);
  return root_;
}

Path FsContext::cwd() const {
  MutexLock lock(mu_);
  return cwd_;
}

uint32_t FsContext::umask() const {
  MutexLock lock(mu_);
  return umask_;
}

// The old place is let go after the lock: its end may run a file system's code.
void FsContext::SetRoot(Path root) {
  MutexLock lock(mu_);
  std::swap(root_, root);
}

void FsContext::SetCwd(Path cwd) {
  MutexLock lock(mu_);
  std::swap(cwd_, cwd);
}

uint32_t FsContext::SetUmask(uint32_t umask) {
  MutexLock lock(mu_);
  return std::exchange(umask_, umask & 0777);
}

}  // namespace sentry
