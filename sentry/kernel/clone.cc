// clone, fork, vfork. Analogous to Linux's kernel/fork.c.
#include <utility>

#include "sentry/abi/sched.h"
#include "sentry/kernel/close.h"
#include "sentry/kernel/pidfd.h"
#include "sentry/kernel/task_impl.h"
#include "sentry/usermem/user_ptr.h"

namespace sentry {

using base::MutexLock;

// The rules of copy_process, in its order.
Result<void> Task::CheckCloneFlags(const CloneArgs& args) const {
  auto has = [&](uint64_t flags) { return (args.flags & flags) == flags; };
  if (has(abi::kClonePidfd | abi::kCloneParentSetTid) && args.pidfd == args.parent_tid) return Errno::kEINVAL;
  if (has(abi::kCloneNewNs | abi::kCloneFs) || has(abi::kCloneNewUser | abi::kCloneFs)) return Errno::kEINVAL;
  if (has(abi::kCloneThread) && !has(abi::kCloneSighand)) return Errno::kEINVAL;
  if (has(abi::kCloneSighand) && !has(abi::kCloneVm)) return Errno::kEINVAL;
  if (has(abi::kCloneSighand | abi::kCloneClearSighand)) return Errno::kEINVAL;
  if (has(abi::kCloneParent) && group_->is_init_.load(std::memory_order_relaxed)) return Errno::kEINVAL;
  // A thread is numbered where its group is.
  const bool elsewhere =
      (args.flags & (abi::kCloneNewUser | abi::kCloneNewPid)) != 0 || nsproxy_->pid_for_children.get() != &pid_ns();
  if (has(abi::kCloneThread) && elsewhere) return Errno::kEINVAL;
  if (has(abi::kClonePidfd) && (args.flags & (abi::kCloneDetached | abi::kCloneThread))) return Errno::kEINVAL;
  return Ok();
}

Result<void> Task::GiveMemory(const CloneArgs& args, Task& child) {
  if (args.flags & abi::kCloneVm) {
    child.mm_ = mm_;
  } else {
    child.mm_ = TRY(mm_->Fork());
  }
  arch::FpState fp;
  TRY(context_->GetFpState(fp));
  child.context_->SetFpState(fp);
  child.regs_ = regs_;
  child.regs_.rax = 0;
  child.regs_.orig_rax = UINT64_MAX;
  if (!args.stack.is_null()) child.regs_.rsp = args.stack.value;
  if (args.flags & abi::kCloneSetTls) {
    // Linux refuses it with EPERM in do_arch_prctl_64.
    if (args.tls.value >= kMaxUserAddr.value) return Errno::kEPERM;
    child.regs_.fs_base = args.tls.value;
  }
  if (args.flags & abi::kCloneChildClearTid) child.clear_child_tid = args.child_tid;
  return Ok();
}

Result<void> Task::GiveFiles(const CloneArgs& args, Task& child) {
  RefPtr<FsContext> fs = args.flags & abi::kCloneFs ? fs_ : fs_->Fork();
  constexpr uint64_t kUndoneApart = abi::kCloneNewIpc | abi::kCloneSysvSem;
  NewNamespaces fresh = TRY(CopyNamespaces(args.flags, *child.creds_, *fs));
  if ((args.flags & kUndoneApart) == kUndoneApart) return Errno::kEINVAL;
  child.mounts_ = fresh.mounts ? std::move(fresh.mounts) : mounts_;
  child.nsproxy_ = fresh.nsproxy ? std::move(fresh.nsproxy) : nsproxy_;
  child.SetFs(std::move(fs));
  child.SetFds(args.flags & abi::kCloneFiles ? fds_ : fds_->Fork());
  return Ok();
}

void Task::GiveSignalState(const CloneArgs& args, Task& child) {
  child.blocked_.store(blocked_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  const bool new_stack = (args.flags & (abi::kCloneVm | abi::kCloneVfork)) == abi::kCloneVm;
  if (!new_stack) child.altstack_ = altstack_;
  if (args.flags & abi::kCloneVfork) child.impl_->vfork_parent = RefPtr<Task>(this);
}

Result<RefPtr<Task>> Task::MakeChild(const CloneArgs& args, RefPtr<Credentials> creds) {
  RefPtr<ThreadGroup> group = group_;
  if (!(args.flags & abi::kCloneThread)) {
    RefPtr<SignalActions> actions = group_->actions();
    if (!(args.flags & abi::kCloneSighand)) actions = actions->Fork();
    // Caught signals go to the default; ignored ones stay ignored.
    if (args.flags & abi::kCloneClearSighand) actions->ResetForExec();
    group = base::MakeRef<ThreadGroup>(kernel(), std::move(actions));
    group->InheritFrom(*group_);
  }
  std::unique_ptr<platform::Context> context = TRY(kernel().platform().NewContext());
  RefPtr<Task> child = RefPtr<Task>::Adopt(new Task(std::move(group), std::move(context)));
  child->creds_ = std::move(creds);
  const bool share_io = (args.flags & abi::kCloneIo) != 0;
  TRY(child->sched().InheritFrom(sched(), share_io ? TaskSched::IoContextOf::kParents : TaskSched::IoContextOf::kOwn));
  TRY(GiveMemory(args, *child));
  TRY(GiveFiles(args, *child));
  GiveSignalState(args, *child);
  child->SetName(name());
  child->timer_slack_ns = timer_slack_ns;
  child->personality.store(personality.load(std::memory_order_relaxed), std::memory_order_relaxed);
  return child;
}

Result<int32_t> Task::InstallPidfd(const CloneArgs& args, Task& child) {
  const int32_t fd =
      TRY(fds_->Install(PidFd::Create(child.group_, 0), CloseOnExec::kYes, group_->soft_limit(RlimitKind::kNofile)));
  if (UserOut<int32_t>(args.pidfd).Write(*mm_, fd).ok()) return fd;
  (void)fds_->Remove(fd);
  return Errno::kEFAULT;
}

// From here on the child is known; EINTR: a signal came first.
Result<void> Task::Publish(const CloneArgs& args, const RefPtr<Task>& child) {
  if (args.flags & abi::kCloneThread) return kernel().pids().AddThread(child, *this);
  PidTable::NewProcess process;
  process.leader = child;
  process.ns = child->nsproxy_->pid_for_children;
  process.parent = this;
  process.sibling = (args.flags & abi::kCloneParent) != 0;
  process.exit_signal = args.exit_signal;
  return kernel().pids().AddProcess(std::move(process), this);
}

SyscallResult Task::Clone(const CloneArgs& args) {
  TRY(CheckCloneFlags(args));
  if (interrupted()) return Restart::kNoIntr;
  RefPtr<Credentials> creds = TRY(CopyCredentials(args.flags));
  const uint64_t limit = group_->soft_limit(RlimitKind::kNproc);
  const bool exempt = creds_->uid == 0 || creds_->Has(Capability::kSysResource) || creds_->Has(Capability::kSysAdmin);
  if (!exempt && limit != UINT64_MAX && kernel().pids().CountUser(creds_->uid, limit) >= limit) return Errno::kEAGAIN;

  Result<RefPtr<Task>> made = MakeChild(args, std::move(creds));
  if (!made.ok()) return made.error();
  const RefPtr<Task> child = std::move(made).value();
  int32_t pidfd = -1;
  CgroupTree& cgroups = kernel().cgroups();
  Result<void> published = cgroups.Join(child->impl_->member, &impl_->member, args.cgroup.get());
  if (published.ok() && (args.flags & abi::kClonePidfd)) {
    Result<int32_t> fd = InstallPidfd(args, *child);
    if (fd.ok()) {
      pidfd = *fd;
    } else {
      published = fd.error();
    }
  }
  if (published.ok()) published = Publish(args, child);
  if (!published.ok()) {
    if (pidfd >= 0) (void)fds_->Remove(pidfd);
    child->ReleaseUnstarted();
    if (published.error() == Errno::kEINTR) return Restart::kNoIntr;
    return published.error();
  }
  if (args.flags & abi::kCloneSysvSem) child->impl_->sem_undo = sem_undo().Share();
  // Its process may have been moved before it was known as a part of it.
  if (args.flags & abi::kCloneThread) cgroups.Follow(child->impl_->member, impl_->member);
  const int32_t tid = NumberOf(child->tid());
  // Bad addresses are no errors here: the child exists.
  if (args.flags & abi::kCloneParentSetTid) (void)UserOut<int32_t>(args.parent_tid).Write(*mm_, tid);
  if (args.flags & abi::kCloneChildSetTid) (void)UserOut<int32_t>(args.child_tid).Write(*child->mm_, child->own_tid());
  kernel().forks.fetch_add(1, std::memory_order_relaxed);
  if (Result<void> started = child->Start(); !started.ok()) {
    if (pidfd >= 0) (void)fds_->Remove(pidfd);
    child->RunAbandoned();
    return started.error();
  }
  if (args.flags & abi::kCloneVfork) {
    SetNextState(RunVforkWait{.child = child, .child_tid = tid});
    return NoReturn{};
  }
  return tid;
}

void Task::ReleaseUnstarted() {
  impl_->vfork_parent = nullptr;
  kernel().cgroups().Leave(impl_->member);
  impl_->member.ReleasePid();
  SetFds(nullptr);
  SetFs(nullptr);
}

// No host thread could be had. The child leaves by the ordinary way, on the
// caller's thread, and nobody hears of it.
void Task::RunAbandoned() {
  if (is_leader()) kernel().pids().Abandon(*group_);
  {
    MutexLock lock(group_->signal_mu());
    impl_->killed.store(true, std::memory_order_seq_cst);
    interrupted_.store(true, std::memory_order_seq_cst);
  }
  Run();
}

}  // namespace sentry
