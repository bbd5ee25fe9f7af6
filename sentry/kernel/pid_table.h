// Numbers of tasks, process groups and sessions, and the family relations.
// Analogous to Linux's kernel/pid.c, pid_namespace.c and the tasklist lock.
//
// An `id` is a number of the root namespace, a `number` one of the namespace that
// is named with it (vfs/pid.h).
#ifndef SENTRY_KERNEL_PID_TABLE_H_
#define SENTRY_KERNEL_PID_TABLE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "sentry/kernel/family.h"
#include "sentry/kernel/task.h"

namespace sentry {

class PidTable {
 public:
  static constexpr int32_t kPidMax = 4194304;  // kernel.pid_max; numbers stay below

  explicit PidTable(size_t max_tasks) : root_(base::MakeRef<PidNamespace>(nullptr, max_tasks)) {}
  PidNamespace& root() const { return *root_; }

  // --- Birth ---
  struct NewProcess {
    RefPtr<Task> leader;
    RefPtr<PidNamespace> ns;
    // As the namespace's init, it ignores what its own processes send (SIGNAL_UNKILLABLE).
    bool unkillable_as_init = true;
    Task* parent = nullptr;             // the thread that is the parent; null: none
    bool sibling = false;               // CLONE_PARENT: a child of the parent's parent
    bool new_session = false;           // else the parent's process group
    RefPtr<base::RefCounted> terminal;  // of the new session
    int32_t exit_signal = 0;
  };
  // Both give the task its numbers. EAGAIN: too many tasks. ENOMEM: the namespace's
  // init has left. EINTR: a signal waits for `cloner`, which is to take it and start
  // again.
  Result<void> AddProcess(NewProcess process, Task* cloner);
  Result<void> AddThread(RefPtr<Task> task, Task& cloner);

  // No host thread could be had for a child: nobody is to hear of it.
  void Abandon(ThreadGroup& group);

  // --- Death ---
  // A thread left its group for good: its number is free. Not for leaders.
  void RemoveThread(Task& task);
  // Takes the leader's number for `task`, the last thread (execve).
  void TakeLeadership(Task& task);
  // The children of a thread that ends go to a living thread, the nearest
  // subreaper, or init.
  void ForgetChildrenOf(Task& task);
  // `init` is leaving: no births in its namespace any more, SIGKILL to all others
  // (Linux's zap_pid_ns_processes).
  void EndNamespace(ThreadGroup& init);
  // Whether only init is left. If not, `waiter`, its last thread, is woken later.
  bool NamespaceEmpty(ThreadGroup& init, Task& waiter);
  // The whole process ended: tells the parent, and frees it at once if nobody
  // waits for it. Orphaned stopped groups get SIGHUP and SIGCONT.
  void ProcessEnded(ThreadGroup& group);
  // The session's terminal, taken away from it, if `group` leads one.
  RefPtr<base::RefCounted> DetachTerminal(ThreadGroup& group, int32_t* session);

  // A group stop is complete (CLD_STOPPED) or over (CLD_CONTINUED).
  void ReportStop(ThreadGroup& group, int32_t signo);
  void ReportContinue(ThreadGroup& group);

  // --- Wait ---
  // One look at the children: EAGAIN when some may come later, ECHILD.
  Result<Task::WaitOutcome> TryWait(Task& caller, const Task::WaitArgs& args);

  // --- Look-up ---
  RefPtr<Task> FindTask(int32_t number, const PidNamespace& ns) const;
  RefPtr<ThreadGroup> FindGroup(int32_t number, const PidNamespace& ns) const;
  // All that `ns` sees, by ascending number.
  std::vector<RefPtr<ThreadGroup>> Groups(const PidNamespace& ns) const;
  std::vector<RefPtr<ThreadGroup>> GroupMembers(int32_t pgid) const;  // by id
  // 0: there is none, or `ns` does not see it.
  int32_t IdOf(int32_t number, const PidNamespace& ns) const;
  int32_t NumberOf(int32_t id, const PidNamespace& ns) const;
  RefPtr<Pid> FindPid(int32_t id) const;
  // The numbers of a thread and what it belongs to.
  struct Numbers {
    RefPtr<Pid> tid, tgid, pgid, sid;  // the latter two null once it is reaped
    int32_t ppid = 0;                  // in `ns`
  };
  Numbers NumbersOf(const Task& task, const PidNamespace& ns) const;
  int32_t last_number(const PidNamespace& ns) const;
  size_t task_count() const;
  // Tasks of a real user (RLIMIT_NPROC), counted up to `limit`.
  size_t CountUser(uint32_t uid, size_t limit) const;
  int32_t ppid(const ThreadGroup& group, const PidNamespace& ns) const;
  RefPtr<ThreadGroup> parent(const ThreadGroup& group) const;
  std::vector<RefPtr<ThreadGroup>> children(const ThreadGroup& group) const;
  int32_t process_group(const ThreadGroup& group) const;  // ids
  int32_t session(const ThreadGroup& group) const;
  int32_t exit_signal(const ThreadGroup& group) const;

  // --- Job control ---
  Result<void> SetProcessGroup(Task& caller, int32_t pid, int32_t pgid);
  Result<int32_t> CreateSession(Task& caller);
  bool Orphaned(const ThreadGroup& group) const;  // its process group
  Result<int32_t> FindProcessGroup(int32_t number, const PidNamespace& ns, int32_t session) const;
  const void* terminal(const ThreadGroup& group) const;
  RefPtr<base::RefCounted> terminal_ref(const ThreadGroup& group) const;
  void SetTerminal(ThreadGroup& group, RefPtr<base::RefCounted> terminal);

  // --- For Kernel: host threads that wait ---
  void WaitForEnd(const ThreadGroup& group);

 private:
  // What goes by one number; the entry lives while any of it does.
  struct Entry {
    RefPtr<Pid> pid;
    RefPtr<Task> task;
    RefPtr<ThreadGroup> group;
    ProcessGroup* process_group = nullptr;
    Session* session = nullptr;
    bool empty() const { return !task && !group && !process_group && !session; }
  };

  // A number of each level; they are taken once the Pid is published.
  Result<RefPtr<Pid>> AllocateLocked(RefPtr<PidNamespace> ns) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<int32_t> NextNumberLocked(PidNamespace& ns) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Entry& PublishLocked(RefPtr<Pid> pid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NumberTaskLocked(Task& task, RefPtr<Pid> pid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // One task, or process, less in all namespaces that see it.
  void UncountTaskLocked(const Pid& pid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void UncountProcessLocked(const Pid& pid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int32_t IdOfLocked(int32_t number, const PidNamespace& ns) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<RefPtr<ThreadGroup>> GroupsLocked(const PidNamespace& ns) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void DropIfEmptyLocked(int32_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Entry* FindLocked(int32_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  const Entry* FindLocked(int32_t id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void JoinLocked(ThreadGroup& group, RefPtr<ProcessGroup> pg) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  RefPtr<ProcessGroup> NewProcessGroupLocked(RefPtr<Pid> pid, RefPtr<Session> session)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LeaveProcessGroupLocked(ThreadGroup& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AdoptLocked(ThreadGroup& parent, const Task* parent_task, RefPtr<ThreadGroup> child)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  ThreadGroup* ReaperLocked(const ThreadGroup& dying) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Tells the parent of a zombie; true: free it at once (Linux's do_notify_parent).
  bool NotifyParentLocked(ThreadGroup& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NotifyStopLocked(ThreadGroup& group, int32_t code, int32_t status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  RefPtr<ThreadGroup> ReleaseLocked(ThreadGroup& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // `ignored` does not count as a parent that keeps the group from being orphaned.
  bool OrphanedLocked(const ProcessGroup& pg, const ThreadGroup* ignored) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SendDeathSignalLocked(ThreadGroup& child, const ThreadGroup& parent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasStoppedLocked(const ProcessGroup& pg) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void KillOrphanedLocked(ThreadGroup& dying, ThreadGroup* parent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool MatchesLocked(const Task& caller, const ThreadGroup& child, const Task::WaitArgs& args) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool TakeReportLocked(ThreadGroup& child, const Task::WaitArgs& args, Task::WaitOutcome& out)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Task::WaitOutcome DescribeLocked(const ThreadGroup& child) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const RefPtr<PidNamespace> root_;
  // Rank kPidTable: before the signal locks of any number of processes, which are
  // taken one at a time under it.
  mutable base::RankedMutex<base::LockRank::kPidTable> mu_;
  base::CondVar ended_;
  std::map<int32_t, Entry> entries_ ABSL_GUARDED_BY(mu_);  // by id
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_PID_TABLE_H_
