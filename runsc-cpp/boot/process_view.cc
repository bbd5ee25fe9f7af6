#include "runsc-cpp/boot/process_view.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sentry/fs/proc/mm_memory.h"
#include "sentry/kernel/cgroup/tree.h"
#include "sentry/kernel/pid_table.h"
#include "sentry/kernel/version.h"
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

void FillTerminal(Task& task, TaskSnapshot& s) {
  const RefPtr<base::RefCounted> object = task.kernel().pids().terminal_ref(task.group());
  if (!object) return;
  ControllingTerminal& terminal = static_cast<ControllingTerminal&>(*object);
  s.tty_nr = terminal.device();
  s.tpgid = terminal.foreground_group();
}

}  // namespace

KernelProcessView::KernelProcessView(Kernel& kernel) : kernel_(kernel), boot_id_(NewUuid()) {}

RefPtr<Task> KernelProcessView::Find(int32_t tgid, int32_t tid) const {
  RefPtr<Task> task = kernel_.FindTask(tid);
  if (!task || task->tgid() != tgid) return nullptr;
  return task;
}

std::vector<int32_t> KernelProcessView::Processes() {
  std::vector<int32_t> ids;
  for (const RefPtr<ThreadGroup>& group : kernel_.Groups()) ids.push_back(group->tgid());
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::vector<int32_t> KernelProcessView::Threads(int32_t tgid) {
  std::vector<int32_t> ids;
  const RefPtr<ThreadGroup> group = kernel_.FindGroup(tgid);
  if (!group) return ids;
  for (const RefPtr<Task>& task : group->tasks()) ids.push_back(task->tid());
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
  s.ppid = group.ppid(), s.pgid = group.process_group_id(), s.sid = group.session_id();
  s.comm = task->name();
  s.state = task->state;
  s.creds = task->SharedCreds();
  s.threads = std::max<int32_t>(1, static_cast<int32_t>(group.tasks().size()));
  s.exit_signal = kernel_.pids().exit_signal(group);
  s.exit_code = group.exiting() ? group.exit_status().ToWaitStatus() : 0;
  s.nice = task->nice;
  s.priority = 20 + s.nice;
  s.policy = static_cast<uint32_t>(task->sched_policy.load());
  FillTimes(*task, group, 0, s);
  FillSignals(*task, group, s);
  FillLimits(group, s);
  FillTerminal(*task, s);
  if (const RefPtr<FsContext> fs = task->SharedFs()) s.umask = fs->umask();
  for (int cpu = 0; cpu < kernel_.cpu_count(); ++cpu) {
    if ((task->cpu_affinity & task->cgroup_member().allowed_cpus()) >> cpu & 1)
      s.cpus.push_back(static_cast<uint32_t>(cpu));
  }
  s.wchan.assign(1, '0');
  if (RefPtr<MemoryManager> mm = task->SharedMm()) {
    s.dumpable = mm->dumpable;
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
  const RefPtr<Task> task = kernel_.FindTask(tgid);
  const RefPtr<MemoryManager> mm = task ? task->SharedMm() : nullptr;
  if (!mm) return 0;
  const uint64_t total = std::max<uint64_t>(kernel_.memory_file().limit(), 1);
  const int64_t share = static_cast<int64_t>(mm->usage().resident_bytes * 1000 / total);
  return static_cast<int32_t>(std::max<int64_t>(0, (1000 + share + task->group().oom_score_adj) * 2 / 3));
}

int32_t KernelProcessView::OomScoreAdj(int32_t tgid) {
  const RefPtr<ThreadGroup> group = kernel_.FindGroup(tgid);
  return group ? group->oom_score_adj.load() : 0;
}

Result<void> KernelProcessView::SetOomScoreAdj(const VfsContext& ctx, int32_t tgid, int32_t value) {
  const RefPtr<ThreadGroup> group = kernel_.FindGroup(tgid);
  if (!group) return Errno::kESRCH;
  if (value < group->oom_score_adj && !ctx.creds->Has(Capability::kSysResource)) return Errno::kEACCES;
  group->oom_score_adj = value;
  return Ok();
}

std::string KernelProcessView::CgroupPath(const VfsContext& ctx, int32_t tgid, int32_t tid) {
  const RefPtr<Task> task = Find(tgid, tid);
  const RefPtr<Cgroup> cgroup = task ? task->cgroup_member().cgroup() : nullptr;
  if (!cgroup) return "";
  const RefPtr<Task> reader = kernel_.FindTask(ctx.tid);
  const RefPtr<CgroupNamespace> ns = reader ? reader->cgroup_namespace() : nullptr;
  return absl::StrCat(cgroup->PathFrom(ns ? *ns->root() : *kernel_.cgroups().root()),
                      cgroup->removed() ? " (deleted)" : "");
}

std::vector<std::string> KernelProcessView::CgroupControllers() {
  std::vector<std::string> names;
  for (const CgroupControllerName& row : kControllerNames) names.push_back(row.name);
  return names;
}

uint64_t KernelProcessView::CgroupCount() { return kernel_.cgroups().root()->Descendants() + 1; }

// Numbers as Linux gives its first namespaces; a process has no others but for
// mounts.
uint64_t KernelProcessView::NamespaceId(int32_t tgid, NamespaceKind kind) {
  constexpr uint64_t kFirst = 0xf0000000;
  switch (kind) {
    case NamespaceKind::kIpc:
      return kFirst - 1;
    case NamespaceKind::kUts:
      return kFirst - 2;
    case NamespaceKind::kUser:
      return kFirst - 3;
    case NamespaceKind::kPid:
      return kFirst - 4;
    case NamespaceKind::kCgroup:
      return kFirst - 5;
    case NamespaceKind::kNet:
      return kFirst + 0xdb;
    case NamespaceKind::kMnt: {
      const RefPtr<Task> task = kernel_.FindTask(tgid);
      const RefPtr<MountNamespace> mounts = task ? task->mounts() : nullptr;
      return mounts ? kFirst + static_cast<uint64_t>(mounts->root().mount->id()) : 0;
    }
    case NamespaceKind::kTime:
      return 0;
  }
  return 0;
}

SystemSnapshot KernelProcessView::System(const VfsContext& ctx) {
  SystemSnapshot s;
  const RefPtr<Task> reader = kernel_.FindTask(ctx.tid);
  const RefPtr<CgroupNamespace> ns = reader ? reader->cgroup_namespace() : nullptr;
  const Cgroup& container = ns ? *ns->root() : *kernel_.cgroups().root();
  const int cpus = std::max(std::popcount(container.effective_cpus()), 1);
  const int64_t up = RealtimeNowNs() - kernel_.boot_time_ns();
  int64_t busy = 0;
  for (const RefPtr<ThreadGroup>& group : kernel_.Groups()) {
    const ThreadGroup::CpuTimes times = group->cpu_times();
    busy += times.user_ns + times.system_ns;
    s.last_pid = std::max(s.last_pid, group->tgid());
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

SystemNames KernelProcessView::Names() {
  const UtsName uts = kernel_.uts();
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
uint64_t KernelProcessView::MaxMapCount() { return kMaxMappings; }

Result<void> KernelProcessView::SetHostname(const VfsContext& ctx, std::string_view name, bool domain) {
  if (!ctx.creds->Has(Capability::kSysAdmin)) return Errno::kEPERM;
  if (name.size() > kNameLength) return Errno::kEINVAL;
  UtsName uts = kernel_.uts();
  (domain ? uts.domainname : uts.hostname) = std::string(name);
  kernel_.SetUts(std::move(uts));
  return Ok();
}

}  // namespace runsc
