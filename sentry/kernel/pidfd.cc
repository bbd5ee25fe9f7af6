#include "sentry/kernel/pidfd.h"

#include <string>
#include <utility>

#include "sentry/vfs/simple_inode.h"

namespace sentry {

PidFd::PidFd(Path path, uint32_t flags, RefPtr<ThreadGroup> group)
    : FileDescription(std::move(path), flags), group_(std::move(group)) {}

PidFd::~PidFd() = default;

RefPtr<PidFd> PidFd::Create(RefPtr<ThreadGroup> group, uint32_t flags) {
  Path path = InternalPath(InternalFs::kAnonInode, AnonInode(), "anon_inode:[pidfd]");
  return base::MakeRef<PidFd>(std::move(path), abi::kORdWr | (flags & abi::kONonBlock), std::move(group));
}

const void* PidFd::Kind() {
  static const char kKind = 0;
  return &kKind;
}

base::EventMask PidFd::Readiness(base::EventMask mask) {
  return group_->ended() ? mask & (base::kEventIn | base::kEventRdNorm) : 0;
}

std::string PidFd::FdInfo() {
  // As Linux: -1 once the process is gone.
  const std::string pid = group_->ended() ? "-1" : std::to_string(group_->tgid());
  return "Pid:\t" + pid + "\nNSpid:\t" + pid + "\n";
}

}  // namespace sentry
