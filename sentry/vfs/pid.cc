#include "sentry/vfs/pid.h"

#include "sentry/vfs/user_namespace.h"

namespace sentry {

PidNamespace::PidNamespace(base::RefPtr<PidNamespace> parent, size_t max_tasks)
    : PidNamespace(std::move(parent), max_tasks, UserNamespace::Initial(), NamespaceCharge()) {}

PidNamespace::PidNamespace(base::RefPtr<PidNamespace> parent, size_t max_tasks, base::RefPtr<UserNamespace> owner,
                           NamespaceCharge charge)
    : Namespace(NamespaceKind::kPid, parent ? First::kNo : First::kYes, std::move(owner), std::move(charge)),
      parent_(std::move(parent)),
      level_(parent_ ? parent_->level_ + 1 : 0),
      max_tasks_(max_tasks) {}

bool PidNamespace::Contains(const PidNamespace& other) const {
  const PidNamespace* at = &other;
  while (at->level_ > level_) at = at->parent_.get();
  return at == this;
}

int32_t Pid::NumberIn(const PidNamespace& ns) const {
  return ns.Contains(*ns_) ? numbers_[static_cast<size_t>(ns.level())] : 0;
}

std::vector<int32_t> Pid::NumbersFrom(const PidNamespace& ns) const {
  if (!ns.Contains(*ns_)) return {};
  return std::vector<int32_t>(numbers_.begin() + ns.level(), numbers_.end());
}

}  // namespace sentry
