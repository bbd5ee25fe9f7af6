// New namespaces, and leaving shared state behind. Analogous to Linux's
// kernel/nsproxy.c, user_namespace.c and fork.c's unshare.
#include <utility>

#include "sentry/abi/sched.h"
#include "sentry/kernel/task_impl.h"

namespace sentry {

namespace {

using Creds = const Credentials&;

Result<NamespaceCharge> Charge(Creds creds, NamespaceKind kind) { return creds.user_ns->Charge(creds.euid, kind); }

Result<RefPtr<MountNamespace>> NewMounts(const MountNamespace& old, Creds creds, FsContext& fs) {
  NamespaceCharge charge = TRY(Charge(creds, NamespaceKind::kMnt));
  Path root = fs.root(), cwd = fs.cwd();
  Path* places[] = {&root, &cwd};
  RefPtr<MountNamespace> fresh = old.Clone(places, creds.user_ns, std::move(charge));
  fs.SetRoot(std::move(root));
  fs.SetCwd(std::move(cwd));
  return fresh;
}

// Linux's copy_pid_ns.
Result<RefPtr<PidNamespace>> NewPids(const Task& task, Creds creds) {
  const RefPtr<PidNamespace>& old = task.nsproxy().pid_for_children;
  // Only one step from where oneself is.
  if (old.get() != &task.pid_ns()) return Errno::kEINVAL;
  if (!old->owner()->Contains(*creds.user_ns)) return Errno::kEINVAL;
  if (old->level() >= PidNamespace::kMaxLevel) return Errno::kENOSPC;
  NamespaceCharge charge = TRY(Charge(creds, NamespaceKind::kPid));
  return base::MakeRef<PidNamespace>(old, SIZE_MAX, creds.user_ns, std::move(charge));
}

}  // namespace

Result<RefPtr<Credentials>> Task::CopyCredentials(uint64_t flags) const {
  if ((flags & abi::kCloneNewUser) == 0) return creds_;
  if (creds_->user_ns->level() > UserNamespace::kMaxLevel) return Errno::kENOSPC;
  // Out of a chroot nobody is to find a way by capabilities (Linux's current_chrooted).
  const bool chrooted = fs_->root() != mounts_->root();
  RefPtr<UserNamespace> fresh = TRY(UserNamespace::Create(*creds_));
  if (chrooted) return Errno::kEPERM;
  RefPtr<Credentials> creds = base::MakeRef<Credentials>(*creds_);
  creds->EnterUserNamespace(std::move(fresh));
  return creds;
}

Result<Task::NewNamespaces> Task::CopyNamespaces(uint64_t flags, const Credentials& creds, FsContext& fs) const {
  flags &= abi::kCloneNamespaces & ~abi::kCloneNewUser;
  NewNamespaces out;
  if (flags == 0) return out;
  if (!creds.HasHere(Capability::kSysAdmin)) return Errno::kEPERM;
  constexpr uint64_t kKinds =
      abi::kCloneNewNs | abi::kCloneNewUts | abi::kCloneNewIpc | abi::kCloneNewPid | abi::kCloneNewCgroup;
  if (flags & ~kKinds) return Errno::kEINVAL;
  if (flags & abi::kCloneNewNs) out.mounts = TRY(NewMounts(*mounts_, creds, fs));
  RefPtr<Nsproxy> fresh = nsproxy_->Copy();
  if (flags & abi::kCloneNewUts) {
    NamespaceCharge charge = TRY(Charge(creds, NamespaceKind::kUts));
    fresh->uts = base::MakeRef<UtsNamespace>(nsproxy_->uts->name(), creds.user_ns, std::move(charge));
  }
  if (flags & abi::kCloneNewIpc) {
    NamespaceCharge charge = TRY(Charge(creds, NamespaceKind::kIpc));
    fresh->ipc = base::MakeRef<IpcNamespace>(creds.user_ns, std::move(charge));
  }
  if (flags & abi::kCloneNewPid) fresh->pid_for_children = TRY(NewPids(*this, creds));
  if (flags & abi::kCloneNewCgroup) {
    NamespaceCharge charge = TRY(Charge(creds, NamespaceKind::kCgroup));
    // Where the caller is, whatever group the child is for.
    fresh->cgroup =
        base::MakeRef<CgroupNamespace>(*nsproxy_->cgroup, cgroup_member().cgroup(), creds.user_ns, std::move(charge));
  }
  out.nsproxy = std::move(fresh);
  return out;
}

Result<void> Task::Unshare(uint64_t flags) {
  constexpr uint64_t kAlone = abi::kCloneThread | abi::kCloneSighand | abi::kCloneVm;
  constexpr uint64_t kKnown = kAlone | abi::kCloneFs | abi::kCloneFiles | abi::kCloneSysvSem | abi::kCloneNamespaces;
  if (flags & abi::kCloneNewUser) flags |= abi::kCloneThread | abi::kCloneFs;
  if (flags & abi::kCloneNewNs) flags |= abi::kCloneFs;
  if (flags & ~kKnown) return Errno::kEINVAL;
  if ((flags & kAlone) && group_->tasks().size() != 1) return Errno::kEINVAL;
  // All that can fail comes first.
  RefPtr<FsContext> fs = flags & abi::kCloneFs ? fs_->Fork() : fs_;
  RefPtr<Credentials> creds = TRY(CopyCredentials(flags));
  NewNamespaces fresh = TRY(CopyNamespaces(flags, *creds, *fs));
  if (flags & (abi::kCloneNewIpc | abi::kCloneSysvSem)) LeaveSemUndo();
  if (flags & abi::kCloneNewIpc) LeaveSharedMemory();
  if (fs != fs_) SetFs(std::move(fs));
  if (flags & abi::kCloneFiles) SetFds(fds_->Fork());
  if (creds != creds_) CommitCreds(std::move(creds));
  if (fresh.mounts) SetMounts(std::move(fresh.mounts));
  if (fresh.nsproxy) SetNsproxy(std::move(fresh.nsproxy));
  return Ok();
}

// --- Credentials ---------------------------------------------------------------

namespace {

// Linux's cred_cap_issubset. Who makes a user namespace has had all of it before.
bool HasAllOf(Creds old, Creds fresh) {
  if (old.user_ns == fresh.user_ns) return old.permitted.Contains(fresh.permitted);
  for (const UserNamespace* ns = fresh.user_ns.get(); !ns->is_initial(); ns = ns->parent().get()) {
    if (ns->parent() == old.user_ns && ns->owner_uid() == old.euid) return true;
  }
  return false;
}

}  // namespace

void Task::CommitCreds(RefPtr<Credentials> creds) {
  const Credentials& old = *creds_;
  const bool same = old.euid == creds->euid && old.egid == creds->egid && old.fsuid == creds->fsuid &&
                    old.fsgid == creds->fsgid && HasAllOf(old, *creds);
  if (!same) {
    mm_->dumpable.store(0, std::memory_order_relaxed);
    parent_death_signal.store(0, std::memory_order_relaxed);
  }
  SetCreds(std::move(creds));
}

// --- What others ask -----------------------------------------------------------

RefPtr<Namespace> Task::NamespaceOf(NamespaceKind kind) const {
  const RefPtr<Nsproxy> nsproxy = SharedNsproxy();
  if (!nsproxy) return nullptr;
  switch (kind) {
    case NamespaceKind::kUts:
      return nsproxy->uts;
    case NamespaceKind::kIpc:
      return nsproxy->ipc;
    case NamespaceKind::kNet:
      return nsproxy->net;
    case NamespaceKind::kCgroup:
      return nsproxy->cgroup;
    case NamespaceKind::kPid:
      return RefPtr<PidNamespace>(&pid_ns());
    case NamespaceKind::kMnt:
      return mounts();
    case NamespaceKind::kUser:
      if (const RefPtr<Credentials> creds = SharedCreds()) return creds->user_ns;
      return nullptr;
    case NamespaceKind::kTime:
      return nullptr;
  }
  return nullptr;
}

bool Task::MayTrace(const Task& target, TraceIds ids) const {
  if (target.group_ == group_) return true;
  const RefPtr<Credentials> theirs = target.SharedCreds();
  if (!theirs) return false;
  const RefPtr<MemoryManager> mm = target.SharedMm();
  const RefPtr<UserNamespace> memory_ns = target.group_->memory_ns();
  const bool dumpable = !mm || mm->dumpable.load(std::memory_order_relaxed) == 1;
  return sentry::MayTrace(*creds_, ids, {.creds = *theirs, .dumpable = dumpable, .memory_ns = *memory_ns});
}

}  // namespace sentry
