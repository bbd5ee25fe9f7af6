// What a process takes for the root of the hierarchy (man 7 cgroup_namespaces). Analogous to Linux's struct
// cgroup_namespace.
#ifndef SENTRY_KERNEL_CGROUP_CGROUP_NAMESPACE_H_
#define SENTRY_KERNEL_CGROUP_CGROUP_NAMESPACE_H_

#include <utility>

#include "sentry/kernel/cgroup/cgroup.h"
#include "sentry/vfs/user_namespace.h"

namespace sentry {

class CgroupNamespace final : public Namespace {
 public:
  // A container's, or the first.
  explicit CgroupNamespace(RefPtr<Cgroup> root) : CgroupNamespace(root, root, UserNamespace::Initial(), {}) {}
  // A guest's own, made where `old` was.
  CgroupNamespace(const CgroupNamespace& old, RefPtr<Cgroup> root, RefPtr<UserNamespace> owner, NamespaceCharge charge)
      : CgroupNamespace(std::move(root), old.machine_, std::move(owner), std::move(charge)) {}

  const RefPtr<Cgroup>& root() const { return root_; }
  // Whose memory and processors are shown as the machine's: the container's, whatever guests make in it.
  const RefPtr<Cgroup>& machine() const { return machine_; }

 private:
  CgroupNamespace(RefPtr<Cgroup> root, RefPtr<Cgroup> machine, RefPtr<UserNamespace> owner, NamespaceCharge charge)
      : Namespace(NamespaceKind::kCgroup, First::kNo, std::move(owner), std::move(charge)),
        root_(std::move(root)),
        machine_(std::move(machine)) {}
  ~CgroupNamespace() override = default;

  const RefPtr<Cgroup> root_, machine_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_CGROUP_CGROUP_NAMESPACE_H_
