// Pause, Resume, Update, Checkpoint.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/shim/task_service.h"

namespace runsc::shim {

namespace api = ::containerd::task::v2;

void TaskService::Pause(const api::ProcessRequest& request, const Reply& reply) {
  const absl::StatusOr<Task> task = FindTask(request.id());
  if (!task.ok()) return reply.Fail(task.status());
  ChangePhase(*task, Phase::kRunning, Phase::kPaused, reply);
}

void TaskService::Resume(const api::ProcessRequest& request, const Reply& reply) {
  const absl::StatusOr<Task> task = FindTask(request.id());
  if (!task.ok()) return reply.Fail(task.status());
  ChangePhase(*task, Phase::kPaused, Phase::kRunning, reply);
}

void TaskService::ChangePhase(const Task& task, Phase from, Phase to, const Reply& reply) {
  const char* verb = to == Phase::kPaused ? "pause" : "resume";
  task->init->queue.Add([this, task, from, to, verb, reply](std::function<void()> done) {
    if (task->init->phase != from) {
      reply.Fail(absl::FailedPreconditionError(
          absl::StrCat("cannot ", verb, " a process that is not ", from == Phase::kPaused ? "paused" : "running")));
      return done();
    }
    task->runtime.Call({.words = {verb, task->id}, .bundle = task->bundle},
                       [this, task, from, to, verb, reply, done](const RuntimeResult& result) {
                         if (!result.ok) {
                           reply.Fail(RuntimeError(absl::StrCat("OCI runtime ", verb, " failed"), result));
                           return done();
                         }
                         if (task->init->phase == from) task->init->phase = to;
                         if (to == Phase::kPaused) {
                           containerd::events::TaskPaused event;
                           event.set_container_id(task->id);
                           Publish("paused", event);
                         } else {
                           containerd::events::TaskResumed event;
                           event.set_container_id(task->id);
                           Publish("resumed", event);
                         }
                         reply.SendEmpty();
                         done();
                       });
  });
}

void TaskService::Checkpoint(const api::ProcessRequest& request, const Reply& reply) {
  const absl::StatusOr<Task> task = FindTask(request.id());
  reply.Fail(task.ok() ? absl::UnimplementedError("checkpoint is not there yet") : task.status());
}

void TaskService::Update(const api::UpdateTaskRequest& request, const Reply& reply) {
  const absl::StatusOr<Task> found = FindTask(request.id());
  if (!found.ok()) return reply.Fail(found.status());
  if (!absl::EndsWith(request.resources().type_url(), "LinuxResources")) {
    return reply.Fail(absl::InvalidArgumentError(
        absl::StrCat("resources of type \"", request.resources().type_url(), "\" are not LinuxResources")));
  }
  const Task& task = *found;
  task->init->queue.Add([task, reply, resources = request.resources().value()](std::function<void()> done) {
    if (task->init->phase == Phase::kStopped) {
      reply.Fail(absl::FailedPreconditionError("cannot update a stopped container"));
      return done();
    }
    task->runtime.Call({.words = {"update", "--resources", "-", task->id}, .bundle = task->bundle, .input = resources},
                       [reply, done](const RuntimeResult& result) {
                         reply.Finish(result.ok ? absl::OkStatus() : RuntimeError("OCI runtime update failed", result));
                         done();
                       });
  });
}

}  // namespace runsc::shim
