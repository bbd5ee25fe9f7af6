// exec: one more process in a running container.
#include <fcntl.h>

#include <cerrno>
#include <optional>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/container/anchor.h"
#include "runsc-cpp/container/ask.h"
#include "runsc-cpp/container/bundle.h"
#include "runsc-cpp/container/cgroup_record.h"
#include "runsc-cpp/container/describe.h"
#include "runsc-cpp/container/operations.h"
#include "runsc-cpp/container/state.h"
#include "runsc-cpp/container/streams.h"
#include "runsc-cpp/sandbox/launch.h"

namespace runsc {
namespace {

namespace control = sentry::control;

absl::Status CheckRuns(const ContainerRecord& record, const ExecOptions& options) {
  const ContainerStatus status = StatusOf(record);
  if (status == ContainerStatus::kStopped) return absl::FailedPreconditionError("cannot exec in a stopped container");
  if (status == ContainerStatus::kPaused && !options.ignore_paused) {
    return absl::FailedPreconditionError("cannot exec in a paused container (use --ignore-paused to override)");
  }
  return absl::OkStatus();
}

// In the container's network namespace and cgroups, like its first process's.
absl::StatusOr<AnchorProcess> LaunchBeside(const RuntimeOptions& runtime, const ContainerRecord& record,
                                           const oci::ProcessPlan& plan, const ProcessStreams& streams) {
  const base::UniqueFd network(
      open(absl::StrCat("/proc/", record.anchor().pid(), "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
  if (!network.valid()) return absl::FailedPreconditionError("container not running");
  absl::StatusOr<AnchorProcess> anchor = LaunchAnchor({.title = plan.argv,
                                                       .new_network = false,
                                                       .network = network.get(),
                                                       .controlling_terminal = streams.own_terminal()});
  if (!anchor.ok()) return anchor.status();
  absl::StatusOr<std::optional<cgroup::Cgroup>> cgroup = CgroupOf(runtime, record);
  absl::Status joined = cgroup.status();
  if (cgroup.ok() && cgroup->has_value()) joined = (*cgroup)->Join(anchor->pid);
  if (joined.ok()) return anchor;
  EndChild(anchor->pid);
  return joined;
}

// What process.json leaves out is as the container's first process has it.
void Complete(const oci::ContainerPlan& container, oci::ProcessPlan& plan) {
  if (!plan.capabilities) plan.capabilities = container.process->capabilities;
  if (plan.rlimits.empty()) plan.rlimits = container.process->rlimits;
  if (!plan.scheduler) plan.scheduler = container.process->scheduler;
  if (!plan.io_priority) plan.io_priority = container.process->io_priority;
  if (plan.initial_cpus.empty() && plan.final_cpus.empty()) {
    plan.initial_cpus = container.process->initial_cpus;
    plan.final_cpus = container.process->final_cpus;
  }
  if (!plan.oom_score_adj) plan.oom_score_adj = container.process->oom_score_adj;
}

absl::Status Ask(const RuntimeOptions& runtime, const ContainerRecord& record, const ExecOptions& options,
                 const oci::ProcessPlan& plan, const oci::ContainerPlan& container, const ProcessStreams& streams,
                 const AnchorProcess& anchor) {
  control::Request request;
  RequestDescriptors fds;
  request.mutable_exec()->set_id(record.id());
  request.mutable_exec()->set_ignore_paused(options.ignore_paused);
  control::Process& process = *request.mutable_exec()->mutable_process();
  DescribeProcess(plan, process);
  DescribeAffinity(plan, process);
  DescribeSeccomp(container.seccomp, process);
  process.set_personality(container.personality.value_or(0));
  process.set_make_cwd(false);
  process.set_link_fd(fds.Add(anchor.link.get()));
  process.set_host_pid(anchor.pid);
  streams.Describe(process, fds);
  const absl::StatusOr<control::Response> response = AskSandbox(runtime, record, request, fds);
  if (!response.ok()) return response.status();
  return ToStatus(*response, plan);
}

}  // namespace

absl::StatusOr<pid_t> ExecInContainer(const RuntimeOptions& runtime, const ExecOptions& options) {
  const absl::StatusOr<ContainerRecord> record = runtime.root.Load(options.id);
  if (!record.ok()) return record.status();
  if (absl::Status s = CheckRuns(*record, options); !s.ok()) return s;
  std::vector<std::string> warnings;
  absl::StatusOr<oci::ProcessPlan> plan = oci::LowerProcess(options.process, "process.json", warnings);
  if (!plan.ok()) return plan.status();
  for (const std::string& line : warnings) runtime.warn(line);
  const absl::StatusOr<Bundle> bundle = ReadStoredBundle(runtime, *record);
  if (!bundle.ok()) return bundle.status();
  Complete(bundle->plan, *plan);
  absl::StatusOr<ProcessStreams> streams = ProcessStreams::Open({.terminal = plan->terminal,
                                                                 .console_socket = options.console_socket,
                                                                 .foreground = options.foreground,
                                                                 .rows = plan->rows,
                                                                 .columns = plan->columns,
                                                                 .preserve_fds = options.preserve_fds});
  if (!streams.ok()) return streams.status();
  absl::StatusOr<AnchorProcess> anchor = LaunchBeside(runtime, *record, *plan, *streams);
  if (!anchor.ok()) return anchor.status();
  absl::Status status = Ask(runtime, *record, options, *plan, bundle->plan, *streams, *anchor);
  if (status.ok() && !options.pid_file.empty()) status = WritePidFile(options.pid_file, anchor->pid);
  if (status.ok()) return anchor->pid;
  anchor->link.reset();
  EndChild(anchor->pid);
  return status;
}

}  // namespace runsc
