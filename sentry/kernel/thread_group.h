// A process. Analogous to Linux's signal_struct and the tgid's part of pid.
#ifndef SENTRY_KERNEL_THREAD_GROUP_H_
#define SENTRY_KERNEL_THREAD_GROUP_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/mutex.h"
#include "base/ref_ptr.h"
#include "base/wait_queue.h"
#include "sentry/kernel/signals/signal_state.h"
#include "sentry/kernel/syscall_result.h"
#include "sentry/kernel/time/clock.h"
#include "sentry/vfs/pid.h"
#include "sentry/vfs/user_namespace.h"

namespace sentry {

struct Credentials;
struct MmLimits;
class Kernel;
class PosixTimers;
class ProcessGroup;
class Session;
class Task;

// How a process ended, as wait status (man 2 wait).
struct ExitStatus {
  int32_t code = 0;   // exit(2)'s, 0..255
  int32_t signo = 0;  // != 0: killed by it
  bool core = false;
  int32_t ToWaitStatus() const { return signo ? (signo | (core ? 0x80 : 0)) : (code & 0xff) << 8; }
};

struct Rlimit {
  uint64_t soft = UINT64_MAX;
  uint64_t hard = UINT64_MAX;
};
enum class RlimitKind : uint8_t {
  kCpu = 0,
  kFsize = 1,
  kData = 2,
  kStack = 3,
  kCore = 4,
  kRss = 5,
  kNproc = 6,
  kNofile = 7,
  kMemlock = 8,
  kAs = 9,
  kLocks = 10,
  kSigpending = 11,
  kMsgqueue = 12,
  kNice = 13,
  kRtprio = 14,
  kRttime = 15,
  kCount = 16,
};

class ThreadGroup final : public base::RefCounted {
 public:
  ThreadGroup(Kernel& kernel, RefPtr<SignalActions> actions);

  Kernel& kernel() const { return kernel_; }
  int32_t tgid() const { return tgid_; }
  // Its numbers, from its birth on; never null once it is known to anybody.
  Pid& pid() const { return *pid_; }
  PidNamespace& pid_ns() const { return pid_->ns(); }
  RefPtr<Task> leader() const;
  std::vector<RefPtr<Task>> tasks() const;

  // --- Family (all under the pid table's lock) ---
  int32_t ppid() const;  // the number in its own pid namespace; 0: none seen there
  RefPtr<ThreadGroup> parent() const;
  int32_t process_group_id() const;
  int32_t session_id() const;
  std::vector<RefPtr<ThreadGroup>> children() const;

  // --- Signals ---
  // man 2 kill: to any thread of the group. `info.signo` 1..64.
  Result<void> SendSignal(const SigInfo& info);
  // The same by a guest, perhaps of another pid namespace.
  Result<void> SendSignalBy(const Task& sender, SigInfo info);
  RefPtr<SignalActions> actions() const;
  void SetActions(RefPtr<SignalActions> actions);
  // sigaction(2): the old action. What is ignored now is pending no more.
  abi::SigAction ExchangeAction(int signo, const abi::SigAction& action);
  SignalSet shared_pending() const;

  // --- End ---
  // exit_group, or a fatal signal: all threads leave. The first caller's status
  // stands.
  void Exit(ExitStatus status);
  bool exiting() const;
  // Every thread has left. The process may be a zombie still.
  bool ended() const;
  // How it ended; meaningful once exiting().
  ExitStatus exit_status() const;
  // Notified with kOwnEnd when this process ended (pidfd), with kChildEvent when
  // a child of it ended, stopped or continued (wait).
  static constexpr base::EventMask kOwnEnd = base::kEventIn;
  static constexpr base::EventMask kChildEvent = base::kEventRdBand;
  base::WaitQueue& child_events() { return child_events_; }

  // --- Limits and accounting ---
  Rlimit limit(RlimitKind kind) const;
  uint64_t soft_limit(RlimitKind kind) const { return limit(kind).soft; }
  void SetLimit(RlimitKind kind, Rlimit limit);
  struct CpuTimes {
    int64_t user_ns = 0;
    int64_t system_ns = 0;
  };
  CpuTimes cpu_times() const;           // living and dead threads
  CpuTimes children_cpu_times() const;  // waited-for
  uint64_t max_rss() const;             // bytes
  uint64_t children_max_rss() const { return children_max_rss_.load(std::memory_order_relaxed); }
  // What of the limits mm enforces, for a task with these credentials (CAP_IPC_LOCK).
  MmLimits mm_limits(const Credentials& creds) const;
  int64_t start_time_ns() const { return start_time_ns_; }  // CLOCK_BOOTTIME

  // --- prctl, proc ---
  std::atomic<int32_t> oom_score_adj{0};
  std::atomic<bool> child_subreaper{false};
  std::atomic<bool> executed_since_fork{false};  // setpgid's EACCES
  // Controlling terminal of the session: see Session.

  // The user namespace in which its program was executed (Linux's mm->user_ns).
  RefPtr<UserNamespace> memory_ns() const;
  void SetMemoryNs(RefPtr<UserNamespace> ns);

  PosixTimers& timers() { return *timers_; }

  // One execve at a time (rank kExec).
  base::RankedMutex<base::LockRank::kExec>& exec_mu() { return exec_mu_; }
  // Guards both pending queues and masks of the group's tasks.
  base::RankedMutex<base::LockRank::kSignal>& signal_mu() const ABSL_LOCK_RETURNED(signal_mu_) { return signal_mu_; }

 private:
  friend class Kernel;
  friend class PidTable;
  friend class PosixTimers;
  friend class Task;
  ~ThreadGroup() override;

  struct Family;     // parent, children, process group, session: family.h, under the pid table's lock
  struct ExitState;  // exit, stop, exec: task_impl.h, under signal_mu_

  // kAncestor: a guest of a pid namespace further up, whose SIGKILL and SIGSTOP
  // even init obeys.
  enum class Origin : uint8_t { kGuest, kAncestor, kRuntime };
  // Queues a signal, for `target` alone or for any thread (null), and wakes who
  // is to take it (Linux's send_signal_locked). False: sigqueue's EAGAIN.
  bool SendLocked(const SigInfo& info, Task* target, Origin origin) ABSL_EXCLUSIVE_LOCKS_REQUIRED(signal_mu_);
  Origin OriginOf(const Task& sender, SigInfo& info) const;
  Result<void> SendSignalFrom(const SigInfo& info, Origin origin);
  // Linux's prepare_signal: stop and continue undo each other; false: ignored.
  bool PrepareSignalLocked(int signo, Task* target, Origin origin) ABSL_EXCLUSIVE_LOCKS_REQUIRED(signal_mu_);
  bool IgnoredLocked(int signo, const Task& target, Origin origin) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(signal_mu_);
  void CompleteSignalLocked(int signo, Task* target) ABSL_EXCLUSIVE_LOCKS_REQUIRED(signal_mu_);
  void ContinueLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(signal_mu_);
  void ExitLocked(ExitStatus status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(signal_mu_);
  void StartStopLocked(int signo) ABSL_EXCLUSIVE_LOCKS_REQUIRED(signal_mu_);
  Task* AnyLiveTaskLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(signal_mu_);
  void InheritFrom(const ThreadGroup& parent);  // fork
  void AddTask(RefPtr<Task> task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(signal_mu_);
  // Adds a dead thread's times to the group's.
  void FoldTimes(CpuTimes times);
  void FoldChildTimes(CpuTimes times, uint64_t max_rss);
  void NoteMaxRss(uint64_t bytes);

  Kernel& kernel_;
  int32_t tgid_ = 0;
  RefPtr<Pid> pid_;
  std::function<void(const ExitStatus&)> on_end_;  // the runtime's
  const int64_t start_time_ns_;
  std::unique_ptr<Family> family_;
  mutable base::RankedMutex<base::LockRank::kSignal> signal_mu_;
  std::vector<RefPtr<Task>> tasks_ ABSL_GUARDED_BY(signal_mu_);
  const std::unique_ptr<ExitState> exit_;  // its fields are guarded by signal_mu_
  RefPtr<SignalActions> actions_ ABSL_GUARDED_BY(signal_mu_);
  PendingSignals shared_pending_ ABSL_GUARDED_BY(signal_mu_);
  // Lets interrupted tasks and fatal sleeps see the end without the lock.
  std::atomic<bool> exiting_{false};
  std::atomic<bool> ended_{false};
  // The init of its pid namespace: with it all processes of that end.
  std::atomic<bool> is_init_{false};
  // Linux's SIGNAL_UNKILLABLE: signals of the guest's without a handler do not
  // reach it.
  std::atomic<bool> unkillable_{false};

  // Limits and sums only; taken last.
  mutable base::RankedMutex<base::LockRank::kLeaf> mu_;
  std::array<Rlimit, static_cast<size_t>(RlimitKind::kCount)> limits_ ABSL_GUARDED_BY(mu_);
  CpuTimes dead_times_ ABSL_GUARDED_BY(mu_);
  CpuTimes children_times_ ABSL_GUARDED_BY(mu_);
  RefPtr<UserNamespace> memory_ns_ ABSL_GUARDED_BY(mu_) = UserNamespace::Initial();
  std::atomic<uint64_t> max_rss_{0};
  std::atomic<uint64_t> children_max_rss_{0};

  std::unique_ptr<PosixTimers> timers_;
  base::RankedMutex<base::LockRank::kExec> exec_mu_;
  base::WaitQueue child_events_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_THREAD_GROUP_H_
