#include "runsc-cpp/container/operations.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/container/ask.h"
#include "runsc-cpp/container/bundle.h"
#include "runsc-cpp/container/cgroup_record.h"
#include "runsc-cpp/container/end.h"
#include "runsc-cpp/container/ending.h"
#include "runsc-cpp/container/held.h"
#include "runsc-cpp/container/limits.h"
#include "runsc-cpp/container/process_ref.h"
#include "runsc-cpp/container/sandbox_of.h"
#include "runsc-cpp/container/state.h"
#include "runsc-cpp/hooks/hooks.h"

namespace runsc {
namespace {

namespace control = sentry::control;

constexpr int kEndMs = 10'000;

absl::Status Refused(const control::Response& response) {
  if (response.error() == 0) return absl::OkStatus();
  if (!response.message().empty()) return absl::FailedPreconditionError(response.message());
  std::string words = strerror(response.error());
  words[0] = static_cast<char>(tolower(words[0]));
  return absl::FailedPreconditionError(words);
}

absl::Status SetPaused(const RuntimeOptions& runtime, Held& held, bool paused) {
  control::Request request;
  request.mutable_pause()->set_id(held.record.id());
  request.mutable_pause()->set_resume(!paused);
  const absl::StatusOr<control::Response> response = AskSandbox(runtime, held.record, request);
  if (!response.ok()) return response.status();
  if (absl::Status s = Refused(*response); !s.ok()) return s;
  held.record.set_paused(paused);
  return runtime.root.Save(held.record);
}

// Anchors, sentry and gofer; the sentry takes the rest with it. Only processes of this very program: should the cgroup
// be another's after all, nobody else dies.
void KillOurs(const cgroup::Cgroup& cgroup) {
  struct stat self, exe;
  const absl::StatusOr<std::vector<pid_t>> processes = cgroup.AllProcesses();
  if (!processes.ok() || stat("/proc/self/exe", &self) != 0) return;
  for (const pid_t pid : *processes) {
    if (pid == getpid() || stat(absl::StrCat("/proc/", pid, "/exe").c_str(), &exe) != 0) continue;
    if (exe.st_dev == self.st_dev && exe.st_ino == self.st_ino) KillProcess(RefTo(pid));
  }
}

// Ends a container whose record is lost: by its cgroup, of which its configuration tells.
void EndUnrecorded(const RuntimeOptions& runtime, const std::string& id) {
  ContainerRecord known;
  known.set_id(id);
  const absl::StatusOr<Bundle> bundle = ReadStoredBundle(runtime, known);
  if (bundle.ok()) {
    absl::StatusOr<cgroup::Cgroup> cgroup = PlannedCgroup(runtime, bundle->plan.cgroups_path, id);
    if (cgroup.ok() && cgroup->Exists()) {
      KillOurs(*cgroup);
      if (const absl::Status s = cgroup->Delete(); !s.ok()) runtime.warn(std::string(s.message()));
    }
  }
  runtime.root.RemoveSocket(id);
  runtime.root.Remove(id);
}

// A sandbox that lives on without the container it was made for leaves that one's cgroup for another member's.
void MoveSandbox(const RuntimeOptions& runtime, const ContainerRecord& record, const cgroup::Cgroup& from) {
  for (const ContainerRecord& member : MembersOf(runtime.root, record.sandbox())) {
    if (member.id() == record.id() || !IsAlive(member.anchor())) continue;
    absl::StatusOr<std::optional<cgroup::Cgroup>> to = CgroupOf(runtime, member);
    if (!to.ok() || !to->has_value()) continue;
    // Again, for what was forked meanwhile.
    for (int round = 0; round < 3; ++round) {
      const absl::StatusOr<std::vector<pid_t>> processes = from.AllProcesses();
      if (!processes.ok() || processes->empty()) return;
      for (const pid_t pid : *processes) (void)(*to)->Join(pid);
    }
    return;
  }
}

// Without its lock, which whoever starts it holds while a hook runs.
void KillAnchor(const RuntimeOptions& runtime, const std::string& id) {
  const absl::StatusOr<ContainerRecord> record = runtime.root.Load(id);
  if (record.ok() && record->boot_id() == BootId()) KillProcess(record->anchor());
}

// What is left in the host of a container that has ended.
absl::Status CleanUp(const RuntimeOptions& runtime, const ContainerRecord& record) {
  absl::StatusOr<std::optional<cgroup::Cgroup>> cgroup = CgroupOf(runtime, record);
  absl::Status status = cgroup.status();
  if (cgroup.ok() && cgroup->has_value()) {
    MoveSandbox(runtime, record, **cgroup);
    status = (*cgroup)->Delete();
  }
  const absl::StatusOr<Bundle> bundle = ReadStoredBundle(runtime, record);
  if (bundle.ok()) {
    const std::string state = HookState(record, "stopped");
    for (const absl::Status& s : RunEveryHook("poststop", bundle->plan.hooks.poststop, state)) {
      if (!s.ok()) runtime.warn(std::string(s.message()));
    }
  }
  if (MembersOf(runtime.root, record.sandbox()).size() <= 1) runtime.root.RemoveSocket(record.sandbox());
  runtime.root.Remove(record.id());
  return status;
}

}  // namespace

absl::StatusOr<Held> Hold(const RuntimeOptions& runtime, const std::string& id) {
  if (!runtime.root.Exists(id)) return absl::NotFoundError("container does not exist");
  absl::StatusOr<base::UniqueFd> lock = runtime.root.Lock(id);
  if (!lock.ok()) return lock.status();
  absl::StatusOr<ContainerRecord> record = runtime.root.Load(id);
  if (!record.ok()) return record.status();
  return Held{*std::move(lock), *std::move(record)};
}

void EndContainer(const RuntimeOptions& runtime, const ContainerRecord& record) {
  if (record.boot_id() != BootId()) return;  // the numbers are others' by now
  KillProcess(record.anchor());              // the sentry sees it, and ends the container
  AwaitEnd(record.anchor(), kEndMs);
  if (!AwaitEnd(record.gofer(), kEndMs)) KillProcess(record.gofer());
  const std::vector<ContainerRecord> members = MembersOf(runtime.root, record.sandbox());
  for (const ContainerRecord& member : members) {
    if (member.id() != record.id() && IsAlive(member.anchor())) return;  // the sandbox lives on
  }
  if (!AwaitEnd(record.sentry(), kEndMs)) KillProcess(record.sentry());
  AwaitEnd(record.sentry(), kEndMs);
}

absl::Status KillContainer(const RuntimeOptions& runtime, const std::string& id, int signo, KillReach reach) {
  const absl::StatusOr<ContainerRecord> record = runtime.root.Load(id);
  if (!record.ok()) return record.status();
  if (StatusOf(*record) == ContainerStatus::kStopped) {
    // Its processes went with it, also those that runc would have to look for.
    if (reach == KillReach::kAll) return absl::OkStatus();
    return absl::FailedPreconditionError("container not running");
  }
  control::Request request;
  control::SignalRequest& to = *request.mutable_signal();
  to.set_id(id);
  to.set_signal(signo);
  to.set_all(reach == KillReach::kAll);
  const absl::StatusOr<control::Response> response = AskSandbox(runtime, *record, request);
  if (!response.ok() && signo == SIGKILL) {  // a sentry that does not answer
    KillProcess(record->anchor());
    return absl::OkStatus();
  }
  if (!response.ok()) return response.status();
  if (response->error() == ESRCH) return absl::FailedPreconditionError("container not running");
  return Refused(*response);
}

absl::Status DeleteContainer(const RuntimeOptions& runtime, const std::string& id, DeleteMode mode) {
  const bool force = mode == DeleteMode::kForce;
  if (force) KillAnchor(runtime, id);
  absl::StatusOr<Held> held = Hold(runtime, id);
  if ((absl::IsNotFound(held.status()) || absl::IsDataLoss(held.status())) && force) {
    if (absl::IsDataLoss(held.status())) runtime.warn(std::string(held.status().message()));
    if (runtime.root.Exists(id)) EndUnrecorded(runtime, id);
    return absl::OkStatus();
  }
  if (!held.ok()) return held.status();
  const ContainerStatus status = StatusOf(held->record);
  // As runc: one that has not started may be deleted.
  if (status != ContainerStatus::kCreated && status != ContainerStatus::kStopped && !force) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot delete container ", id, " that is not stopped: ", StatusWord(status)));
  }
  EndContainer(runtime, held->record);  // of a stopped one the sentry may be on its way out
  KeepEnd(runtime, held->record, status);
  const absl::Status cleaned = CleanUp(runtime, held->record);
  if (!cleaned.ok() && force) runtime.warn(std::string(cleaned.message()));
  return force ? absl::OkStatus() : cleaned;
}

absl::Status PauseContainer(const RuntimeOptions& runtime, const std::string& id) {
  absl::StatusOr<Held> held = Hold(runtime, id);
  if (!held.ok()) return held.status();
  const ContainerStatus status = StatusOf(held->record);
  if (status != ContainerStatus::kRunning && status != ContainerStatus::kCreated) {
    return absl::FailedPreconditionError(absl::StrCat("container not running"));
  }
  return SetPaused(runtime, *held, true);
}

absl::Status ResumeContainer(const RuntimeOptions& runtime, const std::string& id) {
  absl::StatusOr<Held> held = Hold(runtime, id);
  if (!held.ok()) return held.status();
  if (StatusOf(held->record) != ContainerStatus::kPaused) return absl::FailedPreconditionError("container not paused");
  return SetPaused(runtime, *held, false);
}

absl::StatusOr<std::vector<control::ProcessInfo>> ListProcesses(const RuntimeOptions& runtime, const std::string& id) {
  const absl::StatusOr<ContainerRecord> record = runtime.root.Load(id);
  if (!record.ok()) return record.status();
  if (StatusOf(*record) == ContainerStatus::kStopped) return absl::FailedPreconditionError("container not running");
  control::Request request;
  request.mutable_processes()->set_id(id);
  const absl::StatusOr<control::Response> response = AskSandbox(runtime, *record, request);
  if (!response.ok()) return response.status();
  if (absl::Status s = Refused(*response); !s.ok()) return s;
  return std::vector<control::ProcessInfo>(response->processes().begin(), response->processes().end());
}

absl::Status UpdateContainer(const RuntimeOptions& runtime, const std::string& id,
                             const oci::LinuxResources& resources) {
  absl::StatusOr<Held> held = Hold(runtime, id);
  if (!held.ok()) return held.status();
  if (StatusOf(held->record) == ContainerStatus::kStopped)
    return absl::FailedPreconditionError("container not running");
  absl::StatusOr<std::optional<cgroup::Cgroup>> cgroup = CgroupOf(runtime, held->record);
  if (!cgroup.ok()) return cgroup.status();
  control::Request request;
  request.mutable_update()->set_id(id);
  absl::StatusOr<control::Limits> limits = ForGuest(resources);
  if (!limits.ok()) return limits.status();
  *request.mutable_update()->mutable_limits() = *std::move(limits);
  if (cgroup->has_value()) {
    if (absl::Status s = (*cgroup)->Apply(ForHost(resources)); !s.ok()) return s;
  }
  const absl::StatusOr<control::Response> response = AskSandbox(runtime, held->record, request);
  return response.ok() ? Refused(*response) : response.status();
}

}  // namespace runsc
