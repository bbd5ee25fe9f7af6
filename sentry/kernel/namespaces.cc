// New namespaces, and leaving shared state behind. Analogous to Linux's
// kernel/nsproxy.c, pid_namespace.c and fork.c's unshare.
#include <utility>

#include "sentry/abi/sched.h"
#include "sentry/kernel/task_impl.h"

namespace sentry {

namespace {

// Linux's copy_pid_ns.
Result<RefPtr<PidNamespace>> NewPidNamespace(const Task& task) {
  const RefPtr<PidNamespace>& old = task.nsproxy().pid_for_children;
  // Only one step from where oneself is.
  if (old.get() != &task.pid_ns()) return Errno::kEINVAL;
  if (old->level() >= PidNamespace::kMaxLevel) return Errno::kENOSPC;
  return base::MakeRef<PidNamespace>(old, SIZE_MAX);
}

}  // namespace

Result<RefPtr<Nsproxy>> Task::CopyNamespaces(uint64_t flags) const {
  if ((flags & abi::kCloneNamespaces) == 0) return nsproxy_;
  if (!creds_->Has(Capability::kSysAdmin)) return Errno::kEPERM;
  constexpr uint64_t kKinds = abi::kCloneNewNs | abi::kCloneNewPid;
  if (flags & abi::kCloneNamespaces & ~kKinds) return Errno::kEINVAL;
  if ((flags & abi::kCloneNewPid) == 0) return nsproxy_;
  RefPtr<Nsproxy> fresh = base::MakeRef<Nsproxy>();
  fresh->pid_for_children = TRY(NewPidNamespace(*this));
  return fresh;
}

Result<void> Task::Unshare(uint64_t flags) {
  constexpr uint64_t kAlone = abi::kCloneThread | abi::kCloneSighand | abi::kCloneVm;
  constexpr uint64_t kKnown = kAlone | abi::kCloneFs | abi::kCloneFiles | abi::kCloneSysvSem | abi::kCloneNamespaces;
  if (flags & abi::kCloneNewUser) flags |= abi::kCloneThread | abi::kCloneFs;
  if (flags & abi::kCloneNewNs) flags |= abi::kCloneFs;
  if (flags & ~kKnown) return Errno::kEINVAL;
  if ((flags & kAlone) && group_->tasks().size() != 1) return Errno::kEINVAL;
  RefPtr<Nsproxy> fresh = TRY(CopyNamespaces(flags));
  if (flags & abi::kCloneFs) SetFs(fs_->Fork());
  if (flags & abi::kCloneFiles) SetFds(fds_->Fork());
  if (flags & abi::kCloneNewNs) {
    Path root = fs_->root(), cwd = fs_->cwd();
    Path* paths[] = {&root, &cwd};
    SetMounts(mounts_->Clone(paths));
    fs_->SetRoot(std::move(root));
    fs_->SetCwd(std::move(cwd));
  }
  SetNsproxy(std::move(fresh));
  return Ok();
}

}  // namespace sentry
