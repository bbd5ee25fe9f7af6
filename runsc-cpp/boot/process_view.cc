#include "runsc-cpp/boot/process_view.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sentry/fs/proc/mm_memory.h"
#include "sentry/kernel/acting_namespaces.h"
#include "sentry/kernel/cgroup/tree.h"
#include "sentry/kernel/pid_table.h"
#include "sentry/kernel/sched/task_sched.h"
#include "sentry/kernel/version.h"
#include "sentry/net/net_state.h"
#include "sentry/syscalls/rooms.h"
#include "sentry/vfs/controlling_terminal.h"

namespace runsc {
namespace {

using namespace sentry;  // NOLINT: all names of this file are the kernel's

constexpr int64_t kTickNs = kNsPerSec / 100;
constexpr uint64_t kMaxMappings = 65530;
constexpr uint64_t kMaxOpenFiles = 1 << 20;
constexpr size_t kNameLength = 64;

uint64_t Ticks(int64_t ns) { return static_cast<uint64_t>(std::max<int64_t>(ns, 0) / kTickNs); }

std::string NewUuid() {
  uint8_t b[16];
  CHECK(getrandom(b, sizeof b, 0) == static_cast<ssize_t>(sizeof b));
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  std::string out;
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    absl::StrAppendFormat(&out, "%02x", b[i]);
  }
  return out;
}

void FillLimits(ThreadGroup& group, TaskSnapshot& s) {
  for (size_t i = 0; i < s.limits.size(); ++i) {
    const Rlimit limit = group.limit(static_cast<RlimitKind>(i));
    s.limits[i] = {.current = limit.soft, .maximum = limit.hard};
  }
}

void FillTimes(Task& task, ThreadGroup& group, int64_t boot_time, TaskSnapshot& s) {
  const ThreadGroup::CpuTimes own = task.cpu_times();
  const ThreadGroup::CpuTimes all = group.cpu_times();
  const ThreadGroup::CpuTimes children = group.children_cpu_times();
  s.start_ticks = Ticks(task.start_time_ns() - boot_time);
  s.user_ticks = Ticks(own.user_ns), s.system_ticks = Ticks(own.system_ns);
  s.process_user_ticks = Ticks(all.user_ns), s.process_system_ticks = Ticks(all.system_ns);
  s.children_user_ticks = Ticks(children.user_ns), s.children_system_ticks = Ticks(children.system_ns);
}

void FillSignals(Task& task, ThreadGroup& group, TaskSnapshot& s) {
  s.shared_pending = group.shared_pending().bits;
  s.pending = task.pending().bits & ~s.shared_pending;
  s.blocked = task.blocked().bits;
  s.ignored = group.actions()->ignored().bits;
  s.caught = group.actions()->caught().bits;
}

void FillScheduling(Task& task, TaskSnapshot& s) {
  const SchedAttributes now = task.sched().attributes();
  s.nice = now.nice;
  s.priority = now.stat_priority();
  s.rt_priority = now.rt_priority;
  s.policy = static_cast<uint32_t>(now.policy);
  const uint64_t cpus = task.cpus();
  for (uint32_t cpu = 0; cpu < 64; ++cpu) {
    if ((cpus >> cpu & 1) != 0) s.cpus.push_back(cpu);
  }
}

void FillTerminal(Task& task, const PidNamespace& ns, TaskSnapshot& s) {
  const RefPtr<base::RefCounted> object = task.kernel().pids().terminal_ref(task.group());
  if (!object) return;
  ControllingTerminal& terminal = static_cast<ControllingTerminal&>(*object);
  s.tty_nr = terminal.device();
  s.tpgid = task.kernel().pids().NumberOf(terminal.foreground_group(), ns);
}

}  // namespace

KernelProcessView::KernelProcessView(Kernel& kernel, RefPtr<PidNamespace> ns) : kernel_(kernel), ns_(std::move(ns)) {}

std::string KernelProcessView::BootId() {
  static const std::string id = NewUuid();  // one a sandbox
  return id;
}

int32_t KernelProcessView::NumberOf(int32_t id) { return kernel_.pids().NumberOf(id, *ns_); }
int32_t KernelProcessView::IdOf(int32_t number) { return kernel_.pids().IdOf(number, *ns_); }

RefPtr<Task> KernelProcessView::Find(int32_t tgid, int32_t tid) const {
  RefPtr<Task> task = kernel_.FindTask(tid, *ns_);
  if (!task || task->group().pid().NumberIn(*ns_) != tgid) return nullptr;
  return task;
}

RefPtr<ThreadGroup> KernelProcessView::FindGroup(int32_t tgid) const { return kernel_.FindGroup(tgid, *ns_); }

void KernelProcessView::FillNumbers(const Task& task, TaskSnapshot& s) const {
  const PidTable::Numbers numbers = kernel_.pids().NumbersOf(task, *ns_);
  // Of a group outside the namespaces that see it only zeros are told.
  auto each = [&](const RefPtr<Pid>& pid) {
    std::vector<int32_t> out;
    const PidNamespace* level = &numbers.tgid->ns();
    for (; level->level() > ns_->level(); level = level->parent().get()) {
      out.insert(out.begin(), pid ? pid->NumberIn(*level) : 0);
    }
    out.insert(out.begin(), pid ? pid->NumberIn(*ns_) : 0);
    return out;
  };
  s.id = task.tgid();
  s.ns_tids = each(numbers.tid), s.ns_tgids = each(numbers.tgid);
  s.ns_pgids = each(numbers.pgid), s.ns_sids = each(numbers.sid);
  s.ppid = numbers.ppid, s.pgid = s.ns_pgids.front(), s.sid = s.ns_sids.front();
}

std::vector<int32_t> KernelProcessView::Processes() {
  std::vector<int32_t> ids;
  for (const RefPtr<ThreadGroup>& group : kernel_.Groups(*ns_)) ids.push_back(group->pid().NumberIn(*ns_));
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::vector<int32_t> KernelProcessView::Threads(int32_t tgid) {
  std::vector<int32_t> ids;
  const RefPtr<ThreadGroup> group = FindGroup(tgid);
  if (!group) return ids;
  for (const RefPtr<Task>& task : group->tasks()) ids.push_back(NumberOf(task->tid()));
  if (ids.empty()) ids.push_back(tgid);  // a zombie
  std::sort(ids.begin(), ids.end());
  return ids;
}

uint64_t KernelProcessView::TaskSerial(int32_t tgid, int32_t tid) {
  const RefPtr<Task> task = Find(tgid, tid);
  return task ? task->serial() : 0;
}

std::optional<TaskSnapshot> KernelProcessView::Snapshot(int32_t tgid, int32_t tid) {
  const RefPtr<Task> task = Find(tgid, tid);
  if (!task) return std::nullopt;
  ThreadGroup& group = task->group();
  TaskSnapshot s;
  s.tgid = tgid, s.tid = tid;
  FillNumbers(*task, s);
  s.comm = task->name();
  s.state = task->state;
  s.creds = task->SharedCreds();
  s.threads = std::max<int32_t>(1, static_cast<int32_t>(group.tasks().size()));
  s.exit_signal = kernel_.pids().exit_signal(group);
  s.exit_code = group.exiting() ? group.exit_status().ToWaitStatus() : 0;
  FillScheduling(*task, s);
  FillTimes(*task, group, 0, s);
  FillSignals(*task, group, s);
  FillLimits(group, s);
  FillTerminal(*task, *ns_, s);
  if (const RefPtr<FsContext> fs = task->SharedFs()) s.umask = fs->umask();
  s.personality = task->personality;
  const Task::SeccompStatus seccomp = task->seccomp_status();
  s.seccomp_mode = static_cast<int32_t>(seccomp.mode), s.seccomp_filters = seccomp.filters;
  s.wchan.assign(1, '0');
  if (RefPtr<MemoryManager> mm = task->SharedMm()) {
    s.dumpable = mm->dumpable;
    s.memory_ns = group.memory_ns();
    s.memory = MakeRef<MmProcessMemory>(std::move(mm));
  }
  return s;
}

TaskPlaces KernelProcessView::Places(int32_t tgid, int32_t tid) {
  TaskPlaces places;
  const RefPtr<Task> task = Find(tgid, tid);
  if (!task) return places;
  if (const RefPtr<FsContext> fs = task->SharedFs()) places.cwd = fs->cwd(), places.root = fs->root();
  places.mounts = task->mounts();
  if (const RefPtr<MemoryManager> mm = task->SharedMm()) {
    const RefPtr<FileIdentity> executable = mm->layout().executable;
    if (executable) places.exe = static_cast<FileDescription&>(*executable).path();
  }
  return places;
}

std::vector<int32_t> KernelProcessView::FdNumbers(int32_t tgid, int32_t tid) {
  const RefPtr<Task> task = Find(tgid, tid);
  const RefPtr<FdTable> fds = task ? task->SharedFds() : nullptr;
  if (!fds) return {};
  return fds->Numbers();
}

std::optional<uint32_t> KernelProcessView::FdAccess(int32_t tgid, int32_t tid, int32_t fd) {
  const RefPtr<Task> task = Find(tgid, tid);
  const RefPtr<FdTable> fds = task ? task->SharedFds() : nullptr;
  if (!fds) return std::nullopt;
  return fds->Access(fd);
}

OpenFd KernelProcessView::GetFd(int32_t tgid, int32_t tid, int32_t fd) {
  const RefPtr<Task> task = Find(tgid, tid);
  const RefPtr<FdTable> fds = task ? task->SharedFds() : nullptr;
  if (!fds) return {};
  Result<RefPtr<FileDescription>> file = fds->Get(fd);
  const Result<CloseOnExec> close = fds->GetCloseOnExec(fd);
  if (!file.ok() || !close.ok()) return {};
  return {.fd = fd, .close_on_exec = *close == CloseOnExec::kYes, .file = std::move(*file)};
}

Result<void> KernelProcessView::SetComm(int32_t tgid, int32_t tid, std::string_view comm) {
  const RefPtr<Task> task = Find(tgid, tid);
  if (!task) return Errno::kESRCH;
  task->SetName(comm);
  return Ok();
}

// Linux's badness, in thousandths of the memory that the sandbox may use.
int32_t KernelProcessView::OomScore(int32_t tgid) {
  const RefPtr<Task> task = kernel_.FindTask(tgid, *ns_);
  const RefPtr<MemoryManager> mm = task ? task->SharedMm() : nullptr;
  if (!mm) return 0;
  const uint64_t total = std::max<uint64_t>(kernel_.memory_file().limit(), 1);
  const int64_t share = static_cast<int64_t>(mm->usage().resident_bytes * 1000 / total);
  return static_cast<int32_t>(std::max<int64_t>(0, (1000 + share + task->group().oom_score_adj) * 2 / 3));
}

int32_t KernelProcessView::OomScoreAdj(int32_t tgid) {
  const RefPtr<ThreadGroup> group = FindGroup(tgid);
  return group ? group->oom_score_adj.load() : 0;
}

Result<void> KernelProcessView::SetOomScoreAdj(const VfsContext& ctx, int32_t tgid, int32_t value) {
  const RefPtr<ThreadGroup> group = FindGroup(tgid);
  if (!group) return Errno::kESRCH;
  if (value < group->oom_score_adj && !ctx.creds->Has(Capability::kSysResource)) return Errno::kEACCES;
  group->oom_score_adj = value;
  return Ok();
}

RefPtr<Namespace> KernelProcessView::GetNamespace(int32_t tgid, int32_t tid, NamespaceKind kind, bool of_children) {
  const RefPtr<Task> task = Find(tgid, tid);
  if (!task) return nullptr;
  if (!of_children) return task->NamespaceOf(kind);
  const RefPtr<Nsproxy> nsproxy = task->SharedNsproxy();
  // As long as nobody was born there, nobody may look there either.
  if (!nsproxy || kernel_.pids().last_number(*nsproxy->pid_for_children) == 0) return nullptr;
  return nsproxy->pid_for_children;
}

std::string KernelProcessView::CgroupPath(const VfsContext& ctx, int32_t tgid, int32_t tid) {
  const RefPtr<Task> task = Find(tgid, tid);
  const RefPtr<Cgroup> cgroup = task ? task->cgroup_member().cgroup() : nullptr;
  if (!cgroup) return "";
  return absl::StrCat(cgroup->PathFrom(*NamespacesOf(kernel_, ctx)->cgroup->root()),
                      cgroup->removed() ? " (deleted)" : "");
}

std::vector<std::string> KernelProcessView::CgroupControllers() {
  std::vector<std::string> names;
  for (const CgroupControllerName& row : kControllerNames) names.push_back(row.name);
  return names;
}

uint64_t KernelProcessView::CgroupCount() { return kernel_.cgroups().root()->Descendants() + 1; }

SystemSnapshot KernelProcessView::System(const VfsContext& ctx) {
  SystemSnapshot s;
  const RefPtr<Nsproxy> namespaces = NamespacesOf(kernel_, ctx);
  const Cgroup& container = *namespaces->cgroup->machine();
  const int cpus = std::max(std::popcount(container.effective_cpus()), 1);
  const int64_t up = RealtimeNowNs() - kernel_.boot_time_ns();
  int64_t busy = 0;
  s.last_pid = kernel_.pids().last_number(*ns_);
  for (const RefPtr<ThreadGroup>& group : kernel_.Groups(kernel_.root_pid_ns())) {
    const ThreadGroup::CpuTimes times = group->cpu_times();
    busy += times.user_ns + times.system_ns;
    for (const RefPtr<Task>& task : group->tasks()) {
      ++s.total_threads;
      if (task->state == 'R') ++s.running_threads;
    }
  }
  s.uptime_ns = static_cast<uint64_t>(up);
  s.idle_ns = static_cast<uint64_t>(std::max<int64_t>(0, up * cpus - busy));
  s.boot_time = static_cast<uint64_t>(kernel_.boot_time_ns() / kNsPerSec);
  s.context_switches = kernel_.context_switches;
  s.forks = kernel_.forks;
  for (int i = 0; i < cpus; ++i) {
    s.cpus.push_back(
        {.user = Ticks(busy / cpus), .nice = 0, .system = 0, .idle = Ticks(static_cast<int64_t>(s.idle_ns) / cpus)});
  }
  const MemoryFile::View memory = kernel_.memory_file().ViewOf(container.memory());
  s.mem_total = memory.limit;
  s.mem_free = s.mem_available = memory.free();
  s.mem_shared = memory.shared;
  s.mem_cached = memory.shared + memory.page_cache;
  s.mem_anonymous = memory.anonymous;
  return s;
}

SystemNames KernelProcessView::Names(const VfsContext& ctx) {
  const UtsName uts = NamespacesOf(kernel_, ctx)->uts->name();
  return {.os_type = kOsType,
          .os_release = kOsRelease,
          .os_version = kOsVersion,
          .hostname = uts.hostname,
          .domainname = uts.domainname,
          .proc_version = absl::StrCat(kOsType, " version ", kOsRelease, " (runsc-cpp) ", kOsVersion),
          .command_line = "runsc-cpp"};
}

int32_t KernelProcessView::PidMax() { return PidTable::kPidMax; }
uint64_t KernelProcessView::ThreadsMax() { return kernel_.max_tasks(); }
uint64_t KernelProcessView::FileMax() { return kernel_.max_tasks() * kMaxOpenFiles; }
uint64_t KernelProcessView::NrOpen() { return kMaxOpenFiles; }
uint64_t KernelProcessView::PipeMaxSize() { return 1 << 20; }

std::atomic<uint32_t>& KernelProcessView::Mqueue(const VfsContext& ctx, MqueueLimit which) {
  MqueueLimits& limits = MqueuesOf(kernel_, ctx).limits();
  switch (which) {
    case MqueueLimit::kQueuesMax:
      return limits.queues_max;
    case MqueueLimit::kMsgMax:
      return limits.msg_max;
    case MqueueLimit::kMsgsizeMax:
      return limits.msgsize_max;
    case MqueueLimit::kMsgDefault:
      return limits.msg_default;
    case MqueueLimit::kMsgsizeDefault:
      break;
  }
  return limits.msgsize_default;
}

SemaphoreNamespace& KernelProcessView::Semaphores(const VfsContext& ctx) {
  return SemaphoresOf(*NamespacesOf(kernel_, ctx)->ipc);
}

MessageNamespace& KernelProcessView::Messages(const VfsContext& ctx) {
  return MessagesOf(*NamespacesOf(kernel_, ctx)->ipc);
}

SharedMemoryNamespace& KernelProcessView::SharedMemory(const VfsContext& ctx) {
  return SharedMemoryOf(kernel_, *NamespacesOf(kernel_, ctx)->ipc);
}

uint64_t KernelProcessView::MaxMapCount() { return kMaxMappings; }

bool KernelProcessView::HasNetFile(std::string_view directory, std::string_view name) {
  const NetState* const net = kernel_.net_state();
  return net != nullptr && net->stack() != nullptr && net->stack()->HasProcFile(directory, name);
}

Result<std::string> KernelProcessView::NetFile(std::string_view directory, std::string_view name) {
  if (!HasNetFile(directory, name)) return Errno::kENOENT;
  return kernel_.net_state()->stack()->ProcFile(directory, name);
}

Result<void> KernelProcessView::SetHostname(const VfsContext& ctx, std::string_view name, bool domain) {
  const RefPtr<UtsNamespace> uts = NamespacesOf(kernel_, ctx)->uts;
  if (!ctx.creds->HasIn(*uts->owner(), Capability::kSysAdmin)) return Errno::kEPERM;
  if (name.size() > kNameLength) return Errno::kEINVAL;
  if (domain) {
    uts->SetDomainname(std::string(name));
  } else {
    uts->SetHostname(std::string(name));
  }
  return Ok();
}

}  // namespace runsc
