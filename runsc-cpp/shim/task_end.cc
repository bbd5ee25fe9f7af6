// The end of processes, and memory that ran out.
#include "base/log.h"
#include "runsc-cpp/shim/task_service.h"

namespace runsc::shim {

namespace api = ::containerd::task::v2;

void TaskService::Ended(const Task& task, const Proc& process, int wait_status) {
  if (process->commands > 0) {
    process->ended_meanwhile = wait_status;
    return;
  }
  const bool was_paused = process->phase == Phase::kPaused;
  process->exit_status = ExitStatusOf(wait_status);
  process->exited_at = Now();
  if (process != task->init) return TellEnd(task, process);
  // The cause before the effect.
  if (task->oom) ReadOom(task);
  if (was_paused) {
    // Processes that were frozen with it wait for this to die.
    return task->runtime.Call({.words = {"resume", task->id}, .bundle = task->bundle, .log = "kill.json"},
                              [this, task](const RuntimeResult&) { TellEnd(task, task->init); });
  }
  if (!task->shares_pids) return TellEnd(task, process);
  task->runtime.Call({.words = {"kill", "--all", task->id, "9"}, .bundle = task->bundle, .log = "kill.json"},
                     [this, task](const RuntimeResult& result) {
                       if (!result.ok) LOG(kWarning, "kill --all %s: %s", task->id, result.error);
                       TellEnd(task, task->init);
                     });
}

void TaskService::CommandDone(const Task& task) {
  Process& init = *task->init;
  if (--init.commands > 0 || !init.ended_meanwhile) return;
  const int wait_status = *std::exchange(init.ended_meanwhile, std::nullopt);
  Ended(task, task->init, wait_status);
}

void TaskService::TellEnd(const Task& task, const Proc& process) {
  process->phase = Phase::kStopped;
  containerd::events::TaskExit event;
  event.set_container_id(task->id);
  event.set_id(process->exec_id.empty() ? task->id : process->exec_id);
  event.set_pid(static_cast<uint32_t>(process->pid));
  event.set_exit_status(process->exit_status);
  *event.mutable_exited_at() = process->exited_at;
  Publish("exit", event);
  FreeWaiters(*process);
  CheckIdle();
}

void TaskService::FreeWaiters(Process& process) {
  api::WaitResponse response;
  response.set_exit_status(process.exit_status);
  *response.mutable_exited_at() = process.exited_at;
  for (const Reply& reply : std::exchange(process.waiters, {})) reply.Send(response);
}

void TaskService::WatchOom(const Task& task) {
  absl::StatusOr<cgroup::OomWatch> watch = task->cgroup->WatchOom();
  if (!watch.ok()) {
    LOG(kWarning, "no news of %s running out of memory: %s", task->id, watch.status().message());
    return;
  }
  task->oom.emplace(*std::move(watch));
  // Weak: the loop must not keep it alive.
  (void)loop_.Watch(task->oom->fd(), EPOLLIN, [this, weak = std::weak_ptr<Container>(task)](uint32_t) {
    if (const Task task = weak.lock(); task != nullptr && task->oom) ReadOom(task);
  });
}

void TaskService::ReadOom(const Task& task) {
  const absl::StatusOr<cgroup::OomEvent> event = task->oom->Read();
  if (event.ok() && *event == cgroup::OomEvent::kNothing) return;
  if (event.ok() && *event == cgroup::OomEvent::kOom) {
    containerd::events::TaskOOM told;
    told.set_container_id(task->id);
    return Publish("oom", told);
  }
  loop_.Forget(task->oom->fd());
  task->oom.reset();
}

void TaskService::EndWhenIdle() {
  end_when_idle_ = true;
  CheckIdle();
}

void TaskService::CheckIdle() {
  if (!end_when_idle_ || !creating_.empty()) return;
  for (const auto& [id, task] : tasks_) {
    if (task->init->phase != Phase::kStopped) return;
    for (const auto& [exec_id, exec] : task->execs) {
      if (exec->phase == Phase::kRunning) return;
    }
  }
  shutdown_();
}

}  // namespace runsc::shim
