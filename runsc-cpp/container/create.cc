#include "runsc-cpp/container/create.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/container/anchor.h"
#include "runsc-cpp/container/bundle.h"
#include "runsc-cpp/container/cgroup_record.h"
#include "runsc-cpp/container/console.h"
#include "runsc-cpp/container/describe.h"
#include "runsc-cpp/container/limits.h"
#include "runsc-cpp/container/placing.h"
#include "runsc-cpp/container/process_ref.h"
#include "runsc-cpp/container/sandbox_of.h"
#include "runsc-cpp/container/state.h"
#include "runsc-cpp/container/streams.h"
#include "runsc-cpp/hooks/hooks.h"
#include "runsc-cpp/sandbox/control_client.h"
#include "runsc-cpp/sandbox/launch.h"

namespace runsc {
namespace {

namespace control = sentry::control;

int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// One container on its way. What was made is taken away by the destructor, unless Keep was called.
class Creation {
 public:
  Creation(const RuntimeOptions& runtime, const CreateOptions& options) : runtime_(runtime), options_(options) {}
  ~Creation() {
    if (!kept_) Undo();
  }

  absl::StatusOr<ContainerRecord> Run() {
    for (const auto step : {&Creation::Read, &Creation::AddDirectory, &Creation::FindSandbox, &Creation::MakeConsole,
                            &Creation::LaunchAnchorProcess, &Creation::MakeCgroup, &Creation::RunHostHooks,
                            &Creation::LaunchSandboxProcesses, &Creation::RunContainerHooks, &Creation::PreparePlacing,
                            &Creation::AskSentry, &Creation::PlaceGuests, &Creation::WriteFiles}) {
      if (absl::Status s = (this->*step)(); !s.ok()) return s;
    }
    kept_ = true;
    return record_;
  }

 private:
  absl::Status Read() {
    if (absl::Status s = CheckId(options_.id); !s.ok()) return s;
    absl::StatusOr<Bundle> bundle = ReadBundle(options_.bundle, runtime_);
    if (!bundle.ok()) return bundle.status();
    bundle_ = *std::move(bundle);
    const oci::AnnotatedSettings annotated = oci::ApplyAnnotations(runtime_.settings, bundle_.spec.annotations);
    for (const std::string& line : annotated.refusals) runtime_.warn(line);
    settings_ = annotated.settings;
    if (!bundle_.plan.process) return absl::InvalidArgumentError("config.json: process: must be there to create");
    bundle_.plan.resources = Narrowed(std::move(bundle_.plan.resources), settings_);
    absl::StatusOr<control::Limits> limits = ForGuest(bundle_.plan.resources);
    if (!limits.ok()) return limits.status();
    absl::StatusOr<ContainerDescription> description = DescribeContainer(options_.id, bundle_.plan, settings_.overlay);
    if (!description.ok()) return description.status();
    description_ = *std::move(description);
    *description_.container.mutable_limits() = *std::move(limits);
    return absl::OkStatus();
  }

  absl::Status AddDirectory() {
    if (absl::Status s = runtime_.root.Add(options_.id); !s.ok()) return s;
    added_ = true;
    absl::StatusOr<base::UniqueFd> lock = runtime_.root.Lock(options_.id);
    if (!lock.ok()) return lock.status();
    lock_ = *std::move(lock);
    record_.set_id(options_.id);
    record_.set_bundle(options_.bundle);
    record_.set_rootfs(bundle_.plan.root);
    record_.set_created_ns(NowNs());
    record_.set_owner(geteuid());
    record_.set_boot_id(BootId());
    for (const auto& [name, value] : bundle_.spec.annotations) (*record_.mutable_annotations())[name] = value;
    // In this order: a configuration without a record is that of a container that was made (operations.cc).
    if (absl::Status s = runtime_.root.Save(record_); !s.ok()) return s;
    return runtime_.root.WriteFile(options_.id, "config.json", bundle_.text);
  }

  absl::Status FindSandbox() {
    absl::StatusOr<SandboxChoice> choice = ChooseSandbox(runtime_.root, options_.id, bundle_);
    if (!choice.ok()) return choice.status();
    sandbox_ = *std::move(choice);
    record_.set_sandbox(sandbox_.id);
    ChooseNamespaces(runtime_.root, bundle_.plan, description_.container);
    for (const std::string& line : sandbox_.warnings) runtime_.warn(line);
    absl::StatusOr<base::UniqueFd> log = runtime_.root.OpenLog(options_.id);
    if (!log.ok()) return log.status();
    log_ = *std::move(log);
    return absl::OkStatus();
  }

  absl::Status MakeConsole() {
    const oci::ProcessPlan& process = *bundle_.plan.process;
    absl::StatusOr<ProcessStreams> streams = ProcessStreams::Open({.terminal = process.terminal,
                                                                   .console_socket = options_.console_socket,
                                                                   .foreground = options_.foreground,
                                                                   .rows = process.rows,
                                                                   .columns = process.columns,
                                                                   .preserve_fds = options_.preserve_fds});
    if (!streams.ok()) return streams.status();
    streams_ = *std::move(streams);
    return absl::OkStatus();
  }

  absl::Status LaunchAnchorProcess() {
    AnchorOptions anchor;
    anchor.title = bundle_.plan.process->argv;
    anchor.controlling_terminal = streams_->own_terminal();
    base::UniqueFd network;
    const oci::NamespacePlan& plan = bundle_.plan.Namespace(oci::NamespaceKind::kNetwork);
    anchor.new_network = plan.wanted && plan.path.empty();
    if (!plan.path.empty()) {
      network.reset(open(plan.path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!network.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("network namespace ", plan.path));
      anchor.network = network.get();
    }
    anchor.network_sysctls = bundle_.plan.network_sysctls;
    const base::UniqueFd directory(
        open(runtime_.root.Directory(options_.id).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    anchor.directory = directory.get();
    absl::StatusOr<AnchorProcess> launched = LaunchAnchor(anchor);
    if (!launched.ok()) {
      const std::string where = plan.path.empty() ? "" : absl::StrCat("linux.namespaces: network by ", plan.path, ": ");
      return absl::Status(launched.status().code(), absl::StrCat(where, launched.status().message()));
    }
    anchor_ = *std::move(launched);
    *record_.mutable_anchor() = RefTo(anchor_.pid);
    if (absl::Status s = SettleNetwork(plan.path); !s.ok()) return s;
    return runtime_.root.Save(record_);
  }

  // A sandbox has one network: that of the container it was made for.
  absl::Status SettleNetwork(const std::string& path) {
    struct stat own;
    if (stat(absl::StrCat("/proc/", anchor_.pid, "/ns/net").c_str(), &own) != 0) {
      return absl::ErrnoToStatus(errno, "look at the container's network namespace");
    }
    record_.set_network(sandbox_.is_new ? own.st_ino : sandbox_.network);
    if (sandbox_.is_new || sandbox_.network == 0 || sandbox_.network == own.st_ino) return absl::OkStatus();
    if (path.empty()) {
      runtime_.warn(absl::StrCat("the container has the network of the sandbox ", sandbox_.id,
                                 ", which it joins by another namespace, and none of its own"));
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(absl::StrCat("config.json: linux.namespaces: network by ", path,
                                                   ": it is not that of the sandbox ", sandbox_.id,
                                                   ", which the container joins; allowed is that one's"));
  }

  absl::Status MakeCgroup() {
    absl::StatusOr<cgroup::Cgroup> made = PlannedCgroup(runtime_, bundle_.plan.cgroups_path, options_.id);
    if (!made.ok()) return made.status();
    if (absl::Status s = made->CheckUnused(); !s.ok()) return s;
    // First, so that it is found by whoever deletes what a killed command left.
    *record_.mutable_cgroup() = ToRecord(made->state());
    if (absl::Status s = runtime_.root.Save(record_); !s.ok()) return s;
    const oci::LinuxResources resources = ForHost(bundle_.plan.resources);
    if (absl::Status s = made->Create(resources, anchor_.pid, bundle_.spec.annotations); !s.ok()) return s;
    cgroup_ = *std::move(made);
    *record_.mutable_cgroup() = ToRecord(cgroup_->state());
    if (absl::Status s = runtime_.root.Save(record_); !s.ok()) return s;
    return cgroup_->Apply(resources);
  }

  absl::Status RunHostHooks() {
    hooks_ran_ = true;
    const std::string state = HookState(record_, "creating");
    if (absl::Status s = RunHooks("prestart", bundle_.plan.hooks.prestart, state); !s.ok()) return s;
    return RunHooks("createRuntime", bundle_.plan.hooks.create_runtime, state);
  }

  absl::Status LaunchSandboxProcesses() {
    if (sandbox_.is_new) {
      if (absl::Status s = LaunchSentry(); !s.ok()) return s;
    } else {
      absl::StatusOr<base::UniqueFd> connection = runtime_.root.ConnectTo(sandbox_.id);
      if (!connection.ok()) return connection.status();
      sentry_.control = *std::move(connection);
      *record_.mutable_sentry() = sandbox_.sentry;
    }
    absl::StatusOr<GoferProcess> gofer = LaunchGofer({.exports = description_.exports,
                                                      .log_level = runtime_.log_level,
                                                      .log = log_.get(),
                                                      .tie = GoferTie::kSandbox,
                                                      .held = !bundle_.plan.hooks.create_container.empty()});
    if (!gofer.ok()) return gofer.status();
    gofer_ = *std::move(gofer);
    *record_.mutable_gofer() = RefTo(gofer_.pid);
    if (absl::Status s = cgroup_->Join(gofer_.pid); !s.ok()) return s;
    return runtime_.root.Save(record_);
  }

  // In the gofer's mount namespace, before it takes what it exports: what they mount in the root is seen inside.
  absl::Status RunContainerHooks() {
    if (!gofer_.gate.valid()) return absl::OkStatus();
    HookPlace place;
    place.directory = description_.exports.front().host_path;
    base::UniqueFd network, mounts;
    for (const auto& [fd, pid, name] :
         {std::tuple{&network, anchor_.pid, "net"}, std::tuple{&mounts, gofer_.pid, "mnt"}}) {
      const std::string path = absl::StrCat("/proc/", pid, "/ns/", name);
      fd->reset(open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!fd->valid()) return absl::ErrnoToStatus(errno, absl::StrCat("open the container's ", name, " namespace"));
      place.namespaces.push_back(fd->get());
    }
    absl::Status status = RunHooks("createContainer", bundle_.plan.hooks.create_container,
                                   HookState(record_, "creating"), OnHost(std::move(place)));
    return status.ok() ? ReleaseGofer(gofer_) : status;
  }

  absl::Status LaunchSentry() {
    absl::StatusOr<PlatformChosen> platform = runtime_.choose_platform(settings_.platform);
    if (!platform.ok()) return platform.status();
    absl::StatusOr<base::UniqueFd> listener = runtime_.root.ListenAs(sandbox_.id);
    if (!listener.ok()) return listener.status();
    SentryConfig config;
    config.set_platform(platform->name);
    config.set_log_level(settings_.debug ? 0 : runtime_.log_level);
    config.set_strace(settings_.strace);
    config.set_memory_limit(settings_.memory_limit);
    cpu_set_t cpus;
    config.set_cpu_count(sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1);
    if (absl::Status s = LaunchNetwork(); !s.ok()) return s;
    absl::StatusOr<SentryProcess> sentry = StartSentry(config, {.log = log_.get(),
                                                                .device = platform->device.get(),
                                                                .listen = listener->get(),
                                                                .netgofer = &netgofer_.client});
    if (!sentry.ok()) return sentry.status();
    sentry_ = *std::move(sentry);
    *record_.mutable_sentry() = RefTo(sentry_.pid);
    netgofer_.client.clear();
    // Before it makes processes of its own.
    if (absl::Status s = cgroup_->Join(sentry_.pid); !s.ok()) return s;
    return FinishSentry(sentry_);
  }

  absl::Status LaunchNetwork() {
    const base::UniqueFd network(open(absl::StrCat("/proc/", anchor_.pid, "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
    if (!network.valid()) return absl::ErrnoToStatus(errno, "open the container's network namespace");
    NetgoferOptions options;
    options.network = settings_.network == "none" ? NetgoferNetwork::kOwn : NetgoferNetwork::kCallers;
    options.network_namespace = network.get();
    options.log_level = runtime_.log_level;
    options.log = log_.get();
    options.tie = GoferTie::kSandbox;
    absl::StatusOr<NetgoferProcess> launched = LaunchNetgofer(options);
    if (!launched.ok()) return launched.status();
    netgofer_ = *std::move(launched);
    return cgroup_->Join(netgofer_.pid);
  }

  absl::Status AskSentry() {
    control::Request request;
    control::Container& container = *request.mutable_create()->mutable_container();
    container.Swap(&description_.container);
    RequestDescriptors fds;
    container.set_gofer_memory_fd(fds.Add(gofer_.client.memory.get()));
    for (const base::UniqueFd& fd : gofer_.client.sockets) container.add_gofer_socket_fds(fds.Add(fd.get()));
    const base::UniqueFd gofer(static_cast<int>(syscall(SYS_pidfd_open, gofer_.pid, 0)));
    if (gofer.valid()) container.set_gofer_process_fd(fds.Add(gofer.get()));
    container.mutable_process()->set_link_fd(fds.Add(anchor_.link.get()));
    container.mutable_process()->set_host_pid(anchor_.pid);
    streams_->Describe(*container.mutable_process(), fds);
    if (placing_) container.set_place_fd(fds.Add(placing_->theirs()));
    ControlClient client(std::move(sentry_.control));
    const absl::StatusOr<control::Response> response = client.Call(request, fds);
    if (!response.ok()) {
      if (!sandbox_.is_new) return response.status();
      return absl::InternalError(absl::StrCat("the sandbox did not start: ", WhySentryFailed(sentry_)));
    }
    return ToStatus(*response, *bundle_.plan.process);
  }

  // In a sandbox of its own the container's guests are charged where the sentry is; in another's, in its own cgroup.
  absl::Status PreparePlacing() {
    if (sandbox_.is_new) return absl::OkStatus();
    absl::StatusOr<Placing> made = Placing::Make();
    if (made.ok()) placing_ = *std::move(made);
    return made.status();
  }

  absl::Status PlaceGuests() {
    return placing_ ? placing_->Finish(*cgroup_, record_.sentry().pid()) : absl::OkStatus();
  }

  absl::Status WriteFiles() {
    record_.set_phase(ContainerRecord::CREATED);
    if (absl::Status s = runtime_.root.Save(record_); !s.ok()) return s;
    return options_.pid_file.empty() ? absl::OkStatus() : WritePidFile(options_.pid_file, anchor_.pid);
  }

  // In the reverse order. The sentry ends with its last container, the gofer with it.
  void Undo() {
    sentry_.control.reset();
    anchor_.link.reset();
    gofer_.client = {};
    gofer_.gate.reset();
    if (anchor_.pid > 0) EndChild(anchor_.pid);
    if (sandbox_.is_new && sentry_.pid > 0) EndChild(sentry_.pid);
    if (gofer_.pid > 0) EndChild(gofer_.pid);
    if (netgofer_.pid > 0) EndChild(netgofer_.pid);
    if (cgroup_) (void)cgroup_->Delete();
    if (sandbox_.is_new) runtime_.root.RemoveSocket(sandbox_.id);
    RunPoststop();
    if (added_) runtime_.root.Remove(options_.id);
  }

  // What earlier hooks set up may be undone by these: the specification wants them after a failure, too.
  void RunPoststop() {
    if (!hooks_ran_) return;
    const std::string state = HookState(record_, "stopped");
    for (const absl::Status& s : RunEveryHook("poststop", bundle_.plan.hooks.poststop, state)) {
      if (!s.ok()) runtime_.warn(std::string(s.message()));
    }
  }

  const RuntimeOptions& runtime_;
  const CreateOptions& options_;
  Bundle bundle_;
  oci::SandboxSettings settings_;
  ContainerDescription description_;
  ContainerRecord record_;
  SandboxChoice sandbox_;
  std::optional<ProcessStreams> streams_;
  std::optional<cgroup::Cgroup> cgroup_;
  base::UniqueFd lock_, log_;
  AnchorProcess anchor_;
  SentryProcess sentry_;
  GoferProcess gofer_;
  std::optional<Placing> placing_;
  NetgoferProcess netgofer_;
  bool added_ = false, kept_ = false, hooks_ran_ = false;
};

}  // namespace

absl::StatusOr<ContainerRecord> CreateContainer(const RuntimeOptions& runtime, const CreateOptions& options) {
  return Creation(runtime, options).Run();
}

}  // namespace runsc
