#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
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

absl::Status ResolveVolumes(std::vector<VolumeConfig>& volumes) {
  for (VolumeConfig& volume : volumes) {
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

void AddCaller(SandboxConfig& config) {
  config.uid = getuid();
  config.gid = getgid();
  gid_t groups[NGROUPS_MAX];
  const int count = getgroups(NGROUPS_MAX, groups);
  for (int i = 0; i < count; ++i) config.groups.push_back(groups[i]);
  config.umask = umask(0);
  umask(config.umask);
  for (int i = 0; i < RLIM_NLIMITS; ++i) {
    rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
    getrlimit(static_cast<__rlimit_resource>(i), &limit);
    config.limits.push_back(limit.rlim_cur);
    config.limits.push_back(limit.rlim_max);
  }
  config.nice = static_cast<uint32_t>(20 + getpriority(PRIO_PROCESS, 0));
  config.closed_streams = ClosedStreams();
  for (int signo = 1; signo <= SIGRTMAX; ++signo) {
    struct sigaction action;
    const bool ignored = sigaction(signo, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
    if (ignored) config.ignored_signals |= uint64_t{1} << (signo - 1);
  }
  char name[HOST_NAME_MAX + 1] = {};
  gethostname(name, HOST_NAME_MAX);
  config.hostname = name;
  cpu_set_t cpus;
  config.cpu_count = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
}

absl::StatusOr<SandboxConfig> MakeConfig(DoFlags flags) {
  SandboxConfig config;
  absl::StatusOr<std::string> root = CheckedDirectory(flags.root, "--root");
  if (!root.ok()) return root.status();
  config.root = *std::move(root);
  if (absl::Status s = ResolveVolumes(flags.volumes); !s.ok()) return s;
  config.volumes = std::move(flags.volumes);
  if (flags.cwd.empty()) {
    char cwd[PATH_MAX];
    const bool usable = config.root == "/" && getcwd(cwd, sizeof cwd) != nullptr && cwd[0] == '/';
    flags.cwd = usable ? cwd : "/";
  }
  config.cwd = std::move(flags.cwd);
  config.envp = Environment(flags.env);
  config.argv = std::move(flags.command);
  config.platform = std::move(flags.platform);
  config.memory_limit = flags.memory;
  config.network = std::move(flags.network);
  config.raw_sockets = flags.raw_sockets;
  config.strace = flags.strace;
  config.log_level = flags.log_level;
  AddCaller(config);
  if (config.platform == kAutoPlatform) {
    absl::StatusOr<std::string> platform = SelectPlatform(CacheParent(), Platforms());
    if (!platform.ok()) return platform.status();
    config.platform = *std::move(platform);
  }
  winsize size;
  if (isatty(STDIN_FILENO) && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) {
    config.rows = size.ws_row;
    config.columns = size.ws_col;
  }
  return config;
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
  absl::StatusOr<SandboxConfig> config = MakeConfig(*std::move(flags));
  if (!config.ok()) return Fail("do", std::string(config.status().message()));
  absl::StatusOr<base::UniqueFd> device = OpenDevice(*FindPlatform(config->platform));
  if (!device.ok()) {
    return Fail("do", absl::StrCat("--platform=", config->platform, ": ", device.status().message()));
  }
  BlockSignals();
  const RawTerminal terminal;
  absl::StatusOr<Sandbox> sandbox = LaunchSandbox(*std::move(config), STDERR_FILENO, device->get());
  if (!sandbox.ok()) return Fail("do", absl::StrCat("the sandbox did not start: ", sandbox.status().message()));
  return Supervise(*std::move(sandbox));
}

}  // namespace runsc
