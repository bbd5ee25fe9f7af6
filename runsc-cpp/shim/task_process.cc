// Start, Exec, Delete, Kill, and a process's streams.
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "runsc-cpp/shim/console.h"
#include "runsc-cpp/shim/rootfs.h"
#include "runsc-cpp/shim/task_service.h"

namespace runsc::shim {

namespace api = ::containerd::task::v2;

namespace {

// How long a process's output may be on its way after its end; who still holds it then has lost it.
constexpr std::chrono::seconds kDrain(2);

absl::Status Finished() { return absl::NotFoundError("process already finished: not found"); }

absl::Status CheckExec(const Container& task) {
  if (task.init->phase == Phase::kPaused) return absl::FailedPreconditionError("cannot exec in a paused state");
  if (task.init->phase == Phase::kStopped) return absl::FailedPreconditionError("cannot exec in a stopped state");
  return absl::OkStatus();
}

absl::Status KillError(const RuntimeResult& result) {
  const std::string text = absl::AsciiStrToLower(result.error);
  for (const char* gone : {"os: process already finished", "container not running", "no such process"}) {
    if (absl::StrContains(text, gone)) return Finished();
  }
  if (absl::StrContains(text, "does not exist")) return absl::NotFoundError("no such container: not found");
  return RuntimeError("unknown error after kill", result);
}

}  // namespace

void TaskService::Start(const api::ProcessRequest& request, const Reply& reply) {
  const auto found = Find(request.id(), request.exec_id());
  if (!found.ok()) return reply.Fail(found.status());
  const Task task = found->first;
  const Proc process = found->second;
  process->queue.Add([this, task, process, reply](std::function<void()> done) {
    if (process->phase != Phase::kCreated) {
      reply.Fail(absl::FailedPreconditionError("cannot start a process that was started"));
      return done();
    }
    if (process == task->init) return StartInit(task, reply, std::move(done));
    StartExec(task, process, reply, std::move(done));
  });
}

void TaskService::StartInit(const Task& task, const Reply& reply, std::function<void()> done) {
  ++task->init->commands;
  task->runtime.Call({.words = {"start", task->id}, .bundle = task->bundle},
                     [this, task, reply, done](const RuntimeResult& result) {
                       Process& init = *task->init;
                       if (result.ok) {
                         init.phase = Phase::kRunning;
                         containerd::events::TaskStart event;
                         event.set_container_id(task->id);
                         event.set_pid(static_cast<uint32_t>(init.pid));
                         Publish("start", event);
                         api::StartResponse response;
                         response.set_pid(static_cast<uint32_t>(init.pid));
                         reply.Send(response);
                       } else {
                         reply.Fail(RuntimeError("OCI runtime start failed", result));
                       }
                       CommandDone(task);
                       done();
                     });
}

void TaskService::Exec(const api::ExecProcessRequest& request, const Reply& reply) {
  const absl::StatusOr<Task> found = FindTask(request.id());
  if (!found.ok()) return reply.Fail(found.status());
  Container& task = **found;
  if (!IsValidId(request.exec_id())) return reply.Fail(absl::InvalidArgumentError("invalid exec id"));
  if (task.execs.contains(request.exec_id())) {
    return reply.Fail(absl::AlreadyExistsError(absl::StrCat("id ", request.exec_id(), ": already exists")));
  }
  if (task.execs.size() >= kMaxExecs) return reply.Fail(absl::ResourceExhaustedError("too many execs"));
  if (absl::Status s = CheckExec(task); !s.ok()) return reply.Fail(s);
  const auto process = std::make_shared<Process>();
  process->exec_id = request.exec_id();
  process->spec = request.spec().value();
  process->paths = {request.stdin(), request.stdout(), request.stderr(), request.terminal()};
  task.execs[process->exec_id] = process;
  containerd::events::TaskExecAdded event;
  event.set_container_id(task.id);
  event.set_exec_id(process->exec_id);
  Publish("exec-added", event);
  reply.SendEmpty();
}

void TaskService::StartExec(const Task& task, const Proc& process, const Reply& reply, std::function<void()> done) {
  const auto fail = [&](const absl::Status& status) {
    reply.Fail(status);
    done();
  };
  if (absl::Status s = CheckExec(*task); !s.ok()) return fail(s);
  const std::string name = absl::StrCat("exec-", process->exec_id);
  const std::string base = absl::StrCat(task->bundle, "/", name);
  const RuntimeConfig& config = task->runtime.config();
  absl::StatusOr<std::unique_ptr<Streams>> streams = Streams::Open(
      loop_, process->paths, {.id = task->id, .space = space_, .uid = config.io_uid, .gid = config.io_gid});
  if (!streams.ok()) return fail(streams.status());
  process->streams = *std::move(streams);
  RuntimeCall call = {.words = {"exec", "--process", base + ".json", "--detach", "--pid-file", base + ".pid"},
                      .bundle = task->bundle,
                      .log = name + ".log",
                      .streams = process->streams->ForCommand(),
                      .starts_process = true};
  std::shared_ptr<ConsoleSocket> console;
  if (process->paths.terminal) {
    absl::StatusOr<ConsoleSocket> listening = ConsoleSocket::Listen(task->bundle, name + ".sock");
    if (!listening.ok()) return fail(listening.status());
    console = std::make_shared<ConsoleSocket>(*std::move(listening));
    call.words.insert(call.words.end(), {"--console-socket", name + ".sock"});
  }
  call.words.push_back(task->id);
  if (absl::Status s = WriteFile(base + ".json", process->spec); !s.ok()) return fail(s);
  task->runtime.Call(std::move(call), [this, task, process, reply, done, console, base](const RuntimeResult& result) {
    base::UniqueFd master;
    RuntimeResult all = result;
    if (result.ok && console != nullptr) {
      absl::StatusOr<base::UniqueFd> received = console->ReceiveMaster();
      if (received.ok()) {
        master = *std::move(received);
      } else {
        all.ok = false;
        all.error = std::string(received.status().message());
      }
    }
    ExecDone(task, process, all, std::move(master), reply);
    for (const char* suffix : {".json", ".pid", ".log"}) unlink((base + suffix).c_str());
    done();
  });
}

void TaskService::ExecDone(const Task& task, const Proc& process, const RuntimeResult& result, base::UniqueFd master,
                           const Reply& reply) {
  absl::Status status = absl::OkStatus();
  if (!result.ok) {
    status = RuntimeError("OCI runtime exec failed", result);
  } else {
    status =
        TakeProcess(task, process, absl::StrCat(task->bundle, "/exec-", process->exec_id, ".pid"), std::move(master));
  }
  if (!status.ok()) {
    process->streams->Close();
    process->phase = Phase::kStopped;
    process->exit_status = 255;
    process->exited_at = Now();
    FreeWaiters(*process);
    return reply.Fail(status);
  }
  process->phase = Phase::kRunning;
  containerd::events::TaskExecStarted event;
  event.set_container_id(task->id);
  event.set_exec_id(process->exec_id);
  event.set_pid(static_cast<uint32_t>(process->pid));
  Publish("exec-started", event);
  api::StartResponse response;
  response.set_pid(static_cast<uint32_t>(process->pid));
  reply.Send(response);
}

void TaskService::Delete(const api::ProcessRequest& request, const Reply& reply) {
  const auto found = Find(request.id(), request.exec_id());
  if (!found.ok()) return reply.Fail(found.status());
  const Task task = found->first;
  const Proc process = found->second;
  process->queue.Add([this, task, process, reply](std::function<void()> done) {
    if (process->phase == Phase::kRunning || process->phase == Phase::kPaused) {
      reply.Fail(absl::FailedPreconditionError("cannot delete a running process: failed precondition"));
      return done();
    }
    if (process->streams == nullptr || process->phase == Phase::kCreated) {
      return Drained(task, process, reply, std::move(done));
    }
    // Whichever comes first.
    auto once = std::make_shared<std::function<void()>>(
        [this, task, process, reply, done = std::move(done)] { Drained(task, process, reply, done); });
    const auto run = [once] {
      if (const std::function<void()> action = std::exchange(*once, nullptr)) action();
    };
    const Loop::TimerId timer = loop_.After(kDrain, run);
    process->streams->WhenCopied([this, run, timer] {
      loop_.Cancel(timer);
      loop_.Post(run);
    });
  });
}

void TaskService::Drained(const Task& task, const Proc& process, const Reply& reply, std::function<void()> done) {
  if (process == task->init) return DeleteInit(task, reply, std::move(done));
  if (process->streams != nullptr) process->streams->Close();
  AnswerDelete(*process, reply);
  task->execs.erase(process->exec_id);
  done();
}

void TaskService::DeleteInit(const Task& task, const Reply& reply, std::function<void()> done) {
  if (const auto found = tasks_.find(task->id); found == tasks_.end() || found->second != task) {
    reply.Fail(absl::NotFoundError("container not created: not found"));
    return done();
  }
  RuntimeCall call = {.words = {"delete"}, .bundle = task->bundle};
  // It waits for its start, and so is alive.
  if (task->init->phase == Phase::kCreated) call.words.push_back("--force");
  call.words.push_back(task->id);
  task->runtime.Call(std::move(call), [this, task, reply, done](const RuntimeResult& result) {
    absl::Status status = absl::OkStatus();
    if (!result.ok && !absl::StrContains(result.error, "does not exist")) {
      status = RuntimeError("failed to delete task", result);
    }
    task->init->streams->Close();
    if (absl::Status s = UnmountRootfs(task->rootfs()); !s.ok() && status.ok()) status = s;
    if (!status.ok()) {
      reply.Fail(status);
      return done();
    }
    if (task->oom) loop_.Forget(task->oom->fd());
    task->oom.reset();
    for (const auto& [id, exec] : task->execs) {
      if (exec->streams != nullptr) exec->streams->Close();
    }
    tasks_.erase(task->id);
    containerd::events::TaskDelete event;
    event.set_container_id(task->id);
    event.set_pid(static_cast<uint32_t>(task->init->pid));
    event.set_exit_status(task->init->exit_status);
    *event.mutable_exited_at() = task->init->exited_at;
    Publish("delete", event);
    AnswerDelete(*task->init, reply);
    done();
    CheckIdle();
  });
}

void TaskService::AnswerDelete(const Process& process, const Reply& reply) {
  api::DeleteResponse response;
  response.set_pid(static_cast<uint32_t>(process.pid));
  response.set_exit_status(process.exit_status);
  if (process.phase == Phase::kStopped) *response.mutable_exited_at() = process.exited_at;
  reply.Send(response);
}

void TaskService::Kill(const api::KillRequest& request, const Reply& reply) {
  const auto found = Find(request.id(), request.exec_id());
  if (!found.ok()) return reply.Fail(found.status());
  const Task task = found->first;
  const Proc process = found->second;
  if (request.signal() < 1 || request.signal() > 64) {
    return reply.Fail(absl::InvalidArgumentError(absl::StrCat("signal ", request.signal())));
  }
  if (process != task->init) {
    if (process->phase == Phase::kStopped) return reply.Fail(Finished());
    if (process->pid == 0) return reply.Fail(absl::FailedPreconditionError("process not created: failed precondition"));
    // Ours until we have reaped it, so the number is no other's.
    if (kill(process->pid, static_cast<int>(request.signal())) != 0) return reply.Fail(Finished());
    return reply.SendEmpty();
  }
  if (process->phase == Phase::kStopped && !request.all()) return reply.Fail(Finished());
  RuntimeCall call = {.words = {"kill"}, .bundle = task->bundle, .log = "kill.json"};
  if (request.all()) call.words.push_back("--all");
  call.words.insert(call.words.end(), {task->id, absl::StrCat(request.signal())});
  // Not in the queue: what hangs there must be killable.
  ++process->commands;
  task->runtime.Call(std::move(call), [this, task, reply](const RuntimeResult& result) {
    reply.Finish(result.ok ? absl::OkStatus() : KillError(result));
    CommandDone(task);
  });
}

void TaskService::ResizePty(const api::ResizePtyRequest& request, const Reply& reply) {
  const auto found = Find(request.id(), request.exec_id());
  if (!found.ok()) return reply.Fail(found.status());
  if (found->second->streams != nullptr) found->second->streams->Resize(request.width(), request.height());
  reply.SendEmpty();
}

void TaskService::CloseIO(const api::CloseIORequest& request, const Reply& reply) {
  const auto found = Find(request.id(), request.exec_id());
  if (!found.ok()) return reply.Fail(found.status());
  if (request.stdin() && found->second->streams != nullptr) found->second->streams->CloseInput();
  reply.SendEmpty();
}

}  // namespace runsc::shim
