// The actions: start, delete, -info.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runsc-cpp/cgroup/cgroup.h"
#include "runsc-cpp/shim/address.h"
#include "runsc-cpp/shim/command.h"
#include "runsc-cpp/shim/container.h"
#include "runsc-cpp/shim/invocation.h"
#include "runsc-cpp/shim/options.h"
#include "runsc-cpp/shim/options.pb.h"
#include "runsc-cpp/shim/publisher.h"
#include "runsc-cpp/shim/rootfs.h"
#include "runsc-cpp/shim/task.pb.h"

namespace runsc::shim {
namespace {

constexpr size_t kMaxOptions = 4 << 20;

// Listens, or finds that somebody does, which is no socket then.
absl::StatusOr<base::UniqueFd> ListenOrFind(const std::string& path) {
  for (int tries = 0; tries < 3; ++tries) {
    absl::StatusOr<base::UniqueFd> listening = ListenAt(path);
    if (listening.ok() || !absl::IsAlreadyExists(listening.status())) return listening;
    if (ConnectTo(path).ok()) return base::UniqueFd();
    unlink(path.c_str());  // of a shim that was killed
  }
  return absl::UnavailableError(absl::StrCat(path, " is taken and left again and again"));
}

absl::Status JoinCgroup(const std::string& path, pid_t pid) {
  const absl::StatusOr<cgroup::Host> host = cgroup::Host::Detect(cgroup::Rootless::kNo);
  if (!host.ok()) return host.status();
  const absl::StatusOr<cgroup::Location> location = cgroup::ParseCgroupsPath(cgroup::Driver::kCgroupfs, path, "");
  if (!location.ok()) return location.status();
  absl::StatusOr<cgroup::Cgroup> group = cgroup::Cgroup::At(*host, *location);
  if (!group.ok()) return group.status();
  return group->Join(pid);
}

// One more likely to be killed than containerd, and less than any container.
void AdjustOomScore(pid_t pid) {
  const absl::StatusOr<std::string> text = ReadFile(absl::StrCat("/proc/", getppid(), "/oom_score_adj"), 64);
  int score;
  if (!text.ok() || !absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &score)) return;
  const base::UniqueFd file(open(absl::StrCat("/proc/", pid, "/oom_score_adj").c_str(), O_WRONLY | O_CLOEXEC));
  const std::string line = absl::StrCat(std::min(score + 1, 1000));
  if (file.valid()) (void)!write(file.get(), line.data(), line.size());
}

Command ServerCommand(const Invocation& invocation, int listener) {
  Command command;
  command.program = "/proc/self/exe";
  command.argv = {invocation.name, "-namespace", invocation.space,  "-id",
                  invocation.id,   "-address",   invocation.address};
  if (!invocation.publish_binary.empty()) {
    command.argv.insert(command.argv.end(), {"-publish-binary", invocation.publish_binary});
  }
  if (invocation.debug) command.argv.push_back("-debug");
  command.fds = {-1, -1, -1, listener};
  command.tie = Tie::kNone;
  command.own_session = true;
  return command;
}

absl::Status StartServer(const Invocation& invocation, const base::UniqueFd& listener) {
  const absl::StatusOr<Any> options = ReadOptions(STDIN_FILENO);
  if (!options.ok()) return options.status();
  const absl::StatusOr<RuntimeConfig> config = DecodeOptions(*options);
  if (!config.ok()) return config.status();
  const absl::StatusOr<pid_t> pid = Spawn(ServerCommand(invocation, listener.get()));
  if (!pid.ok()) return pid.status();
  AdjustOomScore(*pid);
  if (config->shim_cgroup.empty()) return absl::OkStatus();
  const absl::Status joined = JoinCgroup(config->shim_cgroup, *pid);
  if (!joined.ok()) kill(*pid, SIGKILL);
  return joined;
}

}  // namespace

absl::StatusOr<Any> ReadOptions(int fd) {
  struct stat st;
  Any options;
  // A terminal would be waited for.
  if (fstat(fd, &st) != 0 || S_ISCHR(st.st_mode)) return options;
  std::string text;
  char buffer[16 << 10];
  ssize_t n;
  while (text.size() <= kMaxOptions && (n = read(fd, buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<size_t>(n));
  }
  if (text.size() > kMaxOptions || !options.ParseFromString(text)) {
    return absl::InvalidArgumentError("what containerd sent as options is malformed");
  }
  return options;
}

absl::StatusOr<std::string> StartShim(const Invocation& invocation) {
  if (!IsValidId(invocation.id)) return absl::InvalidArgumentError(absl::StrCat("invalid id: ", invocation.id));
  const absl::StatusOr<std::string> config = ReadFile("config.json");
  if (!config.ok()) return config.status();
  const absl::StatusOr<std::string> group = GroupOf(*config, invocation.id);
  if (!group.ok()) return group.status();
  const std::string path = SocketPath(invocation.address, invocation.space, *group);
  const std::string address = absl::StrCat("unix://", path);
  const absl::StatusOr<base::UniqueFd> listener = ListenOrFind(path);
  if (!listener.ok()) return listener.status();
  // Before the server runs: it removes the socket by this file.
  absl::Status status = WriteFile(kAddressFile, address, 0644);
  if (status.ok() && listener->valid()) status = StartServer(invocation, *listener);
  if (status.ok()) return address;
  if (listener->valid()) unlink(path.c_str());
  return status;
}

absl::StatusOr<std::string> DeleteAfterShim(const Invocation& invocation) {
  if (!IsValidId(invocation.id)) return absl::InvalidArgumentError(absl::StrCat("invalid id: ", invocation.id));
  // Called in the bundle or beside it.
  char here[4096];
  if (getcwd(here, sizeof here) == nullptr) return absl::ErrnoToStatus(errno, "getcwd");
  std::string bundle = invocation.bundle;
  if (bundle.empty())
    bundle = absl::StrCat(std::string(here).substr(0, std::string(here).rfind('/')), "/", invocation.id);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  RuntimeRecord record;
  const absl::StatusOr<std::string> text = ReadFile(bundle + "/runtime.pb");
  absl::StatusOr<std::unique_ptr<Loop>> loop = Loop::Create();
  if (!loop.ok()) return loop.status();
  Reaper reaper(**loop);
  std::string warning;
  if (text.ok() && record.ParseFromString(*text)) {
    const RuntimeResult result = Runtime::FromRecord(reaper, record)
                                     .CallAndWait({.words = {"delete", "--force", invocation.id}, .bundle = bundle});
    if (!result.ok) warning = absl::StrCat("delete --force: ", result.error);
  }
  if (absl::Status s = UnmountRootfs(bundle + "/rootfs"); !s.ok()) warning = std::string(s.message());
  if (!warning.empty()) (void)!write(STDERR_FILENO, warning.data(), warning.size());
  if (const absl::StatusOr<std::string> address = ReadFile(bundle + "/" + kAddressFile, 4096); address.ok()) {
    const std::string path(absl::StripPrefix(*address, "unix://"));
    if (absl::IsUnavailable(ConnectTo(path).status())) unlink(path.c_str());  // refused: nobody listens
  }
  containerd::task::v2::DeleteResponse response;
  response.set_exit_status(128 + SIGKILL);
  *response.mutable_exited_at() = Now();
  uint32_t pid;
  const absl::StatusOr<std::string> pid_text = ReadFile(bundle + "/init.pid", 64);
  if (pid_text.ok() && absl::SimpleAtoi(*pid_text, &pid)) response.set_pid(pid);
  return response.SerializeAsString();
}

absl::StatusOr<std::string> DescribeRuntime(const std::string& version) {
  const absl::StatusOr<Any> options = ReadOptions(STDIN_FILENO);
  if (!options.ok()) return options.status();
  const absl::StatusOr<RuntimeConfig> config = DecodeOptions(*options);
  if (!config.ok()) return config.status();
  absl::StatusOr<std::unique_ptr<Loop>> loop = Loop::Create();
  if (!loop.ok()) return loop.status();
  Reaper reaper(**loop);
  containerd::runc::v1::RuntimeInfo info;
  info.set_name("io.containerd.runsc-cpp.v1");
  info.mutable_version()->set_version(version);
  info.mutable_version()->set_revision(version);
  if (!options->type_url().empty()) *info.mutable_options() = *options;
  char folder[] = "/tmp/shim-info-XXXXXX";
  if (mkdtemp(folder) == nullptr) return absl::ErrnoToStatus(errno, "mkdtemp");
  const RuntimeResult features = Runtime(reaper, *config, "").CallAndWait({.words = {"features"}, .bundle = folder});
  unlink(absl::StrCat(folder, "/log.json").c_str());
  rmdir(folder);
  if (features.ok) {
    info.mutable_features()->set_type_url("types.containerd.io/opencontainers/runtime-spec/1/features/Features");
    info.mutable_features()->set_value(features.output);
  }
  return info.SerializeAsString();
}

}  // namespace runsc::shim
