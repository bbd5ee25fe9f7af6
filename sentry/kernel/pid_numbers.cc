// Numbers of each pid namespace, and look-ups by them.
#include <utility>

#include "sentry/kernel/pid_table.h"
#include "sentry/kernel/task_impl.h"

namespace sentry {

using base::MutexLock;

// --- Numbers -----------------------------------------------------------------

Result<int32_t> PidTable::NextNumberLocked(PidNamespace& ns) {
  // As Linux: upwards, and after a wrap not below 300 again.
  constexpr int32_t kReserved = 300;
  int32_t candidate = ns.last_;
  for (int32_t tried = 0; tried < kPidMax; ++tried) {
    candidate = candidate + 1 < kPidMax ? candidate + 1 : kReserved;
    const bool taken = ns.level_ == 0 ? entries_.contains(candidate) : ns.ids_.contains(candidate);
    if (taken) continue;
    ns.last_ = candidate;
    return candidate;
  }
  return Errno::kEAGAIN;
}

Result<RefPtr<Pid>> PidTable::AllocateLocked(RefPtr<PidNamespace> ns) {
  if (ns->dying_) return Errno::kENOMEM;
  for (PidNamespace* at = ns.get(); at; at = at->parent_.get()) {
    if (at->tasks_ >= at->max_tasks()) return Errno::kEAGAIN;
  }
  std::vector<int32_t> numbers(static_cast<size_t>(ns->level_) + 1);
  for (PidNamespace* at = ns.get(); at; at = at->parent_.get()) {
    numbers[static_cast<size_t>(at->level_)] = TRY(NextNumberLocked(*at));
  }
  return base::MakeRef<Pid>(std::move(ns), std::move(numbers));
}

PidTable::Entry& PidTable::PublishLocked(RefPtr<Pid> pid) {
  const int32_t id = pid->id();
  for (PidNamespace* ns = &pid->ns(); ns->level_ > 0; ns = ns->parent_.get()) ns->ids_[pid->NumberIn(*ns)] = id;
  Entry& entry = entries_[id];
  entry.pid = std::move(pid);
  return entry;
}

void PidTable::DropIfEmptyLocked(int32_t id) {
  auto it = entries_.find(id);
  if (it == entries_.end() || !it->second.empty()) return;
  const RefPtr<Pid> pid = std::move(it->second.pid);
  for (PidNamespace* ns = &pid->ns(); ns->level_ > 0; ns = ns->parent_.get()) ns->ids_.erase(pid->NumberIn(*ns));
  entries_.erase(it);
}

void PidTable::UncountTaskLocked(const Pid& pid) {
  for (PidNamespace* ns = &pid.ns(); ns; ns = ns->parent_.get()) --ns->tasks_;
}

void PidTable::UncountProcessLocked(const Pid& pid) {
  for (PidNamespace* ns = &pid.ns(); ns; ns = ns->parent_.get()) {
    --ns->processes_;
    if (ns->zapper_ && ns->processes_ == 1) ns->zapper_->Wake();
  }
}

// --- Look-up -----------------------------------------------------------------

int32_t PidTable::IdOfLocked(int32_t number, const PidNamespace& ns) const {
  if (ns.level_ == 0) return entries_.contains(number) ? number : 0;
  auto it = ns.ids_.find(number);
  return it == ns.ids_.end() ? 0 : it->second;
}

int32_t PidTable::IdOf(int32_t number, const PidNamespace& ns) const {
  MutexLock lock(mu_);
  return IdOfLocked(number, ns);
}

int32_t PidTable::NumberOf(int32_t id, const PidNamespace& ns) const {
  if (ns.level_ == 0) return id;
  MutexLock lock(mu_);
  const Entry* entry = FindLocked(id);
  return entry ? entry->pid->NumberIn(ns) : 0;
}

RefPtr<Pid> PidTable::FindPid(int32_t id) const {
  MutexLock lock(mu_);
  const Entry* entry = FindLocked(id);
  return entry ? entry->pid : nullptr;
}

PidTable::Numbers PidTable::NumbersOf(const Task& task, const PidNamespace& ns) const {
  const ThreadGroup& group = task.group();
  MutexLock lock(mu_);
  Numbers numbers;
  numbers.tid = task.pid_, numbers.tgid = group.pid_;
  const ThreadGroup::Family& family = *group.family_;
  if (family.process_group) {
    numbers.pgid = family.process_group->pid;
    numbers.sid = family.process_group->session->pid;
  }
  if (family.parent) numbers.ppid = family.parent->pid().NumberIn(ns);
  return numbers;
}

int32_t PidTable::last_number(const PidNamespace& ns) const {
  MutexLock lock(mu_);
  return ns.last_;
}

RefPtr<Task> PidTable::FindTask(int32_t number, const PidNamespace& ns) const {
  MutexLock lock(mu_);
  const Entry* entry = FindLocked(IdOfLocked(number, ns));
  return entry ? entry->task : nullptr;
}

RefPtr<ThreadGroup> PidTable::FindGroup(int32_t number, const PidNamespace& ns) const {
  MutexLock lock(mu_);
  const Entry* entry = FindLocked(IdOfLocked(number, ns));
  return entry ? entry->group : nullptr;
}

std::vector<RefPtr<ThreadGroup>> PidTable::GroupsLocked(const PidNamespace& ns) const {
  std::vector<RefPtr<ThreadGroup>> groups;
  auto add = [&](const Entry* entry) {
    if (entry && entry->group) groups.push_back(entry->group);
  };
  if (ns.level_ == 0) {
    for (const auto& [id, entry] : entries_) add(&entry);
  } else {
    for (const auto& [number, id] : ns.ids_) add(FindLocked(id));
  }
  return groups;
}

std::vector<RefPtr<ThreadGroup>> PidTable::Groups(const PidNamespace& ns) const {
  MutexLock lock(mu_);
  return GroupsLocked(ns);
}

size_t PidTable::task_count() const {
  MutexLock lock(mu_);
  return root_->tasks_;
}

}  // namespace sentry
