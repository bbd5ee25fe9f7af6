#include "sentry/kernel/pidfd.h"

#include <string>
#include <utility>

#include "sentry/kernel/task.h"
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

// As Linux: -1 once the process is gone, 0 where it is not seen.
std::string PidFd::FdInfoFor(const PidNamespace& viewer) {
  std::vector<int32_t> numbers = group_->pid().NumbersFrom(viewer);
  if (numbers.empty()) numbers = {0};
  if (!group_->leader()) numbers = {-1};
  std::string text = "Pid:\t" + std::to_string(numbers.front()) + "\nNSpid:";
  for (const int32_t number : numbers) text += "\t" + std::to_string(number);
  return text + "\n";
}

}  // namespace sentry
