// What proc asks of the kernel. The kernel implements it; proc knows no Task.
//
// Every answer is a copy, made under the kernel's locks, so that text is
// written without any. Numbers of processes are those of one pid namespace, that of
// the mount (vfs/pid.h).
#ifndef SENTRY_FS_PROC_PROCESS_VIEW_H_
#define SENTRY_FS_PROC_PROCESS_VIEW_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sentry/mm/memory_manager.h"
#include "sentry/vfs/context.h"
#include "sentry/vfs/credentials.h"
#include "sentry/vfs/file_description.h"
#include "sentry/vfs/namespace.h"
#include "sentry/vfs/pid.h"

namespace sentry {

// A process's memory. MmProcessMemory (mm_memory.h) is the one on a MemoryManager.
class ProcessMemory : public base::RefCounted {
 public:
  virtual MmUsage usage() const = 0;
  virtual std::vector<VmaInfo> Vmas() const = 0;
  virtual MemoryManager::Layout layout() const = 0;
  virtual UserRange heap() const = 0;
  // As a debugger copies: protection of private mappings does not count.
  virtual Result<size_t> Read(UserAddr src, std::span<std::byte> dst) = 0;
  virtual Result<size_t> Write(UserAddr dst, std::span<const std::byte> src) = 0;
};

// As /proc/PID/cmdline has it, of which at most the first `most` bytes.
std::string CommandLineOf(ProcessMemory& memory, uint64_t most);

struct ProcLimit {
  uint64_t current = UINT64_MAX;  // UINT64_MAX: unlimited
  uint64_t maximum = UINT64_MAX;
};

// One thread and the process around it.
struct TaskSnapshot {
  int32_t tgid = 0, tid = 0, ppid = 0, pgid = 0, sid = 0, tracer = 0;
  // The numbers from the mount's namespace down to the task's own (NSpid and kin).
  std::vector<int32_t> ns_tgids, ns_tids, ns_pgids, ns_sids;
  int32_t id = 0;       // the kernel's, of the process
  std::string comm;     // at most 15 bytes
  char state = 'S';     // R S D T t Z X
  uint32_t tty_nr = 0;  // device number of the controlling terminal, 0: none
  int32_t tpgid = -1;   // its foreground group, -1: none
  RefPtr<Credentials> creds;
  int dumpable = 1;
  RefPtr<UserNamespace> memory_ns = UserNamespace::Initial();
  int32_t threads = 1;
  int32_t exit_signal = 17;
  int32_t exit_code = 0;  // as wait(2) tells
  int32_t nice = 0;
  int32_t priority = 20;  // field 18 of stat
  uint32_t rt_priority = 0, policy = 0;
  int32_t processor = 0;     // CPU last run on
  uint64_t start_ticks = 0;  // since boot, 1/100 s
  // 1/100 s: of the thread in task/TID/stat, of all its threads in PID/stat.
  uint64_t user_ticks = 0, system_ticks = 0;
  uint64_t process_user_ticks = 0, process_system_ticks = 0;
  uint64_t children_user_ticks = 0, children_system_ticks = 0;
  uint64_t minor_faults = 0, major_faults = 0, children_minor_faults = 0, children_major_faults = 0;
  uint64_t voluntary_switches = 0, involuntary_switches = 0;
  // Bit N-1 is signal N.
  uint64_t pending = 0, shared_pending = 0, blocked = 0, ignored = 0, caught = 0;
  uint64_t queued_signals = 0;
  uint32_t umask = 022;
  int32_t fd_table_size = 64;
  int32_t seccomp_mode = 0, seccomp_filters = 0;
  uint32_t personality = 0;
  std::string wchan;                 // "0" when it runs or is not to be told
  std::vector<uint32_t> cpus;        // sched_getaffinity, ascending
  std::array<ProcLimit, 16> limits;  // by RLIMIT_* number
  // Null for a zombie or kernel thread.
  RefPtr<ProcessMemory> memory;
};

// The places a process knows; empty when it has none (zombies).
struct TaskPlaces {
  Path exe, cwd, root;
  RefPtr<MountNamespace> mounts;
};

struct OpenFd {
  int32_t fd = -1;
  bool close_on_exec = false;
  RefPtr<FileDescription> file;
};

struct CpuTimes {  // 1/100 s
  uint64_t user = 0, nice = 0, system = 0, idle = 0;
};

struct SystemSnapshot {
  double load1 = 0, load5 = 0, load15 = 0;
  uint32_t running_threads = 0, total_threads = 0;
  int32_t last_pid = 0;
  uint64_t uptime_ns = 0, idle_ns = 0;  // idle: of all CPUs together
  uint64_t boot_time = 0;               // seconds since the epoch
  uint64_t context_switches = 0;
  uint64_t forks = 0;
  std::vector<CpuTimes> cpus;  // one a CPU that the sandbox may use
  // Bytes. total is the sandbox's limit.
  uint64_t mem_total = 0, mem_free = 0, mem_available = 0, mem_cached = 0, mem_shared = 0, mem_anonymous = 0;
};

struct SystemNames {
  std::string os_type = "Linux", os_release, os_version, hostname, domainname;
  std::string proc_version;  // the whole line of /proc/version, without newline
  std::string command_line;  // /proc/cmdline, without newline
};

// /proc/sys/fs/mqueue.
enum class MqueueLimit : uint8_t { kQueuesMax, kMsgMax, kMsgsizeMax, kMsgDefault, kMsgsizeDefault };

class MessageNamespace;
class SemaphoreNamespace;
class SharedMemoryNamespace;

class ProcessView {
 public:
  virtual ~ProcessView() = default;

  // --- Numbers ---
  virtual const PidNamespace& pid_ns() = 0;
  // From the kernel's ids (VfsContext::tgid) to the numbers here and back; 0: not seen.
  virtual int32_t NumberOf(int32_t id) = 0;
  virtual int32_t IdOf(int32_t number) = 0;

  // --- Processes ---
  virtual std::vector<int32_t> Processes() = 0;            // tgids, ascending
  virtual std::vector<int32_t> Threads(int32_t tgid) = 0;  // tids, ascending; empty: no such process
  // A number that no other task ever has, 0 if `tid` is not a thread of `tgid`.
  // Cheap: asked on each path walk.
  virtual uint64_t TaskSerial(int32_t tgid, int32_t tid) = 0;
  virtual std::optional<TaskSnapshot> Snapshot(int32_t tgid, int32_t tid) = 0;
  virtual TaskPlaces Places(int32_t tgid, int32_t tid) = 0;
  // Descriptors, ascending. No references: these two are asked with a
  // directory's lock held, where the last one of a closed file must not be dropped.
  virtual std::vector<int32_t> FdNumbers(int32_t tgid, int32_t tid) = 0;
  // kMayRead | kMayWrite as it is open; nothing: not open.
  virtual std::optional<uint32_t> FdAccess(int32_t tgid, int32_t tid, int32_t fd) = 0;
  virtual OpenFd GetFd(int32_t tgid, int32_t tid, int32_t fd) = 0;  // file null: not open
  virtual Result<void> SetComm(int32_t tgid, int32_t tid, std::string_view comm) = 0;
  virtual int32_t OomScore(int32_t tgid) = 0;
  virtual int32_t OomScoreAdj(int32_t tgid) = 0;
  // EACCES: lowered without CAP_SYS_RESOURCE. The value is in [-1000, 1000].
  virtual Result<void> SetOomScoreAdj(const VfsContext& ctx, int32_t tgid, int32_t value) = 0;
  // What ns/* leads to; null: there is none. `of_children`: where its children go.
  virtual RefPtr<Namespace> GetNamespace(int32_t tgid, int32_t tid, NamespaceKind kind, bool of_children) = 0;

  // Where it is in the hierarchy of control groups, as `ctx`'s caller sees it; "": no such task.
  virtual std::string CgroupPath(const VfsContext& ctx, int32_t tgid, int32_t tid) = 0;

  // --- The system ---
  virtual SystemSnapshot System(const VfsContext& ctx) = 0;  // as the reader's container has it
  virtual SystemNames Names(const VfsContext& ctx) = 0;      // of the caller's UTS namespace
  virtual int32_t PidMax() = 0;
  virtual uint64_t ThreadsMax() = 0;
  virtual uint64_t FileMax() = 0;
  virtual uint64_t NrOpen() = 0;
  virtual uint64_t PipeMaxSize() = 0;
  // Of the caller's IPC namespace.
  virtual std::atomic<uint32_t>& Mqueue(const VfsContext& ctx, MqueueLimit which) = 0;
  virtual SemaphoreNamespace& Semaphores(const VfsContext& ctx) = 0;
  virtual MessageNamespace& Messages(const VfsContext& ctx) = 0;
  virtual SharedMemoryNamespace& SharedMemory(const VfsContext& ctx) = 0;
  virtual uint64_t MaxMapCount() = 0;
  virtual int OvercommitMemory() = 0;
  virtual std::string BootId() = 0;  // a UUID
  // Of the network that guests have: a file below "net" or "sys/net/*".
  virtual bool HasNetFile(std::string_view directory, std::string_view name) = 0;
  virtual Result<std::string> NetFile(std::string_view directory, std::string_view name) = 0;
  // The controllers that /proc/cgroups lists, and how many control groups there are.
  virtual std::vector<std::string> CgroupControllers() = 0;
  virtual uint64_t CgroupCount() = 0;
  // sethostname(2)'s checks and limits; `domain`: setdomainname(2).
  virtual Result<void> SetHostname(const VfsContext& ctx, std::string_view name, bool domain) = 0;
};

}  // namespace sentry

#endif  // SENTRY_FS_PROC_PROCESS_VIEW_H_
