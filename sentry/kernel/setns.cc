// Into namespaces that are there already. Analogous to Linux's setns and the
// install operations of each kind.
#include <algorithm>
#include <utility>

#include "sentry/abi/sched.h"
#include "sentry/kernel/task_impl.h"

namespace sentry {

// What is settled so far; committed as a whole (Linux's struct nsset).
struct Task::NsSet {
  RefPtr<Credentials> creds;
  RefPtr<Nsproxy> nsproxy;
  RefPtr<MountNamespace> mounts;  // null: stays
};

namespace {

constexpr Capability kAdmin = Capability::kSysAdmin;

// `then`: the user namespace that the caller will be in.
bool MayEnter(const Credentials& own, const UserNamespace& then, const Namespace& ns) {
  return own.HasIn(*ns.owner(), kAdmin) && own.HasIn(then, kAdmin);
}

// Only where one is, or below it.
Result<void> EnterPids(const PidNamespace& own, PidNamespace& ns, Nsproxy& nsproxy) {
  if (!own.Contains(ns)) return Errno::kEINVAL;
  nsproxy.pid_for_children = RefPtr<PidNamespace>(&ns);
  return Ok();
}

}  // namespace

Result<void> Task::Install(NsSet& set, Namespace& ns) const {
  const UserNamespace& then = *set.creds->user_ns;
  switch (ns.kind()) {
    case NamespaceKind::kUser: {
      auto& user_ns = static_cast<UserNamespace&>(ns);
      if (&user_ns == creds_->user_ns.get()) return Errno::kEINVAL;
      if (group_->tasks().size() != 1 || fs_->users() != 1) return Errno::kEINVAL;
      if (!creds_->HasIn(user_ns, kAdmin)) return Errno::kEPERM;
      set.creds = base::MakeRef<Credentials>(*creds_);
      set.creds->EnterUserNamespace(RefPtr<UserNamespace>(&user_ns));
      return Ok();
    }
    case NamespaceKind::kMnt:
      if (!MayEnter(*creds_, then, ns) || !creds_->HasIn(then, Capability::kSysChroot)) return Errno::kEPERM;
      if (fs_->users() != 1) return Errno::kEINVAL;
      set.mounts = RefPtr<MountNamespace>(&static_cast<MountNamespace&>(ns));
      return Ok();
    case NamespaceKind::kUts:
      if (!MayEnter(*creds_, then, ns)) return Errno::kEPERM;
      set.nsproxy->uts = RefPtr<UtsNamespace>(&static_cast<UtsNamespace&>(ns));
      return Ok();
    case NamespaceKind::kIpc:
      if (!MayEnter(*creds_, then, ns)) return Errno::kEPERM;
      set.nsproxy->ipc = RefPtr<IpcNamespace>(&static_cast<IpcNamespace&>(ns));
      return Ok();
    case NamespaceKind::kPid:
      if (!MayEnter(*creds_, then, ns)) return Errno::kEPERM;
      return EnterPids(pid_ns(), static_cast<PidNamespace&>(ns), *set.nsproxy);
    case NamespaceKind::kNet:
      if (!MayEnter(*creds_, then, ns)) return Errno::kEPERM;
      set.nsproxy->net = RefPtr<NetNamespace>(&static_cast<NetNamespace&>(ns));
      return Ok();
    case NamespaceKind::kCgroup:
      if (!MayEnter(*creds_, then, ns)) return Errno::kEPERM;
      set.nsproxy->cgroup = RefPtr<CgroupNamespace>(&static_cast<CgroupNamespace&>(ns));
      return Ok();
    case NamespaceKind::kTime:
      return Errno::kEINVAL;
  }
  return Errno::kEINVAL;
}

Result<void> Task::Setns(std::span<const RefPtr<Namespace>> targets) {
  NsSet set{.creds = creds_, .nsproxy = nsproxy_->Copy(), .mounts = nullptr};
  for (const RefPtr<Namespace>& ns : targets) TRY(Install(set, *ns));
  if (set.creds != creds_) CommitCreds(std::move(set.creds));
  if (set.mounts) {
    const Path root = set.mounts->root();
    SetMounts(std::move(set.mounts));
    fs_->SetRoot(root);
    fs_->SetCwd(root);
  }
  const auto is_ipc = [](const RefPtr<Namespace>& ns) { return ns->kind() == NamespaceKind::kIpc; };
  if (std::any_of(targets.begin(), targets.end(), is_ipc)) LeaveSemUndo();
  SetNsproxy(std::move(set.nsproxy));
  return Ok();
}

}  // namespace sentry
