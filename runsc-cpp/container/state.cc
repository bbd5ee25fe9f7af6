#include "runsc-cpp/container/state.h"

#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "runsc-cpp/container/process_ref.h"

namespace runsc {

ContainerStatus StatusOf(const ContainerRecord& record) {
  const bool alive = record.boot_id() == BootId() && IsAlive(record.anchor());
  if (!alive && record.phase() == ContainerRecord::CREATING && !record.has_anchor() && record.boot_id() == BootId()) {
    return ContainerStatus::kCreating;
  }
  if (!alive) return ContainerStatus::kStopped;
  if (record.phase() == ContainerRecord::CREATING) return ContainerStatus::kCreating;
  if (record.phase() == ContainerRecord::CREATED) return ContainerStatus::kCreated;
  return record.paused() ? ContainerStatus::kPaused : ContainerStatus::kRunning;
}

const char* StatusWord(ContainerStatus status) {
  constexpr const char* kWords[] = {"creating", "created", "running", "paused", "stopped"};
  return kWords[static_cast<size_t>(status)];
}

oci::ContainerState StateOf(const ContainerRecord& record) {
  const ContainerStatus status = StatusOf(record);
  oci::ContainerState state;
  state.id = record.id();
  state.pid = status == ContainerStatus::kStopped ? 0 : record.anchor().pid();
  state.status = StatusWord(status);
  state.bundle = record.bundle();
  state.rootfs = record.rootfs();
  state.created_ns = record.created_ns();
  for (const auto& [name, value] : record.annotations()) state.annotations[name] = value;
  return state;
}

std::string HookState(const ContainerRecord& record, const std::string& status, std::optional<int> pid) {
  oci::ContainerState state = StateOf(record);
  if (pid) state.pid = *pid;
  state.status = status;
  return oci::StateForHook(state);
}

absl::Status ToStatus(const sentry::control::Response& response, const oci::ProcessPlan& process) {
  using sentry::control::Response;
  if (response.error() == 0) return absl::OkStatus();
  std::string words = strerror(response.error());
  words[0] = static_cast<char>(tolower(words[0]));
  if (response.stage() == Response::CWD) {
    return absl::InternalError(absl::StrCat("unable to start container process: chdir to cwd (\"", process.cwd,
                                            "\") set in config.json failed: ", words));
  }
  if (response.stage() != Response::PROGRAM) return absl::InternalError(response.message());
  const std::string program = process.argv.empty() ? "" : process.argv[0];
  const bool has_path = program.find('/') != std::string::npos;
  if (response.error() == ENOENT && !has_path) words = "executable file not found in $PATH";
  if (response.error() == ENOENT && has_path) words = absl::StrCat("stat ", program, ": ", words);
  return absl::InternalError(absl::StrCat("unable to start container process: exec: \"", program, "\": ", words));
}

absl::Status WritePidFile(const std::string& path, int pid) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const std::string fresh = absl::StrCat(directory, "/.", name);
  const std::string text = absl::StrCat(pid);
  {
    const base::UniqueFd fd(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_SYNC | O_CLOEXEC, 0666));
    if (!fd.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("--pid-file ", path));
    if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      return absl::ErrnoToStatus(errno, absl::StrCat("--pid-file ", path));
    }
  }
  if (rename(fresh.c_str(), path.c_str()) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("--pid-file ", path));
  return absl::OkStatus();
}

}  // namespace runsc
