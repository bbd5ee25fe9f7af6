// /proc/{meminfo,stat,uptime,...} and /proc/sys.
#include <sys/random.h>

#include <charconv>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sentry/fs/proc/proc_rows.h"
#include "sentry/fs/proc/sysctl.h"

namespace sentry {
namespace {

std::string Line(uint64_t value) { return absl::StrCat(value, "\n"); }

Result<std::string> MemInfo(const ProcRequest& r) {
  const SystemSnapshot s = r.view.System(r.ctx);
  const std::pair<const char*, uint64_t> rows[] = {
      {"MemTotal", s.mem_total},
      {"MemFree", s.mem_free},
      {"MemAvailable", s.mem_available},
      {"Buffers", 0},
      {"Cached", s.mem_cached},
      {"SwapCached", 0},
      {"SwapTotal", 0},
      {"SwapFree", 0},
      {"AnonPages", s.mem_anonymous},
      {"Shmem", s.mem_shared},
  };
  std::string out;
  for (const auto& [name, bytes] : rows) {
    absl::StrAppendFormat(&out, "%-16s%8u kB\n", absl::StrCat(name, ":"), bytes / 1024);
  }
  return out;
}

void AppendCpu(std::string_view name, const CpuTimes& t, std::string* out) {
  absl::StrAppendFormat(out, "%s %u %u %u %u 0 0 0 0 0 0\n", name, t.user, t.nice, t.system, t.idle);
}

Result<std::string> Stat(const ProcRequest& r) {
  const SystemSnapshot s = r.view.System(r.ctx);
  CpuTimes sum;
  for (const CpuTimes& t : s.cpus) {
    sum.user += t.user, sum.nice += t.nice, sum.system += t.system, sum.idle += t.idle;
  }
  std::string out;
  AppendCpu("cpu ", sum, &out);
  for (size_t i = 0; i < s.cpus.size(); ++i) AppendCpu(absl::StrCat("cpu", i), s.cpus[i], &out);
  absl::StrAppendFormat(&out, "ctxt %u\nbtime %u\nprocesses %u\nprocs_running %u\nprocs_blocked 0\n",
                        s.context_switches, s.boot_time, s.forks, s.running_threads);
  return out;
}

Result<std::string> Uptime(const ProcRequest& r) {
  const SystemSnapshot s = r.view.System(r.ctx);
  constexpr uint64_t kHundredth = 10'000'000;
  const auto hundredths = [](uint64_t ns) { return ns / kHundredth; };
  return absl::StrFormat("%u.%02u %u.%02u\n", hundredths(s.uptime_ns) / 100, hundredths(s.uptime_ns) % 100,
                         hundredths(s.idle_ns) / 100, hundredths(s.idle_ns) % 100);
}

Result<std::string> LoadAvg(const ProcRequest& r) {
  const SystemSnapshot s = r.view.System(r.ctx);
  return absl::StrFormat("%.2f %.2f %.2f %u/%u %d\n", s.load1, s.load5, s.load15, s.running_threads, s.total_threads,
                         s.last_pid);
}

Result<std::string> Version(const ProcRequest& r) { return r.view.Names(r.ctx).proc_version + "\n"; }
Result<std::string> CommandLine(const ProcRequest& r) { return r.view.Names(r.ctx).command_line + "\n"; }
Result<std::string> FileSystems(const ProcRequest&) {
  return std::string(
      "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tcgroup2\nnodev\tdevpts\nnodev\toverlay\nnodev\tmqueue\nnodev\tpi"
      "pefs\n"
      "nodev\tsockfs\n");
}
Result<std::string> Devices(const ProcRequest&) {
  return std::string("Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n");
}
// As of a kernel that has version 2 only.
Result<std::string> Cgroups(const ProcRequest& r) {
  std::string out = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n";
  for (const std::string& name : r.view.CgroupControllers()) {
    absl::StrAppend(&out, name, "\t0\t", r.view.CgroupCount(), "\t1\n");
  }
  return out;
}
Result<std::string> Swaps(const ProcRequest&) {
  return std::string("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
}

constexpr ProcFileRow kSystemRows[] = {
    {"cgroups", 0444, Cgroups},
    {"cmdline", 0444, CommandLine},
    {"cpuinfo", 0444, CpuInfoText},
    {"devices", 0444, Devices},
    {"filesystems", 0444, FileSystems},
    {"loadavg", 0444, LoadAvg},
    {"meminfo", 0444, MemInfo},
    {"stat", 0444, Stat},
    {"swaps", 0444, Swaps},
    {"uptime", 0444, Uptime},
    {"version", 0444, Version},
};

// --- /proc/sys ---

std::string NewUuid() {
  uint8_t b[16];
  // At most 256 bytes of a seeded pool are never cut short.
  if (getrandom(b, sizeof(b), 0) != sizeof(b)) return "";
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  std::string out;
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    absl::StrAppendFormat(&out, "%02x", b[i]);
  }
  return out;
}

Result<std::string> Uuid(const ProcRequest&) {
  const std::string uuid = NewUuid();
  if (uuid.empty()) return Errno::kEIO;
  return uuid + "\n";
}

std::string_view WithoutNewline(std::string_view text) {
  return text.substr(0, text.find_first_of(std::string_view("\n\0", 2)));
}

constexpr ProcFileRow kRandomRows[] = {
    {"boot_id", 0444, [](const ProcRequest& r) -> Result<std::string> { return r.view.BootId() + "\n"; }},
    {"entropy_avail", 0444, [](const ProcRequest&) -> Result<std::string> { return Line(256); }},
    {"poolsize", 0444, [](const ProcRequest&) -> Result<std::string> { return Line(256); }},
    {"uuid", 0444, Uuid},
};

constexpr ProcFileRow kKernelRows[] = {
    {"cap_last_cap", 0444, [](const ProcRequest&) -> Result<std::string> { return Line(kLastCapability); }},
    {"domainname", 0644,
     [](const ProcRequest& r) -> Result<std::string> { return r.view.Names(r.ctx).domainname + "\n"; },
     [](const ProcRequest& r, std::string_view text) { return r.view.SetHostname(r.ctx, WithoutNewline(text), true); }},
    {"hostname", 0644, [](const ProcRequest& r) -> Result<std::string> { return r.view.Names(r.ctx).hostname + "\n"; },
     [](const ProcRequest& r, std::string_view text) {
       return r.view.SetHostname(r.ctx, WithoutNewline(text), false);
     }},
    SysvRow<SysvLimit::kMsgMax>("msgmax"),
    SysvRow<SysvLimit::kMsgMnb>("msgmnb"),
    SysvRow<SysvLimit::kMsgMni>("msgmni"),
    {"ngroups_max", 0444, [](const ProcRequest&) -> Result<std::string> { return Line(65536); }},
    {"osrelease", 0444,
     [](const ProcRequest& r) -> Result<std::string> { return r.view.Names(r.ctx).os_release + "\n"; }},
    {"ostype", 0444, [](const ProcRequest& r) -> Result<std::string> { return r.view.Names(r.ctx).os_type + "\n"; }},
    {"overflowgid", 0444, [](const ProcRequest&) -> Result<std::string> { return Line(65534); }},
    {"overflowuid", 0444, [](const ProcRequest&) -> Result<std::string> { return Line(65534); }},
    {"pid_max", 0444,
     [](const ProcRequest& r) -> Result<std::string> { return Line(static_cast<uint64_t>(r.view.PidMax())); }},
    SysvRow<SysvLimit::kSem>("sem"),
    SysvRow<SysvLimit::kShmRmidForced>("shm_rmid_forced"),
    SysvRow<SysvLimit::kShmAll>("shmall"),
    SysvRow<SysvLimit::kShmMax>("shmmax"),
    SysvRow<SysvLimit::kShmMni>("shmmni"),
    {"threads-max", 0444, [](const ProcRequest& r) -> Result<std::string> { return Line(r.view.ThreadsMax()); }},
    {"version", 0444,
     [](const ProcRequest& r) -> Result<std::string> { return r.view.Names(r.ctx).os_version + "\n"; }},
};

// What each filter may answer, and which of it is logged: Linux's defaults.
constexpr ProcFileRow kSeccompRows[] = {
    {"actions_avail", 0444,
     [](const ProcRequest&) -> Result<std::string> {
       return std::string("kill_process kill_thread trap errno user_notif trace log allow\n");
     }},
    {"actions_logged", 0444,
     [](const ProcRequest&) -> Result<std::string> {
       return std::string("kill_process kill_thread trap errno user_notif trace log\n");
     }},
};

constexpr ProcFileRow kFsRows[] = {
    {"file-max", 0444, [](const ProcRequest& r) -> Result<std::string> { return Line(r.view.FileMax()); }},
    {"nr_open", 0444, [](const ProcRequest& r) -> Result<std::string> { return Line(r.view.NrOpen()); }},
    {"pipe-max-size", 0444, [](const ProcRequest& r) -> Result<std::string> { return Line(r.view.PipeMaxSize()); }},
};

constexpr ProcFileRow kVmRows[] = {
    {"max_map_count", 0444, [](const ProcRequest& r) -> Result<std::string> { return Line(r.view.MaxMapCount()); }},
    {"mmap_min_addr", 0444, [](const ProcRequest&) -> Result<std::string> { return Line(kMinUserAddr.value); }},
    {"overcommit_memory", 0444,
     [](const ProcRequest& r) -> Result<std::string> {
       return Line(static_cast<uint64_t>(r.view.OvercommitMemory()));
     }},
};

// user.max_*_namespaces, of the caller's user namespace.
template <NamespaceKind kKind>
Result<std::string> MaxNamespaces(const ProcRequest& r) {
  return Line(static_cast<uint64_t>(r.ctx.creds->user_ns->limit(kKind)));
}
template <NamespaceKind kKind>
Result<void> SetMaxNamespaces(const ProcRequest& r, std::string_view text) {
  text = WithoutNewline(text);
  int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return Errno::kEINVAL;
  r.ctx.creds->user_ns->SetLimit(kKind, value);
  return Ok();
}
Result<void> MaySetMaxNamespaces(const ProcRequest& r) {
  return r.ctx.creds->HasHere(Capability::kSysResource) ? Ok() : Errno::kEACCES;
}
template <NamespaceKind kKind>
constexpr ProcFileRow MaxRow(const char* name) {
  return {name, 0644, MaxNamespaces<kKind>, SetMaxNamespaces<kKind>, false, false, MaySetMaxNamespaces};
}
constexpr ProcFileRow kUserRows[] = {
    MaxRow<NamespaceKind::kCgroup>("max_cgroup_namespaces"), MaxRow<NamespaceKind::kIpc>("max_ipc_namespaces"),
    MaxRow<NamespaceKind::kMnt>("max_mnt_namespaces"),       MaxRow<NamespaceKind::kPid>("max_pid_namespaces"),
    MaxRow<NamespaceKind::kUser>("max_user_namespaces"),     MaxRow<NamespaceKind::kUts>("max_uts_namespaces"),
};

constexpr ProcDirRow kKernelDirs[] = {{"random", kRandomRows, {}}, {"seccomp", kSeccompRows, {}}};
constexpr ProcDirRow kFsDirs[] = {{"inotify", kInotifyRows, {}}, {"mqueue", kMqueueRows, {}}};
const ProcDirRow kSysDirs[] = {{"fs", kFsRows, kFsDirs},
                               {"kernel", kKernelRows, kKernelDirs},
                               {"net", {}, SysNetDirRows()},
                               {"user", kUserRows, {}},
                               {"vm", kVmRows, {}}};
const ProcDirRow kSystemDirs[] = {{"sys", {}, kSysDirs}, {"sysvipc", kSysvIpcRows, {}}};

}  // namespace

std::span<const ProcFileRow> SystemFileRows() { return kSystemRows; }
std::span<const ProcDirRow> SystemDirRows() { return kSystemDirs; }

}  // namespace sentry
