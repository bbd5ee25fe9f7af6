#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/boot/platforms.h"
#include "runsc-cpp/cmd/command.h"
#include "runsc-cpp/cmd/do_flags.h"
#include "runsc-cpp/cmd/raw_terminal.h"
#include "runsc-cpp/sandbox/supervise.h"
#include "runsc-cpp/selection/cache.h"
#include "runsc-cpp/selection/select.h"

extern char** environ;

namespace runsc {

namespace control = sentry::control;

namespace {

absl::StatusOr<std::string> CheckedDirectory(const std::string& path, absl::string_view flag) {
  char resolved[PATH_MAX];
  struct stat st;
  if (realpath(path.c_str(), resolved) == nullptr || stat(resolved, &st) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(flag, " ", path));
  }
  if (!S_ISDIR(st.st_mode)) return absl::InvalidArgumentError(absl::StrCat(flag, " ", path, ": not a directory"));
  if (access(resolved, R_OK | X_OK) != 0) return absl::ErrnoToStatus(errno, absl::StrCat(flag, " ", path));
  return std::string(resolved);
}

absl::Status ResolveVolumes(std::vector<DoVolume>& volumes) {
  for (DoVolume& volume : volumes) {
    char resolved[PATH_MAX];
    if (realpath(volume.host_path.c_str(), resolved) == nullptr) {
      return absl::ErrnoToStatus(errno, absl::StrCat("--volume ", volume.host_path));
    }
    volume.host_path = resolved;
  }
  return absl::OkStatus();
}

std::vector<std::string> Environment(const std::vector<std::string>& extra) {
  std::vector<std::string> env;
  for (char** entry = environ; *entry != nullptr; ++entry) env.emplace_back(*entry);
  for (const std::string& added : extra) {
    const std::string name = added.substr(0, added.find('=') + 1);
    std::erase_if(env, [&](const std::string& e) { return e.compare(0, name.size(), name) == 0; });
    env.push_back(added);
  }
  return env;
}

void AddCaller(control::Container& container) {
  control::Process& process = *container.mutable_process();
  process.set_uid(getuid());
  process.set_gid(getgid());
  gid_t groups[NGROUPS_MAX];
  const int count = getgroups(NGROUPS_MAX, groups);
  for (int i = 0; i < count; ++i) process.add_additional_gids(groups[i]);
  // Root inside has every capability, over our objects only.
  control::Capabilities& capabilities = *process.mutable_capabilities();
  capabilities.set_bounding(UINT64_MAX);
  if (getuid() == 0) {
    capabilities.set_permitted(UINT64_MAX);
    capabilities.set_effective(UINT64_MAX);
  }
  const mode_t mask = umask(0);
  umask(mask);
  process.set_umask(mask);
  for (uint32_t i = 0; i < RLIM_NLIMITS; ++i) {
    rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
    getrlimit(static_cast<__rlimit_resource>(i), &limit);
    control::Rlimit& added = *process.add_rlimits();
    added.set_resource(i);
    added.set_soft(limit.rlim_cur);
    added.set_hard(limit.rlim_max);
  }
  process.mutable_scheduler()->set_nice(getpriority(PRIO_PROCESS, 0));
  for (int signo = 1; signo <= SIGRTMAX; ++signo) {
    struct sigaction action;
    const bool ignored = sigaction(signo, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
    if (ignored) process.set_ignored_signals(process.ignored_signals() | uint64_t{1} << (signo - 1));
  }
  char name[HOST_NAME_MAX + 1] = {};
  gethostname(name, HOST_NAME_MAX);
  container.set_hostname(name);
  container.mutable_uts_namespace()->set_kind(control::NamespaceChoice::OWN);
}

// A terminal on stdin: each stream that is one becomes the guest's own terminal.
void AddStreams(control::Process& process, RequestDescriptors& fds) {
  const bool terminal = isatty(STDIN_FILENO);
  for (int fd = 0; fd <= 2; ++fd) {
    if ((ClosedStreams() >> fd & 1) != 0) continue;
    control::Stream& stream = *process.add_streams();
    stream.set_guest(static_cast<uint32_t>(fd));
    stream.set_terminal(terminal && isatty(fd));
    if (!stream.terminal()) stream.set_file_fd(fds.Add(fd));
  }
  if (!terminal) return;
  control::Terminal& added = *process.mutable_terminal();
  added.set_in_fd(fds.Add(STDIN_FILENO));
  added.set_out_fd(fds.Add(isatty(STDOUT_FILENO) ? STDOUT_FILENO : STDIN_FILENO));
  winsize size;
  if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0) return;
  added.set_rows(size.ws_row);
  added.set_columns(size.ws_col);
}

control::Mount& AddMount(control::Container& container, const char* destination, control::Mount::Kind kind,
                         uint64_t flags) {
  control::Mount& mount = *container.add_mounts();
  mount.set_destination(destination);
  mount.set_kind(kind);
  mount.set_flags(flags);
  return mount;
}

void AddSystemMounts(control::Container& container) {
  AddMount(container, "/proc", control::Mount::PROC, MS_NOSUID | MS_NODEV | MS_NOEXEC);
  AddMount(container, "/sys", control::Mount::SYSFS, MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY);
  AddMount(container, "/sys/fs/cgroup", control::Mount::CGROUP, MS_NOSUID | MS_NODEV | MS_NOEXEC);
  control::Mount& dev = AddMount(container, "/dev", control::Mount::TMPFS, MS_NOSUID | MS_NOEXEC);
  dev.set_options("mode=755");
  dev.set_devices(true);
  AddMount(container, "/dev/pts", control::Mount::DEVPTS, MS_NOSUID | MS_NOEXEC)
      .set_options("gid=5,mode=620,ptmxmode=666");
  AddMount(container, "/dev/shm", control::Mount::TMPFS, MS_NOSUID | MS_NODEV);
}

// What is to run, and of which host files.
struct Plan {
  SentryConfig sentry;
  control::Container container;
  std::vector<GoferExport> exports;
  NetgoferOptions netgofer;
  RequestDescriptors fds;
};

absl::Status AddFiles(DoFlags& flags, Plan& plan) {
  absl::StatusOr<std::string> root = CheckedDirectory(flags.root, "--root");
  if (!root.ok()) return root.status();
  plan.exports.push_back({.host_path = *root});
  plan.container.mutable_root()->set_overlay(true);
  AddSystemMounts(plan.container);
  if (absl::Status s = ResolveVolumes(flags.volumes); !s.ok()) return s;
  for (const DoVolume& volume : flags.volumes) {
    const uint64_t flag = volume.read_only ? MS_RDONLY : 0;
    control::Mount& mount =
        AddMount(plan.container, volume.guest_path.c_str(), control::Mount::BIND, MS_NOSUID | MS_NODEV | flag);
    mount.set_gofer_mount(static_cast<uint32_t>(plan.exports.size()));
    plan.exports.push_back({.host_path = volume.host_path, .read_only = volume.read_only});
  }
  if (flags.cwd.empty()) {
    char cwd[PATH_MAX];
    const bool usable = *root == "/" && getcwd(cwd, sizeof cwd) != nullptr && cwd[0] == '/';
    flags.cwd = usable ? cwd : "/";
  }
  plan.container.mutable_process()->set_cwd(flags.cwd);
  return absl::OkStatus();
}

absl::StatusOr<Plan> MakePlan(DoFlags flags) {
  Plan plan;
  if (absl::Status s = AddFiles(flags, plan); !s.ok()) return s;
  plan.container.set_id("do");
  control::Process& process = *plan.container.mutable_process();
  for (std::string& entry : Environment(flags.env)) process.add_env(std::move(entry));
  for (std::string& word : flags.command) process.add_args(std::move(word));
  AddCaller(plan.container);
  AddStreams(process, plan.fds);
  plan.sentry.set_platform(flags.platform);
  plan.sentry.set_memory_limit(flags.memory);
  plan.sentry.set_strace(flags.strace);
  plan.sentry.set_log_level(flags.log_level);
  plan.netgofer.network = flags.network == kNetworkPassthrough ? NetgoferNetwork::kCallers : NetgoferNetwork::kOwn;
  plan.netgofer.raw_sockets = flags.raw_sockets;
  plan.netgofer.log_level = flags.log_level;
  plan.netgofer.log = STDERR_FILENO;
  cpu_set_t cpus;
  plan.sentry.set_cpu_count(sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1);
  if (flags.platform == kAutoPlatform) {
    absl::StatusOr<std::string> platform = SelectPlatform(CacheParent(), Platforms());
    if (!platform.ok()) return platform.status();
    plan.sentry.set_platform(*platform);
  }
  return plan;
}

absl::StatusOr<SandboxRun> Launch(Plan plan, int device_fd) {
  absl::StatusOr<NetgoferProcess> netgofer = LaunchNetgofer(plan.netgofer);
  if (!netgofer.ok()) return netgofer.status();
  absl::StatusOr<SentryProcess> sentry = StartSentry(
      plan.sentry, {.log = STDERR_FILENO, .device = device_fd, .listen = -1, .netgofer = &netgofer->client});
  if (!sentry.ok()) {
    EndChild(netgofer->pid);
    return sentry.status();
  }
  absl::StatusOr<GoferProcess> gofer =
      LaunchGofer({.exports = plan.exports, .log_level = plan.sentry.log_level(), .log = STDERR_FILENO});
  if (!gofer.ok()) {
    for (const pid_t pid : {sentry->pid, netgofer->pid}) EndChild(pid);
    return gofer.status();
  }
  if (absl::Status s = FinishSentry(*sentry); !s.ok()) {
    for (const pid_t pid : {gofer->pid, netgofer->pid}) EndChild(pid);
    return s;
  }
  return SandboxRun{*std::move(sentry), *std::move(gofer), netgofer->pid, std::move(plan.container),
                    std::move(plan.fds)};
}

}  // namespace

int DoCommand(int argc, char** argv) {
  absl::StatusOr<DoFlags> flags = ParseDoFlags(argc, argv);
  if (!flags.ok()) return Fail("do", std::string(flags.status().message()));
  if (flags->help) {
    char name[] = "do";
    char* words[] = {name};
    return HelpCommand(1, words);
  }
  absl::StatusOr<Plan> plan = MakePlan(*std::move(flags));
  if (!plan.ok()) return Fail("do", std::string(plan.status().message()));
  const std::string platform = plan->sentry.platform();
  absl::StatusOr<base::UniqueFd> device = OpenDevice(*FindPlatform(platform));
  if (!device.ok()) return Fail("do", absl::StrCat("--platform=", platform, ": ", device.status().message()));
  BlockSignals();
  const RawTerminal terminal;
  absl::StatusOr<SandboxRun> run = Launch(*std::move(plan), device->get());
  if (!run.ok()) return Fail("do", absl::StrCat("the sandbox did not start: ", run.status().message()));
  return Supervise(*std::move(run));
}

}  // namespace runsc
