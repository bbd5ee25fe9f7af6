// Dispatch, and the calls that only look.
#include "runsc-cpp/shim/task_service.h"

#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "runsc-cpp/oci/json.h"
#include "runsc-cpp/shim/measures.h"
#include "runsc-cpp/shim/options.pb.h"

namespace runsc::shim {

namespace api = ::containerd::task::v2;

struct TaskService::Method {
  absl::string_view name;
  void (TaskService::*handler)(const std::string& payload, const Reply& reply);
};

const TaskService::Method TaskService::kMethods[] = {
    {"State", &TaskService::Parse<api::ProcessRequest, &TaskService::State>},
    {"Create", &TaskService::Parse<api::CreateTaskRequest, &TaskService::Create>},
    {"Start", &TaskService::Parse<api::ProcessRequest, &TaskService::Start>},
    {"Delete", &TaskService::Parse<api::ProcessRequest, &TaskService::Delete>},
    {"Pids", &TaskService::Parse<api::ProcessRequest, &TaskService::Pids>},
    {"Pause", &TaskService::Parse<api::ProcessRequest, &TaskService::Pause>},
    {"Resume", &TaskService::Parse<api::ProcessRequest, &TaskService::Resume>},
    {"Checkpoint", &TaskService::Parse<api::ProcessRequest, &TaskService::Checkpoint>},
    {"Kill", &TaskService::Parse<api::KillRequest, &TaskService::Kill>},
    {"Exec", &TaskService::Parse<api::ExecProcessRequest, &TaskService::Exec>},
    {"ResizePty", &TaskService::Parse<api::ResizePtyRequest, &TaskService::ResizePty>},
    {"CloseIO", &TaskService::Parse<api::CloseIORequest, &TaskService::CloseIO>},
    {"Update", &TaskService::Parse<api::UpdateTaskRequest, &TaskService::Update>},
    {"Wait", &TaskService::Parse<api::ProcessRequest, &TaskService::Wait>},
    {"Stats", &TaskService::Parse<api::ProcessRequest, &TaskService::Stats>},
    {"Connect", &TaskService::Parse<api::ProcessRequest, &TaskService::Connect>},
    {"Shutdown", &TaskService::Parse<api::ProcessRequest, &TaskService::Shutdown>}};

TaskService::~TaskService() {
  for (const auto& [id, task] : tasks_) {
    if (task->oom) loop_.Forget(task->oom->fd());
  }
}

template <class Request, void (TaskService::*kHandler)(const Request&, const Reply&)>
void TaskService::Parse(const std::string& payload, const Reply& reply) {
  // Some requests have fields that ours has not, of other types: only these are the same in all.
  Request request;
  if (!request.ParseFromString(payload)) return reply.Fail(absl::InvalidArgumentError("malformed request"));
  (this->*kHandler)(request, reply);
}

void TaskService::Handle(absl::string_view service, absl::string_view method, const std::string& payload, Reply reply) {
  if (service != "containerd.task.v2.Task" && service != "containerd.task.v3.Task") {
    return reply.Fail(absl::UnimplementedError(absl::StrCat("service ", service)));
  }
  for (const Method& known : kMethods) {
    if (known.name != method) continue;
    LOG(kDebug, "%s", method);
    return (this->*known.handler)(payload, reply);
  }
  reply.Fail(absl::UnimplementedError(absl::StrCat("method ", method)));
}

absl::StatusOr<TaskService::Task> TaskService::FindTask(const std::string& id) const {
  const auto found = tasks_.find(id);
  if (found == tasks_.end()) return absl::NotFoundError("container not created: not found");
  return found->second;
}

absl::StatusOr<std::pair<TaskService::Task, TaskService::Proc>> TaskService::Find(const std::string& id,
                                                                                  const std::string& exec_id) const {
  const absl::StatusOr<Task> task = FindTask(id);
  if (!task.ok()) return task.status();
  if (exec_id.empty()) return std::make_pair(*task, (*task)->init);
  const auto exec = (*task)->execs.find(exec_id);
  if (exec == (*task)->execs.end()) {
    return absl::NotFoundError(absl::StrCat("process does not exist ", exec_id, ": not found"));
  }
  return std::make_pair(*task, exec->second);
}

void TaskService::State(const api::ProcessRequest& request, const Reply& reply) {
  const auto found = Find(request.id(), request.exec_id());
  if (!found.ok()) return reply.Fail(found.status());
  const Task& task = found->first;
  const Proc& process = found->second;
  constexpr api::Status kStatus[] = {api::CREATED, api::RUNNING, api::PAUSED, api::STOPPED};
  api::StateResponse response;
  response.set_id(process->exec_id.empty() ? task->id : process->exec_id);
  response.set_bundle(task->bundle);
  response.set_pid(static_cast<uint32_t>(process->pid));
  response.set_status(kStatus[static_cast<int>(process->phase)]);
  response.set_stdin(process->paths.in);
  response.set_stdout(process->paths.out);
  response.set_stderr(process->paths.err);
  response.set_terminal(process->paths.terminal);
  response.set_exit_status(process->exit_status);
  if (process->phase == Phase::kStopped) *response.mutable_exited_at() = process->exited_at;
  response.set_exec_id(process->exec_id);
  reply.Send(response);
}

void TaskService::Pids(const api::ProcessRequest& request, const Reply& reply) {
  const absl::StatusOr<Task> found = FindTask(request.id());
  if (!found.ok()) return reply.Fail(found.status());
  const Task& task = *found;
  task->runtime.Call({.words = {"ps", "--format", "json", task->id}, .bundle = task->bundle, .log = "ps.json"},
                     [task, reply](const RuntimeResult& result) {
                       if (!result.ok) return reply.Fail(RuntimeError("OCI runtime ps failed", result));
                       const absl::StatusOr<oci::JsonValue> pids = oci::ParseJson(result.output, "ps");
                       if (!pids.ok()) return reply.Fail(pids.status());
                       api::PidsResponse response;
                       for (const oci::JsonValue& item : pids->items) {
                         uint32_t pid;
                         if (!absl::SimpleAtoi(item.text, &pid)) continue;
                         api::ProcessInfo& info = *response.add_processes();
                         info.set_pid(pid);
                         for (const auto& [exec_id, process] : task->execs) {
                           if (process->pid != static_cast<pid_t>(pid)) continue;
                           containerd::runc::v1::ProcessDetails details;
                           details.set_exec_id(exec_id);
                           info.mutable_info()->set_type_url(details.GetTypeName());
                           info.mutable_info()->set_value(details.SerializeAsString());
                         }
                       }
                       reply.Send(response);
                     });
}

void TaskService::Wait(const api::ProcessRequest& request, const Reply& reply) {
  const auto found = Find(request.id(), request.exec_id());
  if (!found.ok()) return reply.Fail(found.status());
  Process& process = *found->second;
  // Whose connection is gone needs no answer; containerd asks again when it comes back.
  std::erase_if(process.waiters, [](const Reply& waiter) { return !waiter.wanted(); });
  process.waiters.push_back(reply);
  if (process.phase == Phase::kStopped) FreeWaiters(process);
}

void TaskService::Stats(const api::ProcessRequest& request, const Reply& reply) {
  const absl::StatusOr<Task> task = FindTask(request.id());
  if (!task.ok()) return reply.Fail(task.status());
  if (!(*task)->cgroup) return reply.Fail(absl::NotFoundError("cgroup does not exist: not found"));
  const absl::StatusOr<Any> stats = Measure(*(*task)->cgroup);
  if (!stats.ok()) return reply.Fail(stats.status());
  api::StatsResponse response;
  *response.mutable_stats() = *stats;
  reply.Send(response);
}

void TaskService::Connect(const api::ProcessRequest& request, const Reply& reply) {
  api::ConnectResponse response;
  response.set_shim_pid(static_cast<uint32_t>(getpid()));
  if (const absl::StatusOr<Task> task = FindTask(request.id()); task.ok()) {
    response.set_task_pid(static_cast<uint32_t>((*task)->init->pid));
  }
  reply.Send(response);
}

void TaskService::Shutdown(const api::ProcessRequest&, const Reply& reply) {
  reply.SendEmpty();
  if (tasks_.empty() && creating_.empty()) shutdown_();
}

}  // namespace runsc::shim
