// A process. Analogous to Linux's signal_struct and the tgid's part of pid.
#ifndef SENTRY_KERNEL_THREAD_GROUP_H_
#define SENTRY_KERNEL_THREAD_GROUP_H_

#include <array>
#include <cstdint>
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

namespace sentry {

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
  kCpu = 0, kFsize = 1, kData = 2, kStack = 3, kCore = 4, kRss = 5, kNproc = 6, kNofile = 7, kMemlock = 8, kAs = 9,
  kLocks = 10, kSigpending = 11, kMsgqueue = 12, kNice = 13, kRtprio = 14, kRttime = 15, kCount = 16,
};

class ThreadGroup final : public base::RefCounted {
 public:
  ThreadGroup(Kernel& kernel, RefPtr<SignalActions> actions);

  Kernel& kernel() const { return kernel_; }
  int32_t tgid() const { return tgid_; }
  RefPtr<Task> leader() const;
  std::vector<RefPtr<Task>> tasks() const;

  // --- Family (all under the pid table's lock) ---
  int32_t ppid() const;
  RefPtr<ThreadGroup> parent() const;
  int32_t process_group_id() const;
  int32_t session_id() const;
  std::vector<RefPtr<ThreadGroup>> children() const;

  // --- Signals ---
  // man 2 kill: to any thread of the group. `info.signo` 1..64.
  Result<void> SendSignal(const SigInfo& info);
  RefPtr<SignalActions> actions() const;
  void SetActions(RefPtr<SignalActions> actions);
  SignalSet shared_pending() const;

  // --- End ---
  // exit_group, or a fatal signal: all threads leave. The first caller's status
  // stands.
  void Exit(ExitStatus status);
  bool exiting() const;
  // Waited on by parents (waitpid) and pidfd; notified at exit, stop, continue.
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
  uint64_t max_rss() const;
  int64_t start_time_ns() const { return start_time_ns_; }  // CLOCK_BOOTTIME

  // --- prctl, proc ---
  std::atomic<int32_t> oom_score_adj{0};
  std::atomic<bool> child_subreaper{false};
  std::atomic<bool> executed_since_fork{false};  // setpgid's EACCES
  // Controlling terminal of the session: see Session.

  PosixTimers& timers() { return *timers_; }

  // One execve at a time (rank kExec).
  base::RankedMutex<base::LockRank::kExec>& exec_mu() { return exec_mu_; }
  // Guards both pending queues and masks of the group's tasks.
  base::RankedMutex<base::LockRank::kSignal>& signal_mu() const { return signal_mu_; }

 private:
  friend class Kernel;
  friend class PidTable;
  friend class Task;
  ~ThreadGroup() override;

  struct Family;  // parent, children, process group, session (pid_table.h)
  struct ExitState;

  Kernel& kernel_;
  int32_t tgid_ = 0;
  const int64_t start_time_ns_;
  mutable base::RankedMutex<base::LockRank::kThreadGroup> mu_;
  std::vector<RefPtr<Task>> tasks_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Family> family_;
  std::unique_ptr<ExitState> exit_;
  mutable base::RankedMutex<base::LockRank::kSignal> signal_mu_;
  RefPtr<SignalActions> actions_ ABSL_GUARDED_BY(signal_mu_);
  PendingSignals shared_pending_ ABSL_GUARDED_BY(signal_mu_);
  std::array<Rlimit, static_cast<size_t>(RlimitKind::kCount)> limits_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<PosixTimers> timers_;
  base::RankedMutex<base::LockRank::kExec> exec_mu_;
  base::WaitQueue child_events_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_THREAD_GROUP_H_
