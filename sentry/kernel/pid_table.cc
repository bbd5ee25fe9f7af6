// Numbers, look-ups, process groups and sessions. pid_family.cc has the end of
// processes, pid_wait.cc what a waiting parent is told.
#include "sentry/kernel/pid_table.h"

#include <algorithm>
#include <utility>

#include "sentry/kernel/task_impl.h"

namespace sentry {

using base::MutexLock;

Result<int32_t> PidTable::AllocateLocked() {
  // As Linux: upwards, and after a wrap not below 300 again.
  constexpr int32_t kReserved = 300;
  int32_t candidate = last_;
  for (int32_t tried = 0; tried < kPidMax; ++tried) {
    candidate = candidate + 1 < kPidMax ? candidate + 1 : kReserved;
    if (!entries_.contains(candidate)) {
      last_ = candidate;
      return candidate;
    }
  }
  return Errno::kEAGAIN;
}

PidTable::Entry* PidTable::FindLocked(int32_t id) {
  auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second;
}
const PidTable::Entry* PidTable::FindLocked(int32_t id) const {
  auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second;
}

void PidTable::DropIfEmptyLocked(int32_t id) {
  auto it = entries_.find(id);
  if (it != entries_.end() && it->second.empty()) entries_.erase(it);
}

// --- Process groups ----------------------------------------------------------

RefPtr<ProcessGroup> PidTable::NewProcessGroupLocked(int32_t id, RefPtr<Session> session) {
  RefPtr<ProcessGroup> pg = base::MakeRef<ProcessGroup>(id, session);
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

Result<void> PidTable::AddProcess(NewProcess process, Task* cloner) {
  ThreadGroup& group = process.leader->group();
  MutexLock lock(mu_);
  if (tasks_ >= max_tasks_) return Errno::kEAGAIN;
  const int32_t id = TRY(AllocateLocked());
  if (cloner) {
    MutexLock signal_lock(cloner->group_->signal_mu_);
    // Linux restarts a clone that a signal overtook, so that the signal goes to
    // the process as it was: a Ctrl-C hits parent and child, or the parent alone.
    if (cloner->RecalculateInterruptedLocked()) return Errno::kEINTR;
    process.leader->InheritSeccompLocked(*cloner);
  }
  process.leader->tid_.store(id, std::memory_order_relaxed);
  group.tgid_ = id;
  if (process.new_session) {
    RefPtr<Session> session = base::MakeRef<Session>(id);
    session->terminal = std::move(process.terminal);
    JoinLocked(group, NewProcessGroupLocked(id, std::move(session)));
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
  Entry& entry = entries_[id];
  entry.group = RefPtr<ThreadGroup>(&group);
  entry.task = std::move(process.leader);
  ++tasks_;
  return Ok();
}

Result<void> PidTable::AddThread(RefPtr<Task> task, Task& cloner) {
  MutexLock lock(mu_);
  if (tasks_ >= max_tasks_) return Errno::kEAGAIN;
  const int32_t id = TRY(AllocateLocked());
  task->tid_.store(id, std::memory_order_relaxed);
  {
    MutexLock signal_lock(cloner.group_->signal_mu_);
    if (cloner.RecalculateInterruptedLocked()) return Errno::kEINTR;
    task->InheritSeccompLocked(cloner);
    cloner.group_->AddTask(task);
  }
  entries_[id].task = std::move(task);
  ++tasks_;
  return Ok();
}

// --- Look-up -----------------------------------------------------------------

RefPtr<Task> PidTable::FindTask(int32_t tid) const {
  MutexLock lock(mu_);
  const Entry* entry = FindLocked(tid);
  return entry ? entry->task : nullptr;
}

RefPtr<ThreadGroup> PidTable::FindGroup(int32_t tgid) const {
  MutexLock lock(mu_);
  const Entry* entry = FindLocked(tgid);
  return entry ? entry->group : nullptr;
}

std::vector<RefPtr<ThreadGroup>> PidTable::Groups() const {
  std::vector<RefPtr<ThreadGroup>> groups;
  MutexLock lock(mu_);
  for (const auto& [id, entry] : entries_) {
    if (entry.group) groups.push_back(entry.group);
  }
  return groups;
}

std::vector<RefPtr<ThreadGroup>> PidTable::GroupMembers(int32_t pgid) const {
  std::vector<RefPtr<ThreadGroup>> members;
  MutexLock lock(mu_);
  const Entry* entry = FindLocked(pgid);
  if (!entry || !entry->process_group) return members;
  for (ThreadGroup* member : entry->process_group->members) members.emplace_back(member);
  return members;
}

size_t PidTable::task_count() const {
  MutexLock lock(mu_);
  return tasks_;
}

size_t PidTable::CountUser(uint32_t uid, size_t limit) const {
  MutexLock lock(mu_);
  if (tasks_ < limit) return tasks_;  // even if all are this user's
  size_t count = 0;
  for (const auto& [id, entry] : entries_) {
    if (!entry.task) continue;
    const RefPtr<Credentials> creds = entry.task->SharedCreds();
    if (creds && creds->uid == uid) ++count;
  }
  return count;
}

int32_t PidTable::ppid(const ThreadGroup& group) const {
  MutexLock lock(mu_);
  return group.family_->parent ? group.family_->parent->tgid() : 0;
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

Result<void> PidTable::SetProcessGroup(Task& caller, int32_t pid, int32_t pgid) {
  ThreadGroup& self = caller.group();
  if (pid == 0) pid = self.tgid();
  if (pgid == 0) pgid = pid;
  if (pgid < 0) return Errno::kEINVAL;
  MutexLock lock(mu_);
  Entry* entry = FindLocked(pid);
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
  if (group.family_->process_group->id == pgid) return Ok();
  Entry* target = FindLocked(pgid);
  RefPtr<ProcessGroup> pg(target ? target->process_group : nullptr);
  if (!pg && pgid == pid) pg = NewProcessGroupLocked(pgid, session);
  if (!pg || pg->session != session) return Errno::kEPERM;
  JoinLocked(group, std::move(pg));
  return Ok();
}

Result<int32_t> PidTable::CreateSession(Task& caller) {
  ThreadGroup& group = caller.group();
  const int32_t id = group.tgid();
  MutexLock lock(mu_);
  const Entry* entry = FindLocked(id);
  if (!entry || entry->process_group || entry->session) return Errno::kEPERM;
  JoinLocked(group, NewProcessGroupLocked(id, base::MakeRef<Session>(id)));
  return id;
}

Result<void> PidTable::CheckProcessGroup(int32_t pgid, int32_t session) const {
  MutexLock lock(mu_);
  const Entry* entry = FindLocked(pgid);
  if (!entry || !entry->process_group) return Errno::kESRCH;
  if (entry->process_group->session->id != session) return Errno::kEPERM;
  return Ok();
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
