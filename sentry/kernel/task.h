// A guest thread. Analogous to Linux's struct task_struct; its state is split by
// subject: run state, signals, credentials, files, memory, each with its lock.
//
// Owner: the pid table, until it is reaped; its host thread holds one reference
// while it runs. Fields marked "own thread" are touched by that thread alone.
#ifndef SENTRY_KERNEL_TASK_H_
#define SENTRY_KERNEL_TASK_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/mutex.h"
#include "base/ref_ptr.h"
#include "platform/platform.h"
#include "sentry/kernel/cgroup/tree.h"
#include "sentry/kernel/fd_table.h"
#include "sentry/kernel/fs_context.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/signals/signal_state.h"
#include "sentry/kernel/syscall_result.h"
#include "sentry/kernel/thread_group.h"
#include "sentry/mm/memory_manager.h"
#include "sentry/vfs/context.h"
#include "sentry/vfs/path_walk.h"

namespace sentry {

class Kernel;
struct LoadedProgram;

class Task final : public base::RefCounted, public JobControl {
 public:
  // --- Who ---
  Kernel& kernel() const { return group_->kernel(); }
  ThreadGroup& group() const { return *group_; }
  int32_t tid() const { return tid_.load(std::memory_order_relaxed); }
  bool is_leader() const { return tid() == group_->tgid(); }
  std::string name() const;  // comm, at most 15 bytes
  void SetName(std::string_view name);

  // --- What it works with (own thread; others go through the copies below) ---
  arch::Registers& regs() { return regs_; }
  platform::Context& context() { return *context_; }
  MemoryManager& mm() { return *mm_; }
  FdTable& fds() { return *fds_; }
  FsContext& fs() { return *fs_; }
  const Credentials& creds() const { return *creds_; }
  // What vfs may know of this task, made anew for each call.
  VfsContext vfs_context();
  // The same, shared with other threads (proc, ptrace). Null once it exited.
  RefPtr<MemoryManager> SharedMm() const;
  RefPtr<FdTable> SharedFds() const;
  RefPtr<FsContext> SharedFs() const;
  RefPtr<Credentials> SharedCreds() const;
  RefPtr<MountNamespace> mounts() const;
  void SetMm(RefPtr<MemoryManager> mm);
  void SetFds(RefPtr<FdTable> fds);
  void SetFs(RefPtr<FsContext> fs);
  void SetCreds(RefPtr<Credentials> creds);
  void SetMounts(RefPtr<MountNamespace> mounts);

  // --- Waiting (own thread, except Wake and Interrupt); see block.h ---
  enum class WakeReason : uint8_t { kEvent, kInterrupted, kTimeout };
  // Clears the wake flag; then look at the condition; then Sleep.
  void PrepareToSleep() { wake_word_.store(kMaySleep, std::memory_order_seq_cst); }
  WakeReason Sleep(Deadline deadline);
  void Wake();               // any thread, any lock: ends a Sleep with kEvent
  void Interrupt();          // any thread: ends a Sleep or guest code soon; signals are looked at
  bool interrupted() const;  // a deliverable signal, a stop or an exit waits

  // --- Signals ---
  Result<void> SendSignal(const SigInfo& info);  // to this thread (tgkill)
  // A fault of its own: blocked or ignored ones kill (Linux's force_sig).
  void ForceSignal(const SigInfo& info);
  SignalSet blocked() const;
  // Never blocks SIGKILL, SIGSTOP. Own thread.
  void SetBlocked(SignalSet mask);
  // sigsuspend, ppoll, pselect, epoll_pwait: `mask` while the call waits; the old
  // one comes back with the signal frame, or at the call's end.
  void SetTemporaryMask(SignalSet mask);
  SignalSet pending() const;  // own and shared
  // sigtimedwait, signalfd: takes one of `set`.
  std::optional<SigInfo> DequeueSignal(SignalSet set);
  base::WaitQueue& signal_events() { return signal_events_; }  // notified at each new signal
  abi::SigAltStack altstack() const { return altstack_; }
  void SetAltStack(const abi::SigAltStack& stack) { altstack_ = stack; }
  // rt_sigreturn: registers, mask and altstack from the frame at the stack
  // pointer; a bad frame is SIGSEGV.
  SyscallResult ReturnFromSignal();

  // --- Life ---
  struct CloneArgs {
    uint64_t flags = 0;  // CLONE_*
    int32_t exit_signal = 0;
    UserAddr stack = {};  // 0: the parent's
    UserAddr tls = {};
    UserAddr parent_tid = {}, child_tid = {}, pidfd = {};
    RefPtr<Cgroup> cgroup = {};  // CLONE_INTO_CGROUP
  };
  // man 2 clone; the flags' EINVAL rules included. CLONE_VFORK sets the run
  // state, hence SyscallResult.
  SyscallResult Clone(const CloneArgs& args);
  // man 2 execve. `start` and `path` as in ResolvePath.
  SyscallResult Execve(const Path& start, std::string path, WalkFlags flags, std::vector<std::string> argv,
                       std::vector<std::string> envp);
  // exit(2): this thread only.
  SyscallResult Exit(int32_t code);

  // man 2 wait4, waitid. pid as in wait4: > 0, 0, -1, < -1.
  struct WaitArgs {
    enum class Which : uint8_t { kAny, kPid, kProcessGroup } which = Which::kAny;
    int32_t id = 0;
    uint32_t options = 0;  // WNOHANG, WUNTRACED (= WSTOPPED), WCONTINUED, WEXITED, WNOWAIT, __WALL, __WCLONE
  };
  struct WaitOutcome {
    int32_t pid = 0;  // 0: WNOHANG and nothing there
    uint32_t uid = 0;
    int32_t code = 0;    // CLD_*
    int32_t status = 0;  // exit code or signal
    int32_t wait_status = 0;
    ThreadGroup::CpuTimes times;
    uint64_t max_rss = 0;
  };
  Interruptible<WaitOutcome> Wait(const WaitArgs& args);

  // --- Own thread's loose ends ---
  RestartBlock restart_block;
  UserAddr clear_child_tid;
  UserAddr robust_list;
  std::atomic<int32_t> parent_death_signal{0};  // read by the parent as it ends
  uint64_t timer_slack_ns = 50'000;

  // --- Accounting ---
  ThreadGroup::CpuTimes cpu_times() const;
  std::atomic<int32_t> nice{0};
  // sched_setaffinity(2): kept for sched_getaffinity; the host schedules.
  std::atomic<uint64_t> cpu_affinity{UINT64_MAX};
  std::atomic<int32_t> sched_policy{0};  // SCHED_*
  std::atomic<char> state{'R'};          // as /proc/PID/stat says: R S D T Z
  int64_t start_time_ns() const { return start_time_ns_; }
  // A number that no other task ever has (tids are used again).
  uint64_t serial() const { return serial_; }

  // --- Control groups (task_member.cc) ---
  CgroupMember& cgroup_member() const;
  RefPtr<CgroupNamespace> cgroup_namespace() const;  // null: all is seen from the hierarchy's root
  void SetCgroupNamespace(RefPtr<CgroupNamespace> ns);

  // --- JobControl ---
  int32_t tgid() const override { return group_->tgid(); }
  int32_t process_group() const override;
  int32_t session() const override;
  bool process_group_orphaned() const override;
  bool signal_ignored(int signo) const override;
  Result<void> CheckProcessGroup(int32_t pgid, int32_t session) const override;
  const void* controlling_terminal() const override;
  void SetControllingTerminal(RefPtr<base::RefCounted> terminal) override;
  void ClearControllingTerminal() override;

  // The host thread's body: runs states until RunDead.
  void Run();
  // Signals the kernel itself sends to the caller: SIGPIPE, SIGXFSZ.
  void SendKernelSignal(int signo);

  // For handlers that don't return in the ordinary way.
  void SetNextState(RunState next) { next_state_ = std::move(next); }

 private:
  friend class Kernel;
  friend class ThreadGroup;
  friend class PidTable;
  friend class PosixTimers;
  friend class TaskMember;
  struct Impl;  // task_impl.h

  Task(RefPtr<ThreadGroup> group, std::unique_ptr<platform::Context> context);
  ~Task() override;

  // Starts the host thread; EAGAIN.
  Result<void> Start();
  static void* ThreadMain(void* arg);

  // --- Waiting ---
  enum class SleepKind : uint8_t { kInterruptible, kKillable, kStopped };  // the latter two: until killed
  WakeReason SleepAs(SleepKind kind, Deadline deadline);
  // Killed: by SIGKILL, its group's exit, or another thread's execve.
  bool killed() const;

  // --- Held by its control group ---
  void KickFromGuest();
  void StayHeld();
  void BecomeBusy();  // it slept, or is new

  // --- Run loop ---
  RunState AfterSyscall(const SyscallResult& result);
  RunState HandleFault(const platform::FaultEvent& fault);
  void HandleException(const platform::ExceptionEvent& exception);
  // If the exception is that of a rewritten call site (platform::CallSites): what its
  // own code would have done.
  std::optional<RunState> GoOnInRewrittenSite(const platform::ExceptionEvent& exception);
  void HandleDeadStub(const platform::DeadEvent& event);
  enum class CpuMode : uint8_t { kSystem, kUser, kSleep };
  void SwitchCpuMode(CpuMode mode);

  // --- Signals (signals/deliver.cc, frame.cc) ---
  // Whether a signal, stop or exit waits (signal lock held); sets interrupted_.
  bool RecalculateInterruptedLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(group_->signal_mu_);
  std::optional<SigInfo> DequeueLocked(SignalSet set) ABSL_EXCLUSIVE_LOCKS_REQUIRED(group_->signal_mu_);
  struct Delivery {
    SigInfo info;
    abi::SigAction action;
  };
  // What is to be done next: a handler to run, another state, or nothing.
  using NextStep = std::variant<std::monostate, Delivery, RunState>;
  NextStep NextDelivery();
  NextStep Consider(const SigInfo& info, bool from_runtime);
  NextStep DefaultStop(int signo);
  void ResolveRestart(const abi::SigAction* action);
  // Builds the handler's frame; false: the stack can't hold it.
  bool PushSignalFrame(const Delivery& delivery, SignalSet mask);
  void DeliverToHandler(const Delivery& delivery);
  void ForceSignalLocked(const SigInfo& info, bool reset_handler) ABSL_EXCLUSIVE_LOCKS_REQUIRED(group_->signal_mu_);

  // --- Clone (clone.cc) ---
  Result<void> CheckCloneFlags(const CloneArgs& args) const;
  // The child with all it has, not yet known to anybody.
  Result<RefPtr<Task>> MakeChild(const CloneArgs& args);
  Result<void> GiveMemory(const CloneArgs& args, Task& child);
  Result<void> GiveFiles(const CloneArgs& args, Task& child);
  void GiveSignalState(const CloneArgs& args, Task& child);
  Result<void> Publish(const CloneArgs& args, const RefPtr<Task>& child);
  Result<int32_t> InstallPidfd(const CloneArgs& args, Task& child);
  void ReleaseUnstarted();  // a child nobody knows
  void RunAbandoned();      // a child without a host thread

  // --- Execve (exec.cc) ---
  // Ends all other threads and takes the leader's place. False: killed meanwhile.
  bool BecomeOnlyThread();
  void SwitchProgram(RefPtr<MemoryManager> mm, LoadedProgram& program);

  // --- Exit (exit.cc) ---
  // Linux's mm_release: robust list, clear_child_tid, the vfork parent.
  void ReleaseMm();
  // True: the last thread of its group.
  bool StartExit();
  void ReleaseResources();
  // True: the last one to be done with exit.
  bool FinishExit();
  void CloseTable(RefPtr<FdTable> table);

  // One function a run state (run_loop.cc).
  RunState Step(RunUser);
  RunState Step(RunSyscall);
  RunState Step(RunInterrupted);
  RunState Step(RunStopped);
  RunState Step(RunVforkWait);
  RunState Step(RunExit);

  const RefPtr<ThreadGroup> group_;
  // Changes only when execve takes the leader's place.
  std::atomic<int32_t> tid_{0};
  const int64_t start_time_ns_;
  const uint64_t serial_;
  arch::Registers regs_ = {};
  std::unique_ptr<platform::Context> context_;
  std::optional<RunState> next_state_;

  // Rank kLeaf: these pointers only. Own thread reads without it.
  mutable base::RankedMutex<base::LockRank::kLeaf> resources_mu_;
  RefPtr<MemoryManager> mm_;
  RefPtr<FdTable> fds_;
  RefPtr<FsContext> fs_;
  RefPtr<Credentials> creds_;
  RefPtr<MountNamespace> mounts_;
  std::string name_ ABSL_GUARDED_BY(resources_mu_);

  // Wake flag and futex word: kMaySleep, kSleeping, kWoken, kLookAround.
  enum WakeWord : uint32_t { kMaySleep = 0, kWoken = 1, kLookAround = 2, kSleeping = 3 };
  std::atomic<uint32_t> wake_word_{0};
  std::atomic<bool> interrupted_{false};

  PendingSignals pending_;  // guarded by group_->signal_mu()
  std::atomic<uint64_t> blocked_{0};
  std::optional<SignalSet> saved_mask_;  // own thread
  abi::SigAltStack altstack_;            // own thread
  base::WaitQueue signal_events_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_TASK_H_
