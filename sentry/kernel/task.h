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
#include <span>
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
#include "sentry/kernel/nsproxy.h"
#include "sentry/kernel/run_state.h"
#include "sentry/kernel/seccomp/task_seccomp.h"
#include "sentry/kernel/signals/signal_state.h"
#include "sentry/kernel/syscall_result.h"
#include "sentry/kernel/thread_group.h"
#include "sentry/mm/memory_manager.h"
#include "sentry/vfs/context.h"
#include "sentry/vfs/path_walk.h"

namespace sentry {

class Kernel;
class SemUndoList;
class ShmCreator;
class TaskSched;
struct LoadedProgram;

class Task final : public base::RefCounted, public JobControl {
 public:
  // --- Who ---
  Kernel& kernel() const { return group_->kernel(); }
  ThreadGroup& group() const { return *group_; }
  // The kernel's id (vfs/pid.h). What a guest gives or is given are numbers of its
  // own pid namespace: the lines below.
  int32_t tid() const { return tid_.load(std::memory_order_relaxed); }
  PidNamespace& pid_ns() const { return group_->pid_ns(); }
  int32_t own_tid() const { return own_tid_.load(std::memory_order_relaxed); }
  int32_t own_tgid() const { return group_->pid().own_number(); }
  int32_t IdOf(int32_t number) const;  // 0: there is none
  RefPtr<Task> FindTask(int32_t number) const;
  RefPtr<ThreadGroup> FindGroup(int32_t number) const;
  std::vector<RefPtr<ThreadGroup>> VisibleGroups() const;
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
  const Nsproxy& nsproxy() const { return *nsproxy_; }
  // The one that this task, of any thread, stands in; null: it exits. Time: none.
  RefPtr<Namespace> NamespaceOf(NamespaceKind kind) const;
  // Linux's ptrace_may_access.
  bool MayTrace(const Task& target, TraceIds ids) const;
  RefPtr<Nsproxy> SharedNsproxy() const;
  void SetMm(RefPtr<MemoryManager> mm);
  void SetFds(RefPtr<FdTable> fds);
  void SetFs(RefPtr<FsContext> fs);
  void SetCreds(RefPtr<Credentials> creds);
  // The same where a call changes them: who gained or became somebody else can't be
  // looked into any more (Linux's commit_creds).
  void CommitCreds(RefPtr<Credentials> creds);
  void SetMounts(RefPtr<MountNamespace> mounts);
  void SetNsproxy(RefPtr<Nsproxy> nsproxy);

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
  Result<void> SendSignalBy(const Task& sender, SigInfo info);
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
  // man 2 unshare, in Linux's order of checks.
  Result<void> Unshare(uint64_t flags);
  // man 2 setns: into all of these, user namespace first, or none.
  Result<void> Setns(std::span<const RefPtr<Namespace>> targets);
  // exit(2): this thread only.
  SyscallResult Exit(int32_t code);

  // man 2 wait4, waitid. `id` is the kernel's; what comes out are the caller's numbers.
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

  // --- Seccomp (seccomp/) ---
  const TaskSeccomp& seccomp_state() const { return seccomp_; }
  struct SeccompStatus {
    TaskSeccomp::Mode mode;
    int32_t filters;
  };
  SeccompStatus seccomp_status() const;  // from any thread
  // man 2 seccomp, own thread. EINVAL: it has filters.
  Result<void> SetSeccompStrict();
  // `filter` goes before those that are there, for this thread or for all of the group.
  // EINVAL (strict mode), EBUSY (a second listener), ENOMEM (too long a way). The value:
  // 0, or the thread that can't follow, and nothing was done.
  enum class SeccompSync : uint8_t { kThisThread, kAllThreads };
  Result<int32_t> AttachSeccompFilter(RefPtr<SeccompFilter> filter, SeccompSync sync);

  // --- Own thread's loose ends ---
  RestartBlock restart_block;
  UserAddr clear_child_tid;
  UserAddr robust_list;
  std::atomic<int32_t> parent_death_signal{0};  // read by the parent as it ends
  uint64_t timer_slack_ns = 50'000;
  std::atomic<uint32_t> personality{0};  // man 2 personality; read by proc

  // --- Accounting ---
  ThreadGroup::CpuTimes cpu_times() const;
  std::atomic<char> state{'R'};  // as /proc/PID/stat says: R S D T Z
  int64_t start_time_ns() const { return start_time_ns_; }
  // A number that no other task ever has (tids are used again).
  uint64_t serial() const { return serial_; }

  // --- Scheduling (sched/) ---
  TaskSched& sched() const;
  uint64_t allowed_cpus() const;  // by its control group
  uint64_t cpus() const;          // of these, sched_getaffinity's
  // After a change of another thread's: its host threads are told soon.
  void SchedChanged();

  // --- Control groups (task_member.cc) ---
  CgroupMember& cgroup_member() const;

  // --- System V IPC (ipc/) ---
  // What its end takes back, and lets go; made at first use. Own thread.
  SemUndoList& sem_undo();
  ShmCreator& shm_creator();

  // --- JobControl ---
  int32_t tgid() const override { return group_->tgid(); }
  int32_t process_group() const override;
  int32_t session() const override;
  bool process_group_orphaned() const override;
  bool signal_ignored(int signo) const override;
  Result<int32_t> FindProcessGroup(int32_t number, int32_t session) const override;
  int32_t NumberOf(int32_t id) const override;
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

  // At its end, or for another IPC namespace (Linux's exit_sem).
  void LeaveSemUndo();
  void LeaveSharedMemory();  // Linux's exit_shm

  // Starts the host thread; EAGAIN.
  Result<void> Start();
  static void* ThreadMain(void* arg);

  // --- Waiting ---
  // kKillable, kStopped: until killed. kUninterruptible: a thread that exits.
  enum class SleepKind : uint8_t { kInterruptible, kKillable, kStopped, kUninterruptible };
  WakeReason SleepAs(SleepKind kind, Deadline deadline);
  // Killed: by SIGKILL, its group's exit, or another thread's execve.
  bool killed() const;

  // --- Held by its control group ---
  void KickFromGuest();
  void TellHostPriority();  // own thread
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
  NextStep Consider(const SigInfo& info, bool from_outside);
  NextStep DefaultStop(int signo);
  void ResolveRestart(const abi::SigAction* action);
  // Builds the handler's frame; false: the stack can't hold it.
  bool PushSignalFrame(const Delivery& delivery, SignalSet mask);
  void DeliverToHandler(const Delivery& delivery);
  void ForceSignalLocked(const SigInfo& info, bool reset_handler) ABSL_EXCLUSIVE_LOCKS_REQUIRED(group_->signal_mu_);

  // --- Clone (clone.cc) ---
  Result<void> CheckCloneFlags(const CloneArgs& args) const;
  // The child with all it has, not yet known to anybody.
  Result<RefPtr<Task>> MakeChild(const CloneArgs& args, RefPtr<Credentials> creds);
  Result<void> GiveMemory(const CloneArgs& args, Task& child);
  Result<void> GiveFiles(const CloneArgs& args, Task& child);
  // --- Namespaces (namespaces.cc, setns.cc) ---
  // CLONE_NEWUSER: credentials in a new user namespace (Linux's copy_creds). EPERM, ENOSPC.
  Result<RefPtr<Credentials>> CopyCredentials(uint64_t flags) const;
  // Linux's copy_namespaces, for a task with `creds` and `fs`: EPERM, EINVAL for kinds
  // that there are no more of, ENOSPC. Null: as they are.
  struct NewNamespaces {
    RefPtr<MountNamespace> mounts;  // `fs` stands in it
    RefPtr<Nsproxy> nsproxy;
  };
  Result<NewNamespaces> CopyNamespaces(uint64_t flags, const Credentials& creds, FsContext& fs) const;
  struct NsSet;
  Result<void> Install(NsSet& set, Namespace& ns) const;
  void GiveSignalState(const CloneArgs& args, Task& child);
  Result<void> Publish(const CloneArgs& args, const RefPtr<Task>& child);
  Result<int32_t> InstallPidfd(const CloneArgs& args, Task& child);
  void ReleaseUnstarted();  // a child nobody knows
  void RunAbandoned();      // a child without a host thread

  // --- Execve (exec.cc) ---
  // Ends all other threads and takes the leader's place. False: killed meanwhile.
  bool BecomeOnlyThread();
  void SwitchProgram(RefPtr<MemoryManager> mm, LoadedProgram& program);

  // --- Seccomp (seccomp/check.cc, attach.cc) ---
  // What is next if the call in the registers is not to be made.
  std::optional<RunState> CheckSeccomp();
  std::optional<RunState> Obey(const SeccompFilter::Verdict& verdict, const abi::SeccompData& data);
  RunState AskSupervisor(const SeccompFilter& filter, const abi::SeccompData& data);
  RunState TrapSyscall(uint32_t answer, const abi::SeccompData& data);
  RunState DieOfSyscall(uint32_t answer, const abi::SeccompData& data);
  void TakeOverNoNewPrivs();
  // The thread that has filters of its own, 0 if there is none.
  int32_t WhoCannotFollowLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(group_->signal_mu_);
  void InheritSeccompLocked(const Task& parent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(parent.group_->signal_mu_);
  void ReleaseSeccomp();

  // --- Exit (exit.cc) ---
  // Linux's mm_release: robust list, clear_child_tid, the vfork parent.
  void ReleaseMm();
  // True: the last thread of its group.
  bool StartExit();
  void ReleaseResources();
  // True: the last one to be done with exit.
  bool FinishExit();
  RunState Leave();  // the last step of an exit
  void CloseTable(RefPtr<FdTable> table);

  // One function a run state (run_loop.cc).
  RunState Step(RunUser);
  RunState Step(RunSyscall);
  RunState Step(RunInterrupted);
  RunState Step(RunStopped);
  RunState Step(RunVforkWait);
  RunState Step(RunSeccompWait);
  RunState Step(RunExit);
  RunState Step(RunReapNamespace);

  const RefPtr<ThreadGroup> group_;
  // These three change only when execve takes the leader's place.
  std::atomic<int32_t> tid_{0};
  std::atomic<int32_t> own_tid_{0};
  RefPtr<Pid> pid_;  // under the pid table's lock
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
  RefPtr<Nsproxy> nsproxy_;
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
  TaskSeccomp seccomp_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_TASK_H_
