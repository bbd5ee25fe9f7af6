// Create: from a bundle to a container that waits for its start.
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "runsc-cpp/shim/console.h"
#include "runsc-cpp/shim/measures.h"
#include "runsc-cpp/shim/options.h"
#include "runsc-cpp/shim/rootfs.h"
#include "runsc-cpp/shim/task_service.h"

namespace runsc::shim {

namespace api = ::containerd::task::v2;

namespace {

constexpr char kPidFile[] = "init.pid";
constexpr char kConsole[] = "init.sock";

absl::StatusOr<pid_t> ReadPidFile(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, 64);
  if (!text.ok()) return text.status();
  pid_t pid;
  if (!absl::SimpleAtoi(*text, &pid) || pid <= 1) {
    return absl::InternalError(absl::StrCat(path, " holds no process number: \"", *text, "\""));
  }
  return pid;
}

}  // namespace

struct TaskService::Creation {
  api::CreateTaskRequest request;
  Reply reply;
  Task task;
  std::optional<ConsoleSocket> console;
  bool mounted = false;
  bool created = false;  // by the runtime
};

void TaskService::Create(const api::CreateTaskRequest& request, const Reply& reply) {
  if (!IsValidId(request.id()) || !absl::StartsWith(request.bundle(), "/")) {
    return reply.Fail(absl::InvalidArgumentError(absl::StrCat("invalid id or bundle: ", request.id())));
  }
  if (!request.checkpoint().empty()) return reply.Fail(absl::UnimplementedError("restore is not there yet"));
  if (tasks_.contains(request.id()) || creating_.contains(request.id())) {
    return reply.Fail(absl::AlreadyExistsError(absl::StrCat("container ", request.id(), ": already exists")));
  }
  if (tasks_.size() + creating_.size() >= kMaxContainers) {
    return reply.Fail(absl::ResourceExhaustedError("too many containers in one shim"));
  }
  const absl::StatusOr<RuntimeConfig> config = DecodeOptions(request.options());
  if (!config.ok()) return reply.Fail(config.status());
  const auto creation = std::make_shared<Creation>();
  creation->request = request;
  creation->reply = reply;
  creation->task = std::make_shared<Container>(request.id(), request.bundle(), Runtime(reaper_, *config, space_));
  creating_.insert(request.id());
  if (absl::Status s = Prepare(*creation); !s.ok()) return CreateFailed(creation, s);
  RuntimeCall call = {
      .words = {"create", "--bundle", request.bundle(), "--pid-file", absl::StrCat(request.bundle(), "/", kPidFile)},
      .bundle = request.bundle(),
      .streams = creation->task->init->streams->ForCommand(),
      .starts_process = true};
  if (creation->console) call.words.insert(call.words.end(), {"--console-socket", kConsole});
  if (config->no_pivot_root) call.words.push_back("--no-pivot");
  if (config->no_new_keyring) call.words.push_back("--no-new-keyring");
  call.words.push_back(request.id());
  creation->task->runtime.Call(std::move(call),
                               [this, creation](const RuntimeResult& result) { Created(creation, result); });
}

absl::Status TaskService::Prepare(Creation& creation) {
  const api::CreateTaskRequest& request = creation.request;
  Container& task = *creation.task;
  if (absl::Status s = WriteFile(task.bundle + "/runtime.pb", task.runtime.ToRecord().SerializeAsString()); !s.ok()) {
    return s;
  }
  if (absl::Status s = MountRootfs(request.rootfs(), task.rootfs()); !s.ok()) return s;
  creation.mounted = true;
  task.shares_pids = SharesPids(task.bundle);
  task.init->paths = {request.stdin(), request.stdout(), request.stderr(), request.terminal()};
  const RuntimeConfig& config = task.runtime.config();
  absl::StatusOr<std::unique_ptr<Streams>> streams = Streams::Open(
      loop_, task.init->paths, {.id = task.id, .space = space_, .uid = config.io_uid, .gid = config.io_gid});
  if (!streams.ok()) return streams.status();
  task.init->streams = *std::move(streams);
  if (!request.terminal()) return absl::OkStatus();
  absl::StatusOr<ConsoleSocket> console = ConsoleSocket::Listen(task.bundle, kConsole);
  if (!console.ok()) return console.status();
  creation.console = *std::move(console);
  return absl::OkStatus();
}

absl::Status TaskService::TakeProcess(const Task& task, const Proc& process, const std::string& pid_file,
                                      base::UniqueFd master) {
  const absl::StatusOr<pid_t> pid = ReadPidFile(pid_file);
  if (!pid.ok()) return pid.status();
  process->pid = *pid;
  if (absl::Status s = process->streams->Start(std::move(master)); !s.ok()) return s;
  reaper_.Watch(*pid, [this, task, process](int status) { Ended(task, process, status); });
  return absl::OkStatus();
}

void TaskService::Created(const std::shared_ptr<Creation>& creation, const RuntimeResult& result) {
  const Task& task = creation->task;
  if (!result.ok) return CreateFailed(creation, RuntimeError("OCI runtime create failed", result));
  creation->created = true;
  base::UniqueFd master;
  if (creation->console) {
    absl::StatusOr<base::UniqueFd> received = creation->console->ReceiveMaster();
    if (!received.ok()) return CreateFailed(creation, received.status());
    master = *std::move(received);
    creation->console.reset();
  }
  const absl::Status taken =
      TakeProcess(task, task->init, absl::StrCat(task->bundle, "/", kPidFile), std::move(master));
  if (!taken.ok()) return CreateFailed(creation, taken);
  if (absl::StatusOr<cgroup::Cgroup> cgroup = CgroupOf(task->init->pid); cgroup.ok()) {
    task->cgroup = *std::move(cgroup);
    WatchOom(task);
  } else {
    LOG(kWarning, "no statistics of %s: %s", task->id, cgroup.status().message());
  }
  creating_.erase(task->id);
  tasks_[task->id] = task;
  const api::CreateTaskRequest& request = creation->request;
  containerd::events::TaskCreate event;
  event.set_container_id(task->id);
  event.set_bundle(task->bundle);
  *event.mutable_rootfs() = request.rootfs();
  event.mutable_io()->set_stdin(request.stdin());
  event.mutable_io()->set_stdout(request.stdout());
  event.mutable_io()->set_stderr(request.stderr());
  event.mutable_io()->set_terminal(request.terminal());
  event.set_pid(static_cast<uint32_t>(task->init->pid));
  Publish("create", event);
  api::CreateTaskResponse response;
  response.set_pid(static_cast<uint32_t>(task->init->pid));
  creation->reply.Send(response);
}

void TaskService::CreateFailed(const std::shared_ptr<Creation>& creation, const absl::Status& status) {
  const Task& task = creation->task;
  if (creation->created) {
    creation->created = false;
    return task->runtime.Call({.words = {"delete", "--force", task->id}, .bundle = task->bundle},
                              [this, creation, status](const RuntimeResult&) { CreateFailed(creation, status); });
  }
  if (task->init->streams != nullptr) task->init->streams->Close();
  if (creation->mounted) (void)UnmountRootfs(task->rootfs());
  creating_.erase(task->id);
  creation->reply.Fail(status);
  CheckIdle();
}

}  // namespace runsc::shim
