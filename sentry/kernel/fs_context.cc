#include "sentry/kernel/fs_context.h"

#include <utility>

namespace sentry {

using base::MutexLock;

namespace {

// Keeps `path`'s mount from being unmounted.
void Use(const Path& path) {
  if (path.mount) path.mount->users.fetch_add(1, std::memory_order_relaxed);
}
void Unuse(const Path& path) {
  if (path.mount) path.mount->users.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace

FsContext::FsContext(Path root, Path cwd, uint32_t umask)
    : root_(std::move(root)), cwd_(std::move(cwd)), umask_(umask) {
  Use(root_), Use(cwd_);
}

FsContext::~FsContext() { Unuse(root_), Unuse(cwd_); }

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
  Use(root);
  MutexLock lock(mu_);
  std::swap(root_, root);
  Unuse(root);
}

void FsContext::SetCwd(Path cwd) {
  Use(cwd);
  MutexLock lock(mu_);
  std::swap(cwd_, cwd);
  Unuse(cwd);
}

uint32_t FsContext::SetUmask(uint32_t umask) {
  MutexLock lock(mu_);
  return std::exchange(umask_, umask & 0777);
}

}  // namespace sentry
