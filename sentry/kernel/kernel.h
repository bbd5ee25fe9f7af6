// The sandbox's kernel: what there is one of. Made by runsc-cpp/boot, which
// hands in the platform, memory, and root file system.
#ifndef SENTRY_KERNEL_KERNEL_H_
#define SENTRY_KERNEL_KERNEL_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "platform/platform.h"
#include "sentry/kernel/cgroup/tree.h"
#include "sentry/kernel/futex/futex.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/time/timer_queue.h"
#include "sentry/memfile/memory_file.h"
#include "sentry/mm/code_cache.h"
#include "sentry/vfs/mount.h"

namespace sentry {

class DeadlineBandwidth;
class NetState;
class PidTable;

// The system call layer, as the kernel sees it (sentry/syscalls implements it).
class SyscallDispatcher {
 public:
  virtual ~SyscallDispatcher() = default;
  // Runs the call in task.regs(); observers (strace, counters) included.
  virtual SyscallResult Dispatch(Task& task) = 0;
};

class Kernel {
 public:
  struct Options {
    platform::Platform* platform = nullptr;
    MemoryFile* memory_file = nullptr;
    SyscallDispatcher* dispatcher = nullptr;
    int cpu_count = 1;  // what the guest sees
    UtsName uts;
    // Of every guest (net/net_state.h); outlives the kernel. Null: AF_UNIX only.
    NetState* net_state = nullptr;
    // As in a pid namespace, the guest's pid 1 ignores signals that it has no
    // handler for, SIGKILL included; the runtime's SIGKILL and SIGSTOP reach it.
    // `do` turns it off: its command is to act as it does outside.
    bool init_ignores_signals = true;
    size_t max_tasks = 8192;  // in the whole sandbox: EAGAIN of clone beyond it
  };
  explicit Kernel(Options options);
  ~Kernel();

  struct InitProcess {
    // Null: the root's. The first process of a namespace is its init (number 1), a
    // later one has no parent there.
    RefPtr<PidNamespace> pid_ns;
    // Null: the sandbox's first ones.
    RefPtr<UtsNamespace> uts;
    RefPtr<IpcNamespace> ipc;
    RefPtr<NetNamespace> net;
    RefPtr<CgroupNamespace> cgroup_namespace;
    RefPtr<MountNamespace> mounts;
    Path root, cwd;
    RefPtr<Credentials> creds;
    RefPtr<FdTable> fds;
    std::string path;  // resolved against cwd; no PATH search here
    std::vector<std::string> argv, envp;
    uint32_t umask = 022;
    uint32_t personality = 0;
    std::vector<std::pair<RlimitKind, Rlimit>> limits;
    RefPtr<base::RefCounted> controlling_terminal;  // may be null
    // Called with the new task, numbered but not running yet (its terminal).
    std::function<void(Task&)> before_start;
    // Called once the process has ended and, if it is an init, all of its namespace
    // with it: by the guest's own thread, no lock held.
    std::function<void(const ExitStatus&)> on_end;
    RefPtr<Cgroup> cgroup;                            // null: the root
    std::shared_ptr<platform::AddressSpaces> spaces;  // its own and its descendants'; null: the platform's
  };
  // Starts a process of the runtime's: the first ones, and those of exec. Errors of
  // execve come back (ENOENT, EACCES, ENOEXEC, ...); ENOMEM: the namespace's init
  // has ended.
  Result<RefPtr<ThreadGroup>> StartProcess(InitProcess init);
  // Those that it will stand in.
  RefPtr<Nsproxy> NamespacesFor(const InitProcess& init) const;
  // Blocks the calling host thread until `group` has ended.
  ExitStatus WaitForExit(ThreadGroup& group);
  // Kills each process whose address space the platform has lost: the cause is
  // logged, its parent sees SIGKILL. From any thread.
  void KillLostProcesses();
  // Kills every process and waits until all task threads are gone.
  void Shutdown();

  platform::Platform& platform() const { return *options_.platform; }
  MemoryFile& memory_file() const { return *options_.memory_file; }
  CodeCache& code_cache() { return code_cache_; }
  SyscallDispatcher& dispatcher() const { return *options_.dispatcher; }
  int cpu_count() const { return options_.cpu_count; }
  // A bit each, as far as masks of CPUs reach here.
  uint64_t all_cpus() const { return cpu_count() >= 64 ? UINT64_MAX : (uint64_t{1} << cpu_count()) - 1; }
  NetState* net_state() const { return options_.net_state; }
  size_t max_tasks() const { return options_.max_tasks; }
  // The pid namespace that sees all. It has an init only if the runtime starts one.
  PidNamespace& root_pid_ns() const;
  // A new one below it, for a container.
  RefPtr<PidNamespace> NewPidNamespace(size_t max_tasks = SIZE_MAX);
  // SIGKILL to all in it and below; from any thread.
  void KillNamespace(const PidNamespace& ns);
  // What execve maps as [vdso]; made at start. Null: none could be made.
  const RefPtr<Mappable>& vdso() const { return vdso_; }
  uint64_t vdso_size() const { return vdso_size_; }
  FutexTable& futexes() { return *futexes_; }
  TimerQueue& timers() { return *timers_; }
  PidTable& pids() { return *pids_; }
  CgroupTree& cgroups() { return *cgroups_; }
  DeadlineBandwidth& deadlines() { return *deadlines_; }

  // The namespaces of a process that is given no others.
  const RefPtr<Nsproxy>& first_namespaces() const { return first_namespaces_; }
  int64_t boot_time_ns() const { return boot_time_ns_; }  // CLOCK_REALTIME at start

  // --- Processes ---
  // By the number in `ns`. Guests' are those of the caller's own: Task::FindTask.
  RefPtr<Task> FindTask(int32_t number, const PidNamespace& ns) const;
  RefPtr<ThreadGroup> FindGroup(int32_t number, const PidNamespace& ns) const;
  std::vector<RefPtr<ThreadGroup>> Groups(const PidNamespace& ns) const;
  size_t task_count() const;
  // A signal from outside the sandbox (`kill`, Ctrl-C forwarded). Of those without a
  // handler, an init that ignores signals takes SIGKILL and SIGSTOP alone.
  Result<void> SignalFromRuntime(ThreadGroup& group, int signo);
  // kill(2)'s reach: every member of a process group, by its id. ESRCH.
  Result<void> SignalProcessGroup(int32_t pgid, const SigInfo& info);
  Result<void> SetProcessGroup(Task& caller, int32_t pid, int32_t pgid);  // setpgid(2)
  Result<int32_t> CreateSession(Task& caller);                            // setsid(2); both in the caller's numbers

  // What the system call layer keeps once a kernel (syscalls/rooms.h): made at
  // first use, gone with the kernel.
  template <typename Make>
  base::RefCounted& SyscallState(Make make) {
    base::MutexLock lock(syscall_state_mu_);
    if (!syscall_state_) syscall_state_ = make();
    return *syscall_state_;
  }

  // --- Memory (oom.cc) ---
  // An allocation for `task`, on whose thread this is, failed for a limit. Kills a process of the guest's where the
  // limit is and waits for its memory. No lock is held but that of an open file's position.
  MemRelief RelieveMemory(Task& task);

  // --- Notices ---
  // The limit of `domain` was met by a thread in `asker`, and a process is about to die for it (set by boot, before the
  // first one). No lock is held but that of an open file's position.
  std::function<void(const Cgroup& domain, const Cgroup& asker)> before_oom_kill;
  // A process was killed for want of memory (set by boot, before the first one). No lock is held but kOom.
  std::function<void(const Cgroup& cgroup, int32_t pid, const std::string& name, uint64_t resident_bytes)> on_oom_kill;
  // The platform's or gofer's death: ends the sandbox (set by boot).
  std::function<void(std::string cause)> on_fatal;
  // A session's leader ended: its terminal is to hang up (set by boot, which
  // knows what kind of object a controlling terminal is). No lock is held.
  std::function<void(base::RefCounted& terminal, int32_t session)> on_session_leader_exit;

  // Statistics that /proc/stat and `debug` show.
  std::atomic<uint64_t> forks{0};
  std::atomic<uint64_t> context_switches{0};

 private:
  friend class Task;
  friend class ThreadGroup;
  void PrepareVdso();
  void WakeCgroupsAt(int64_t deadline_ns);
  RefPtr<ThreadGroup> OutOfMemory(const RefPtr<Cgroup>& domain);
  void OomKill(const RefPtr<ThreadGroup>& group, const Cgroup& cgroup, const MmUsage& usage);
  Result<RefPtr<Task>> MakeInitTask(const InitProcess& init);
  // Host threads of tasks: Shutdown waits for the last.
  void ThreadStarted();
  void ThreadEnded();

  Options options_;
  CodeCache code_cache_;
  const int64_t boot_time_ns_;
  RefPtr<Mappable> vdso_;
  uint64_t vdso_size_ = 0;
  // Rank kKernel: what is made under it takes locks of its own.
  base::RankedMutex<base::LockRank::kKernel> syscall_state_mu_;
  RefPtr<base::RefCounted> syscall_state_ ABSL_GUARDED_BY(syscall_state_mu_);
  // Rank kOom.
  base::RankedMutex<base::LockRank::kOom> oom_mu_;
  std::unique_ptr<CgroupTree> cgroups_;
  std::atomic<int64_t> cgroups_wake_{INT64_MAX};  // when the timer thread looks at them next
  std::unique_ptr<DeadlineBandwidth> deadlines_;  // outlives the tasks
  std::unique_ptr<PidTable> pids_;
  std::unique_ptr<FutexTable> futexes_;
  std::unique_ptr<TimerQueue> timers_;
  base::RankedMutex<base::LockRank::kLeaf> threads_mu_;
  base::CondVar threads_changed_;
  size_t threads_ ABSL_GUARDED_BY(threads_mu_) = 0;
  RefPtr<Nsproxy> first_namespaces_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_KERNEL_H_
