// Births, process groups and sessions. pid_numbers.cc has numbers and look-ups,
// pid_family.cc the end of processes, pid_wait.cc what a waiting parent is told.
#include "sentry/kernel/pid_table.h"

#include <algorithm>
#include <utility>

#include "sentry/kernel/task_impl.h"

namespace sentry {

using base::MutexLock;

PidTable::Entry* PidTable::FindLocked(int32_t id) {
  auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second;
}
const PidTable::Entry* PidTable::FindLocked(int32_t id) const {
  auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second;
}

// --- Process groups ----------------------------------------------------------

RefPtr<ProcessGroup> PidTable::NewProcessGroupLocked(RefPtr<Pid> pid, RefPtr<Session> session) {
  const int32_t id = pid->id();
  RefPtr<ProcessGroup> pg = base::MakeRef<ProcessGroup>(std::move(pid), session);
  entries_[id].process_group = pg.get();
  if (session->process_groups++ == 0) entries_[session->id].session = session.get();
  return pg;
}

void PidTable::LeaveProcessGroupLocked(ThreadGroup& group) {
  RefPtr<ProcessGroup> pg = std::move(group.family_->process_group);
  if (!pg) return;
  std::erase(pg->members, &group);
  if (!pg->members.empty()) return;
  if (Entry* entry = FindLocked(pg->id)) entry->process_group = nullptr;
  DropIfEmptyLocked(pg->id);
  Session& session = *pg->session;
  if (--session.process_groups > 0) return;
  if (Entry* entry = FindLocked(session.id)) entry->session = nullptr;
  DropIfEmptyLocked(session.id);
}

void PidTable::JoinLocked(ThreadGroup& group, RefPtr<ProcessGroup> pg) {
  pg->members.push_back(&group);
  LeaveProcessGroupLocked(group);
  group.family_->process_group = std::move(pg);
}

// --- Birth -------------------------------------------------------------------

void PidTable::AdoptLocked(ThreadGroup& parent, const Task* parent_task, RefPtr<ThreadGroup> child) {
  child->family_->parent = &parent;
  child->family_->parent_task = parent_task;
  parent.family_->children.push_back(std::move(child));
}

void PidTable::NumberTaskLocked(Task& task, RefPtr<Pid> pid) {
  task.tid_.store(pid->id(), std::memory_order_relaxed);
  task.own_tid_.store(pid->own_number(), std::memory_order_relaxed);
  task.pid_ = std::move(pid);
}

Result<void> PidTable::AddProcess(NewProcess process, Task* cloner) {
  ThreadGroup& group = process.leader->group();
  MutexLock lock(mu_);
  const RefPtr<Pid> pid = TRY(AllocateLocked(process.ns));
  if (cloner) {
    MutexLock signal_lock(cloner->group_->signal_mu_);
    // Linux restarts a clone that a signal overtook, so that the signal goes to
    // the process as it was: a Ctrl-C hits parent and child, or the parent alone.
    if (cloner->RecalculateInterruptedLocked()) return Errno::kEINTR;
    process.leader->InheritSeccompLocked(*cloner);
  }
  NumberTaskLocked(*process.leader, pid);
  group.pid_ = pid;
  group.tgid_ = pid->id();
  Entry& entry = PublishLocked(pid);
  if (pid->own_number() == 1) {
    process.ns->init_ = &group;
    group.is_init_.store(true, std::memory_order_relaxed);
    group.unkillable_.store(process.unkillable_as_init, std::memory_order_relaxed);
  }
  if (process.new_session) {
    RefPtr<Session> session = base::MakeRef<Session>(pid);
    session->terminal = std::move(process.terminal);
    JoinLocked(group, NewProcessGroupLocked(pid, std::move(session)));
  } else {
    JoinLocked(group, process.parent->group().family_->process_group);
  }
  group.family_->exit_signal = process.exit_signal;
  if (process.sibling) {
    const ThreadGroup::Family& family = *process.parent->group().family_;
    group.family_->exit_signal = family.exit_signal;
    if (family.parent) AdoptLocked(*family.parent, family.parent_task, RefPtr<ThreadGroup>(&group));
  } else if (process.parent) {
    AdoptLocked(process.parent->group(), process.parent, RefPtr<ThreadGroup>(&group));
  }
  {
    MutexLock signal_lock(group.signal_mu());
    group.AddTask(process.leader);
  }
  entry.group = RefPtr<ThreadGroup>(&group);
  entry.task = std::move(process.leader);
  for (PidNamespace* ns = &pid->ns(); ns; ns = ns->parent_.get()) ++ns->tasks_, ++ns->processes_;
  return Ok();
}

Result<void> PidTable::AddThread(RefPtr<Task> task, Task& cloner) {
  MutexLock lock(mu_);
  RefPtr<Pid> pid = TRY(AllocateLocked(RefPtr<PidNamespace>(&cloner.pid_ns())));
  NumberTaskLocked(*task, pid);
  {
    MutexLock signal_lock(cloner.group_->signal_mu_);
    if (cloner.RecalculateInterruptedLocked()) return Errno::kEINTR;
    task->InheritSeccompLocked(cloner);
    cloner.group_->AddTask(task);
  }
  for (PidNamespace* ns = &pid->ns(); ns; ns = ns->parent_.get()) ++ns->tasks_;
  PublishLocked(std::move(pid)).task = std::move(task);
  return Ok();
}

// --- Family and groups -------------------------------------------------------

std::vector<RefPtr<ThreadGroup>> PidTable::GroupMembers(int32_t pgid) const {
  std::vector<RefPtr<ThreadGroup>> members;
  MutexLock lock(mu_);
  const Entry* entry = FindLocked(pgid);
  if (!entry || !entry->process_group) return members;
  for (ThreadGroup* member : entry->process_group->members) members.emplace_back(member);
  return members;
}

size_t PidTable::CountUser(uint32_t uid, size_t limit) const {
  MutexLock lock(mu_);
  if (root_->tasks_ < limit) return root_->tasks_;  // even if all are this user's
  size_t count = 0;
  for (const auto& [id, entry] : entries_) {
    if (!entry.task) continue;
    const RefPtr<Credentials> creds = entry.task->SharedCreds();
    if (creds && creds->uid == uid) ++count;
  }
  return count;
}

int32_t PidTable::ppid(const ThreadGroup& group, const PidNamespace& ns) const {
  MutexLock lock(mu_);
  return group.family_->parent ? group.family_->parent->pid().NumberIn(ns) : 0;
}

RefPtr<ThreadGroup> PidTable::parent(const ThreadGroup& group) const {
  MutexLock lock(mu_);
  return RefPtr<ThreadGroup>(group.family_->parent);
}

std::vector<RefPtr<ThreadGroup>> PidTable::children(const ThreadGroup& group) const {
  MutexLock lock(mu_);
  return group.family_->children;
}

int32_t PidTable::exit_signal(const ThreadGroup& group) const {
  MutexLock lock(mu_);
  return group.family_->exit_signal;
}

// A process that was just reaped is in no group: 0, as a foreign namespace's.
int32_t PidTable::process_group(const ThreadGroup& group) const {
  MutexLock lock(mu_);
  return group.family_->process_group ? group.family_->process_group->id : 0;
}

int32_t PidTable::session(const ThreadGroup& group) const {
  MutexLock lock(mu_);
  return group.family_->process_group ? group.family_->process_group->session->id : 0;
}

// --- Job control -------------------------------------------------------------

Result<void> PidTable::SetProcessGroup(Task& caller, int32_t number, int32_t pgid_number) {
  ThreadGroup& self = caller.group();
  const PidNamespace& ns = self.pid_ns();
  if (number == 0) number = self.pid().own_number();
  if (pgid_number == 0) pgid_number = number;
  if (pgid_number < 0) return Errno::kEINVAL;
  MutexLock lock(mu_);
  Entry* entry = FindLocked(IdOfLocked(number, ns));
  if (!entry || !entry->task) return Errno::kESRCH;
  if (!entry->group) return Errno::kEINVAL;  // a thread, not a process
  ThreadGroup& group = *entry->group;
  if (!group.family_->process_group) return Errno::kESRCH;
  const RefPtr<Session> session = self.family_->process_group->session;
  if (group.family_->parent == &self) {
    if (group.family_->process_group->session != session) return Errno::kEPERM;
    if (group.executed_since_fork.load(std::memory_order_relaxed)) return Errno::kEACCES;
  } else if (&group != &self) {
    return Errno::kESRCH;
  }
  if (group.family_->process_group->session->id == group.tgid()) return Errno::kEPERM;  // session leader
  Entry* target = FindLocked(IdOfLocked(pgid_number, ns));
  RefPtr<ProcessGroup> pg(target ? target->process_group : nullptr);
  if (pg && group.family_->process_group == pg) return Ok();
  if (!pg && pgid_number == number) pg = NewProcessGroupLocked(RefPtr<Pid>(&group.pid()), session);
  if (!pg || pg->session != session) return Errno::kEPERM;
  JoinLocked(group, std::move(pg));
  return Ok();
}

Result<int32_t> PidTable::CreateSession(Task& caller) {
  ThreadGroup& group = caller.group();
  const RefPtr<Pid> pid(&group.pid());
  MutexLock lock(mu_);
  const Entry* entry = FindLocked(pid->id());
  if (!entry || entry->process_group || entry->session) return Errno::kEPERM;
  JoinLocked(group, NewProcessGroupLocked(pid, base::MakeRef<Session>(pid)));
  return pid->own_number();
}

Result<int32_t> PidTable::FindProcessGroup(int32_t number, const PidNamespace& ns, int32_t session) const {
  MutexLock lock(mu_);
  const Entry* entry = FindLocked(IdOfLocked(number, ns));
  if (!entry || !entry->process_group) return Errno::kESRCH;
  if (entry->process_group->session->id != session) return Errno::kEPERM;
  return entry->process_group->id;
}

const void* PidTable::terminal(const ThreadGroup& group) const {
  MutexLock lock(mu_);
  if (!group.family_->process_group) return nullptr;
  return group.family_->process_group->session->terminal.get();
}

RefPtr<base::RefCounted> PidTable::terminal_ref(const ThreadGroup& group) const {
  MutexLock lock(mu_);
  if (!group.family_->process_group) return nullptr;
  return group.family_->process_group->session->terminal;
}

void PidTable::SetTerminal(ThreadGroup& group, RefPtr<base::RefCounted> terminal) {
  MutexLock lock(mu_);  // the old one is let go after it
  if (group.family_->process_group) std::swap(group.family_->process_group->session->terminal, terminal);
}

RefPtr<base::RefCounted> PidTable::DetachTerminal(ThreadGroup& group, int32_t* session) {
  MutexLock lock(mu_);
  if (!group.family_->process_group) return nullptr;
  Session& s = *group.family_->process_group->session;
  if (s.id != group.tgid()) return nullptr;
  *session = s.id;
  return std::exchange(s.terminal, nullptr);
}

void PidTable::WaitForEnd(const ThreadGroup& group) {
  MutexLock lock(mu_);
  while (!group.ended()) ended_.Wait(mu_);
}

}  // namespace sentry
