#include "runsc-cpp/shim/runtime.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runsc-cpp/oci/json.h"

namespace runsc::shim {
namespace {

constexpr char kOwnName[] = "runsc-cpp";
constexpr char kRoots[] = "/run/containerd/";

// Names end in what they are called by, without the folder.
std::string NameOf(const std::string& binary) {
  if (binary.empty()) return kOwnName;
  return binary.substr(binary.rfind('/') + 1);
}

}  // namespace

struct Runtime::Started {
  pid_t pid = 0;
  base::UniqueFd input, output, errors, log;
};

Runtime::Runtime(Reaper& reaper, RuntimeConfig config, const std::string& space)
    : reaper_(&reaper), config_(std::move(config)) {
  const std::string root = config_.root.empty() ? absl::StrCat(kRoots, NameOf(config_.binary)) : config_.root;
  root_ = absl::StrCat(root, "/", space);
}

Runtime Runtime::FromRecord(Reaper& reaper, const RuntimeRecord& record) {
  RuntimeConfig config;
  config.binary = record.binary();
  config.systemd_cgroup = record.systemd_cgroup();
  Runtime runtime(reaper, std::move(config), "");
  runtime.root_ = record.root();
  return runtime;
}

RuntimeRecord Runtime::ToRecord() const {
  RuntimeRecord record;
  record.set_binary(config_.binary);
  record.set_root(root_);
  record.set_systemd_cgroup(config_.systemd_cgroup);
  return record;
}

absl::StatusOr<std::shared_ptr<Runtime::Started>> Runtime::Start(const RuntimeCall& call) const {
  auto started = std::make_shared<Started>();
  const std::string log_path = absl::StrCat(call.bundle, "/", call.log);
  started->log.reset(open(log_path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!started->log.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("open ", log_path));
  lseek(started->log.get(), 0, SEEK_END);  // what earlier commands said is not its error
  Command command;
  command.program = config_.binary.empty() ? "/proc/self/exe" : config_.binary;
  command.argv = {NameOf(config_.binary), "--root", root_, "--log", log_path, "--log-format", "json"};
  if (config_.systemd_cgroup) command.argv.push_back("--systemd-cgroup");
  command.argv.insert(command.argv.end(), call.words.begin(), call.words.end());
  command.directory = call.bundle;
  command.fds = call.streams;
  if (call.streams.empty()) {
    for (base::UniqueFd* file : {&started->output, &started->errors, &started->input}) {
      absl::StatusOr<base::UniqueFd> made = MemoryFile(file == &started->input ? call.input.value_or("") : "");
      if (!made.ok()) return made.status();
      *file = *std::move(made);
    }
    command.fds = {started->input.get(), started->output.get(), started->errors.get()};
  }
  const absl::StatusOr<pid_t> pid = Spawn(command);
  if (!pid.ok()) return pid.status();
  started->pid = *pid;
  return started;
}

RuntimeResult Runtime::Collect(const Started& started, int wait_status) {
  RuntimeResult result;
  result.ok = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
  if (started.output.valid()) result.output = ReadWhole(started.output.get());
  if (result.ok) return result;
  std::string log;
  char buffer[16 << 10];
  ssize_t n;
  while (log.size() < (1 << 20) && (n = read(started.log.get(), buffer, sizeof buffer)) > 0) {
    log.append(buffer, static_cast<size_t>(n));
  }
  result.error = LastError(log);
  if (result.error.empty() && started.errors.valid()) {
    result.error = std::string(absl::StripAsciiWhitespace(ReadWhole(started.errors.get(), 4096)));
  }
  if (result.error.empty()) {
    result.error = WIFSIGNALED(wait_status) ? absl::StrCat("the runtime was killed by signal ", WTERMSIG(wait_status))
                                            : absl::StrCat("exit status ", WEXITSTATUS(wait_status));
  }
  return result;
}

void Runtime::Call(RuntimeCall call, Done done) const {
  Reaper& reaper = *reaper_;
  if (call.starts_process) reaper.Hold();
  const auto finish = [&reaper, hold = call.starts_process, done = std::move(done)](const RuntimeResult& result) {
    done(result);
    if (hold) reaper.Release();
  };
  const absl::StatusOr<std::shared_ptr<Started>> started = Start(call);
  if (!started.ok()) {
    RuntimeResult result;
    result.error = std::string(started.status().message());
    return reaper.loop().Post([finish, result] { finish(result); });
  }
  reaper.Watch((*started)->pid, [started = *started, finish](int status) { finish(Collect(*started, status)); });
}

RuntimeResult Runtime::CallAndWait(RuntimeCall call) const {
  const absl::StatusOr<std::shared_ptr<Started>> started = Start(call);
  RuntimeResult result;
  result.error = std::string(started.status().message());
  if (!started.ok()) return result;
  int status = 0;
  while (waitpid((*started)->pid, &status, 0) < 0 && errno == EINTR) {
  }
  return Collect(**started, status);
}

std::string LastError(absl::string_view log) {
  std::string last;
  for (const absl::string_view line : absl::StrSplit(log, '\n', absl::SkipEmpty())) {
    const absl::StatusOr<oci::JsonValue> entry = oci::ParseJson({line.data(), line.size()}, "log");
    if (!entry.ok()) continue;
    std::string level, message;
    for (const oci::JsonMember& member : entry->members) {
      if (member.name == "level") level = member.value.text;
      if (member.name == "msg") message = member.value.text;
    }
    if (level == "error" && !message.empty()) last = message;
  }
  return last;
}

}  // namespace runsc::shim
