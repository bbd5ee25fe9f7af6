// Process numbers as each namespace sees them (man 7 pid_namespaces).
//
// Inside the kernel a task, process group or session goes by its *id*: its
// number in the root namespace, which sees everything. What a guest gives or is
// given are numbers of its own namespace. A Pid has all of them, and outlives
// what it named.
#ifndef SENTRY_VFS_PID_H_
#define SENTRY_VFS_PID_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "sentry/vfs/namespace.h"

namespace sentry {

class Task;
class ThreadGroup;

// Analogous to Linux's struct pid_namespace.
class PidNamespace final : public Namespace {
 public:
  static constexpr int kMaxLevel = 32;  // Linux's MAX_PID_NS_LEVEL

  // `max_tasks`: in it and all below, EAGAIN of clone beyond. Null parent: the root.
  PidNamespace(base::RefPtr<PidNamespace> parent, size_t max_tasks);
  PidNamespace(base::RefPtr<PidNamespace> parent, size_t max_tasks, base::RefPtr<UserNamespace> owner,
               NamespaceCharge charge);

  const base::RefPtr<PidNamespace>& parent() const { return parent_; }
  int level() const { return level_; }  // 0: the root
  size_t max_tasks() const { return max_tasks_.load(std::memory_order_relaxed); }
  void SetMaxTasks(size_t max) { max_tasks_.store(max, std::memory_order_relaxed); }
  // Whether `other` is this namespace or one below it.
  bool Contains(const PidNamespace& other) const;

 private:
  friend class PidTable;
  ~PidNamespace() override = default;

  const base::RefPtr<PidNamespace> parent_;
  const int level_;
  std::atomic<size_t> max_tasks_;

  // The kernel's, under the pid table's lock.
  std::map<int32_t, int32_t> ids_;  // by number; the root needs none
  int32_t last_ = 0;                // the number given last
  size_t tasks_ = 0;                // in it and below it
  size_t processes_ = 0;            // zombies too
  ThreadGroup* init_ = nullptr;     // number 1, from its birth to its reaping
  Task* zapper_ = nullptr;          // init's last thread, while it waits for the others' end
  bool dying_ = false;              // init leaves or has left: no births
};

// Analogous to Linux's struct pid.
class Pid final : public base::RefCounted {
 public:
  // `numbers`: by level, the root's first.
  Pid(base::RefPtr<PidNamespace> ns, std::vector<int32_t> numbers) : ns_(std::move(ns)), numbers_(std::move(numbers)) {}

  PidNamespace& ns() const { return *ns_; }  // the deepest that sees it: its own
  int32_t id() const { return numbers_.front(); }
  int32_t own_number() const { return numbers_.back(); }
  int32_t NumberIn(const PidNamespace& ns) const;  // 0: it is not seen there
  // From `ns` down to its own; empty if it is not seen there (NSpid).
  std::vector<int32_t> NumbersFrom(const PidNamespace& ns) const;

 private:
  ~Pid() override = default;
  const base::RefPtr<PidNamespace> ns_;
  const std::vector<int32_t> numbers_;
};

}  // namespace sentry

#endif  // SENTRY_VFS_PID_H_
