// The end of processes: who adopts their children, who is told, when the number
// is free again. Analogous to Linux's kernel/exit.c.
#include <algorithm>
#include <utility>

#include "sentry/kernel/pid_table.h"
#include "sentry/kernel/task_impl.h"
#include "sentry/kernel/time/posix_timers.h"

namespace sentry {

using base::MutexLock;

namespace {

int64_t ToTicks(int64_t ns) { return ns / (kNsPerSec / abi::kUserHz); }

// A user as a process of another sees it.
uint32_t ShownUid(const ThreadGroup& viewer, uint32_t uid) {
  const RefPtr<Task> leader = viewer.leader();
  const RefPtr<Credentials> creds = leader ? leader->SharedCreds() : nullptr;
  return creds ? creds->user_ns->ShownUid(uid) : uid;
}

SigInfo KernelSignal(int signo) { return {.signo = signo, .code = abi::kSiKernel}; }

}  // namespace

void PidTable::RemoveThread(Task& task) {
  RefPtr<Task> gone;
  MutexLock lock(mu_);
  const int32_t tid = task.tid();
  if (Entry* entry = FindLocked(tid)) gone = std::move(entry->task);
  DropIfEmptyLocked(tid);
  UncountTaskLocked(task.group().pid());
}

void PidTable::Abandon(ThreadGroup& group) {
  MutexLock lock(mu_);
  const RefPtr<ThreadGroup> keep(&group);
  if (ThreadGroup* parent = group.family_->parent) std::erase(parent->family_->children, keep);
  group.family_->parent = nullptr;
}

void PidTable::TakeLeadership(Task& task) {
  RefPtr<Task> old;
  MutexLock lock(mu_);
  ThreadGroup& group = task.group();
  const int32_t tgid = group.tgid();
  const int32_t tid = task.tid();
  Entry* leader = FindLocked(tgid);
  old = std::exchange(leader->task, RefPtr<Task>(&task));
  old->impl_->member.ReleasePid();
  {
    MutexLock signal_lock(group.signal_mu());
    std::erase_if(group.tasks_, [&](const RefPtr<Task>& t) { return t == old; });
    group.FoldTimes(old->cpu_times());
    const RefPtr<Pid> pid = task.pid_;
    NumberTaskLocked(task, old->pid_);
    NumberTaskLocked(*old, pid);
  }
  if (Entry* entry = FindLocked(tid)) entry->task = nullptr;
  DropIfEmptyLocked(tid);
  UncountTaskLocked(group.pid());
}

ThreadGroup* PidTable::ReaperLocked(const ThreadGroup& dying) const {
  auto lives = [](ThreadGroup& group) {
    MutexLock lock(group.signal_mu());
    return group.AnyLiveTaskLocked() != nullptr;
  };
  // Subreapers count within the namespace alone, of which an ancestor can be outside.
  const int level = dying.pid_ns().level();
  for (ThreadGroup* up = dying.family_->parent; up && up->pid_ns().level() == level; up = up->family_->parent) {
    if (up->child_subreaper.load(std::memory_order_relaxed) && lives(*up)) return up;
  }
  ThreadGroup* const init = dying.pid_ns().init_;
  return init && init != &dying && lives(*init) ? init : nullptr;
}

void PidTable::ForgetChildrenOf(Task& task) {
  ThreadGroup& group = task.group();
  std::vector<RefPtr<ThreadGroup>> freed;
  MutexLock lock(mu_);
  RefPtr<Task> sibling;
  {
    MutexLock signal_lock(group.signal_mu());
    sibling = RefPtr<Task>(group.AnyLiveTaskLocked());
  }
  ThreadGroup* const reaper = sibling ? &group : ReaperLocked(group);
  RefPtr<Task> reaper_task = sibling;
  if (!sibling && reaper) {
    MutexLock signal_lock(reaper->signal_mu());
    reaper_task = RefPtr<Task>(reaper->AnyLiveTaskLocked());
  }
  std::vector<RefPtr<ThreadGroup>> orphans;
  for (const RefPtr<ThreadGroup>& child : group.family_->children) {
    // With other threads living only this one's children move, to one of them.
    if (!sibling || child->family_->parent_task == &task) orphans.push_back(child);
  }
  for (RefPtr<ThreadGroup>& child : orphans) {
    const bool direct = child->family_->parent_task == &task;
    child->family_->parent_task = reaper_task.get();
    if (direct) SendDeathSignalLocked(*child, group);
    if (sibling) continue;
    std::erase(group.family_->children, child);
    child->family_->parent = nullptr;
    child->family_->exit_signal = abi::kSigChld;
    if (reaper) AdoptLocked(*reaper, reaper_task.get(), child);
    for (const RefPtr<Task>& task : child->tasks()) task->context().ForgetAnswers();
    if (child->family_->zombie && NotifyParentLocked(*child)) freed.push_back(ReleaseLocked(*child));
    // The dying parent was perhaps the child's group's tie to its session.
    KillOrphanedLocked(*child, &group);
  }
}

// PR_SET_PDEATHSIG of each thread of the child.
void PidTable::SendDeathSignalLocked(ThreadGroup& child, const ThreadGroup& parent) {
  for (const RefPtr<Task>& task : child.tasks()) {
    const int32_t signo = task->parent_death_signal.load(std::memory_order_relaxed);
    if (signo == 0) continue;
    SigInfo info = {.signo = signo, .code = abi::kSiUser};
    info.u.kill.pid = parent.pid().NumberIn(child.pid_ns());
    (void)child.SendSignal(info);
  }
}

// --- Orphaned process groups ---------------------------------------------------

bool PidTable::OrphanedLocked(const ProcessGroup& pg, const ThreadGroup* ignored) const {
  for (const ThreadGroup* member : pg.members) {
    if (member == ignored || member->family_->zombie) continue;
    const ThreadGroup* parent = member->family_->parent;
    if (!parent || !parent->family_->process_group) continue;
    const ProcessGroup& theirs = *parent->family_->process_group;
    if (theirs.id != pg.id && theirs.session == pg.session) return false;
  }
  return true;
}

bool PidTable::Orphaned(const ThreadGroup& group) const {
  MutexLock lock(mu_);
  return !group.family_->process_group || OrphanedLocked(*group.family_->process_group, nullptr);
}

bool PidTable::HasStoppedLocked(const ProcessGroup& pg) const {
  return std::any_of(pg.members.begin(), pg.members.end(), [](ThreadGroup* member) {
    MutexLock lock(member->signal_mu());
    return member->exit_->stop_complete;
  });
}

// Linux's kill_orphaned_pgrp. `parent` null: `group` itself ends; else `group`
// lives and loses its parent.
void PidTable::KillOrphanedLocked(ThreadGroup& group, ThreadGroup* parent) {
  const RefPtr<ProcessGroup> pg = group.family_->process_group;
  const ThreadGroup* ignored = parent ? nullptr : &group;
  if (!parent) parent = group.family_->parent;
  if (!pg || !parent || !parent->family_->process_group) return;
  const ProcessGroup& theirs = *parent->family_->process_group;
  if (theirs.id == pg->id || theirs.session != pg->session) return;
  if (!OrphanedLocked(*pg, ignored) || !HasStoppedLocked(*pg)) return;
  for (int signo : {abi::kSigHup, abi::kSigCont}) {
    for (ThreadGroup* member : pg->members) (void)member->SendSignal(KernelSignal(signo));
  }
}

// --- Telling the parent ----------------------------------------------------------

bool PidTable::NotifyParentLocked(ThreadGroup& group) {
  ThreadGroup* const parent = group.family_->parent;
  // An init that leaves waits for nobody by name.
  if (!parent || (parent->pid_ns().dying_ && parent->pid_ns().init_ == parent)) return true;
  const ExitStatus status = group.exit_status();
  const int signo = group.family_->exit_signal;
  bool free_at_once = false;
  bool send = signo > 0 && signo <= abi::kSigMax;
  if (signo == abi::kSigChld) {
    const abi::SigAction action = parent->actions()->Get(signo);
    if (action.handler == abi::kSigIgn || (action.flags & abi::kSaNoCldWait)) free_at_once = true;
    if (action.handler == abi::kSigIgn) send = false;
  }
  if (send) {
    const Task::WaitOutcome told = DescribeLocked(group);
    SigInfo info = {.signo = signo};
    info.code = status.signo == 0 ? abi::kCldExited : status.core ? abi::kCldDumped : abi::kCldKilled;
    info.u.child.pid = told.pid;
    info.u.child.uid = ShownUid(*parent, told.uid);
    info.u.child.status = status.signo ? status.signo : status.code;
    info.u.child.utime = ToTicks(told.times.user_ns);
    info.u.child.stime = ToTicks(told.times.system_ns);
    (void)parent->SendSignal(info);
  }
  parent->child_events().Notify(ThreadGroup::kChildEvent);
  return free_at_once;
}

// --- The end of a namespace ------------------------------------------------------

void PidTable::EndNamespace(ThreadGroup& init) {
  MutexLock lock(mu_);
  PidNamespace& ns = init.pid_ns();
  ns.dying_ = true;
  for (const RefPtr<ThreadGroup>& group : GroupsLocked(ns)) {
    if (group.get() != &init) group->Exit({.signo = abi::kSigKill});
  }
}

bool PidTable::NamespaceEmpty(ThreadGroup& init, Task& waiter) {
  std::vector<RefPtr<ThreadGroup>> freed;
  MutexLock lock(mu_);
  PidNamespace& ns = init.pid_ns();
  const std::vector<RefPtr<ThreadGroup>> children = init.family_->children;
  for (const RefPtr<ThreadGroup>& child : children) {
    if (child->family_->zombie) freed.push_back(ReleaseLocked(*child));
  }
  const bool empty = ns.processes_ == 1;
  ns.zapper_ = empty ? nullptr : &waiter;
  return empty;
}

void PidTable::ProcessEnded(ThreadGroup& group) {
  RefPtr<ThreadGroup> freed;
  {
    MutexLock lock(mu_);
    KillOrphanedLocked(group, nullptr);
    group.family_->zombie = true;
    if (NotifyParentLocked(group)) freed = ReleaseLocked(group);
    group.ended_.store(true, std::memory_order_seq_cst);
    ended_.SignalAll();
  }
  group.child_events().Notify(ThreadGroup::kOwnEnd);
}

RefPtr<ThreadGroup> PidTable::ReleaseLocked(ThreadGroup& group) {
  RefPtr<ThreadGroup> keep(&group);
  const int32_t id = group.tgid();
  if (ThreadGroup* parent = group.family_->parent) std::erase(parent->family_->children, keep);
  group.family_->parent = nullptr;
  group.family_->parent_task = nullptr;
  group.family_->reaped = true;
  LeaveProcessGroupLocked(group);
  if (Entry* entry = FindLocked(id)) {
    if (entry->task) UncountTaskLocked(group.pid());
    entry->task = nullptr;
    entry->group = nullptr;
  }
  if (group.pid_ns().init_ == &group) group.pid_ns().init_ = nullptr;
  UncountProcessLocked(group.pid());
  DropIfEmptyLocked(id);
  // Ends the circle of group and leader.
  std::vector<RefPtr<Task>> tasks;
  MutexLock signal_lock(group.signal_mu());
  for (const RefPtr<Task>& task : group.tasks_) {
    group.FoldTimes(task->cpu_times());
    task->impl_->member.ReleasePid();
  }
  tasks.swap(group.tasks_);
  return keep;
}

// --- Stops -------------------------------------------------------------------

void PidTable::NotifyStopLocked(ThreadGroup& group, int32_t code, int32_t status) {
  ThreadGroup* const parent = group.family_->parent;
  if (!parent) return;
  const abi::SigAction action = parent->actions()->Get(abi::kSigChld);
  if (action.handler != abi::kSigIgn && !(action.flags & abi::kSaNoCldStop)) {
    const Task::WaitOutcome told = DescribeLocked(group);
    SigInfo info = {.signo = abi::kSigChld, .code = code};
    info.u.child.pid = told.pid;
    info.u.child.uid = ShownUid(*parent, told.uid);
    info.u.child.status = status;
    info.u.child.utime = ToTicks(told.times.user_ns);
    info.u.child.stime = ToTicks(told.times.system_ns);
    (void)parent->SendSignal(info);
  }
  parent->child_events().Notify(ThreadGroup::kChildEvent);
}

void PidTable::ReportStop(ThreadGroup& group, int32_t signo) {
  MutexLock lock(mu_);
  group.family_->stop_report = signo;
  group.family_->continue_report = false;
  NotifyStopLocked(group, abi::kCldStopped, signo);
}

void PidTable::ReportContinue(ThreadGroup& group) {
  MutexLock lock(mu_);
  group.family_->stop_report = 0;
  group.family_->continue_report = true;
  NotifyStopLocked(group, abi::kCldContinued, abi::kSigCont);
}

}  // namespace sentry
