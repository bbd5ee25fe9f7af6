// containerd.task.v2.Task: the calls, what they do to containers, and the events that tell of it.
#ifndef RUNSC_CPP_SHIM_TASK_SERVICE_H_
#define RUNSC_CPP_SHIM_TASK_SERVICE_H_

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "runsc-cpp/shim/container.h"
#include "runsc-cpp/shim/loop.h"
#include "runsc-cpp/shim/publisher.h"
#include "runsc-cpp/shim/reaper.h"
#include "runsc-cpp/shim/server.h"

namespace runsc::shim {

class TaskService {
 public:
  static constexpr size_t kMaxContainers = 1024;
  static constexpr size_t kMaxExecs = 4096;  // of a container, not yet deleted

  // `shutdown` is called when the shim may end.
  TaskService(Loop& loop, Reaper& reaper, Publisher& publisher, std::string space, std::function<void()> shutdown)
      : loop_(loop), reaper_(reaper), publisher_(publisher), space_(std::move(space)), shutdown_(std::move(shutdown)) {}
  ~TaskService();

  void Handle(absl::string_view service, absl::string_view method, const std::string& payload, Reply reply);
  // The shim shall end as soon as nobody needs it to wait for a process.
  void EndWhenIdle();

 private:
  using Task = std::shared_ptr<Container>;
  using Proc = std::shared_ptr<Process>;
  struct Method;
  struct Creation;
  static const Method kMethods[];

  template <class Request, void (TaskService::*kHandler)(const Request&, const Reply&)>
  void Parse(const std::string& payload, const Reply& reply);

  // The calls. A request may name a container that is not there, in any state.
  void State(const containerd::task::v2::ProcessRequest& request, const Reply& reply);
  void Create(const containerd::task::v2::CreateTaskRequest& request, const Reply& reply);
  void Start(const containerd::task::v2::ProcessRequest& request, const Reply& reply);
  void Delete(const containerd::task::v2::ProcessRequest& request, const Reply& reply);
  void Pids(const containerd::task::v2::ProcessRequest& request, const Reply& reply);
  void Pause(const containerd::task::v2::ProcessRequest& request, const Reply& reply);
  void Resume(const containerd::task::v2::ProcessRequest& request, const Reply& reply);
  void Checkpoint(const containerd::task::v2::ProcessRequest& request, const Reply& reply);
  void Kill(const containerd::task::v2::KillRequest& request, const Reply& reply);
  void Exec(const containerd::task::v2::ExecProcessRequest& request, const Reply& reply);
  void ResizePty(const containerd::task::v2::ResizePtyRequest& request, const Reply& reply);
  void CloseIO(const containerd::task::v2::CloseIORequest& request, const Reply& reply);
  void Update(const containerd::task::v2::UpdateTaskRequest& request, const Reply& reply);
  void Wait(const containerd::task::v2::ProcessRequest& request, const Reply& reply);
  void Stats(const containerd::task::v2::ProcessRequest& request, const Reply& reply);
  void Connect(const containerd::task::v2::ProcessRequest& request, const Reply& reply);
  void Shutdown(const containerd::task::v2::ProcessRequest& request, const Reply& reply);

  absl::StatusOr<Task> FindTask(const std::string& id) const;
  absl::StatusOr<std::pair<Task, Proc>> Find(const std::string& id, const std::string& exec_id) const;

  // task_create.cc
  absl::Status Prepare(Creation& creation);
  void Created(const std::shared_ptr<Creation>& creation, const RuntimeResult& result);
  void CreateFailed(const std::shared_ptr<Creation>& creation, const absl::Status& status);
  absl::Status TakeProcess(const Task& task, const Proc& process, const std::string& pid_file, base::UniqueFd master);

  // task_process.cc
  void StartInit(const Task& task, const Reply& reply, std::function<void()> done);
  void StartExec(const Task& task, const Proc& process, const Reply& reply, std::function<void()> done);
  void ExecDone(const Task& task, const Proc& process, const RuntimeResult& result, base::UniqueFd master,
                const Reply& reply);
  void Drained(const Task& task, const Proc& process, const Reply& reply, std::function<void()> done);
  void DeleteInit(const Task& task, const Reply& reply, std::function<void()> done);
  void AnswerDelete(const Process& process, const Reply& reply);

  // task_end.cc
  void Ended(const Task& task, const Proc& process, int wait_status);
  void CommandDone(const Task& task);
  void TellEnd(const Task& task, const Proc& process);
  void FreeWaiters(Process& process);
  void WatchOom(const Task& task);
  void ReadOom(const Task& task);
  void CheckIdle();

  // task_control.cc: pause and resume.
  void ChangePhase(const Task& task, Phase from, Phase to, const Reply& reply);

  void Publish(const std::string& topic, const google::protobuf::MessageLite& event) {
    publisher_.Publish("/tasks/" + topic, event);
  }

  Loop& loop_;
  Reaper& reaper_;
  Publisher& publisher_;
  const std::string space_;
  const std::function<void()> shutdown_;
  std::map<std::string, Task> tasks_;
  std::set<std::string> creating_;
  bool end_when_idle_ = false;
};

// "OCI runtime create failed: MESSAGE", as engines expect it.
inline absl::Status RuntimeError(absl::string_view what, const RuntimeResult& result) {
  return absl::UnknownError(std::string(what) + ": " + result.error);
}

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_TASK_SERVICE_H_
