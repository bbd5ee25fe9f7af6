// The sentry process, from its re-execution to the end of its last container.
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "platform/stub/template.h"
#include "runsc-cpp/boot/boot.h"
#include "runsc-cpp/boot/cgroup_processes.h"
#include "runsc-cpp/boot/containers.h"
#include "runsc-cpp/boot/control_server.h"
#include "runsc-cpp/boot/errno_status.h"
#include "runsc-cpp/boot/gofer_watch.h"
#include "runsc-cpp/boot/net_devices.h"
#include "runsc-cpp/boot/network.h"
#include "runsc-cpp/boot/platforms.h"
#include "runsc-cpp/boot/process_view.h"
#include "runsc-cpp/boot/rights.h"
#include "runsc-cpp/boot/tty_kernel.h"
#include "runsc-cpp/filter/filter.h"
#include "runsc-cpp/sandbox/launch.h"
#include "runsc-cpp/sandbox/link.h"
#include "sentry/kernel/kernel.h"
#include "sentry/syscalls/dispatcher.h"
#include "sentry/syscalls/rooms.h"
#include "sentry/usermem/safe_copy.h"

namespace runsc {
namespace {

using namespace sentry;  // NOLINT: all names of this file are the kernel's

base::UniqueFd Descriptor(bool there, uint32_t fd) { return base::UniqueFd(there ? static_cast<int>(fd) : -1); }

// The parts in the order in which they come to life. Nothing of it is taken
// down: the process ends with the last container.
class Sentry {
 public:
  explicit Sentry(SentryConfig config)
      : config_(std::move(config)), startup_(static_cast<int>(config_.startup_fd())), dispatcher_({config_.strace()}) {}

  // Ends the process.
  [[noreturn]] void Run() {
    if (absl::Status s = SetUp(); !s.ok()) {
      SendLink(startup_.get(), {LinkMessageType::kStartFailed, 0, std::string(s.message())});
      _exit(125);
    }
    startup_.reset();
    containers_->WaitUntilDone();
    _exit(0);
  }

 private:
  absl::Status SetUp() {
    if (absl::Status s = DropAllCapabilities(); !s.ok()) return s;
    if (absl::Status s = MakeMemoryAndPlatform(); !s.ok()) return s;
    if (absl::Status s = Connect(); !s.ok()) return s;
    if (absl::Status s = MakeKernel(); !s.ok()) return s;
    RaiseDescriptorLimit();
    if (absl::Status s = StartThreads(); !s.ok()) return s;
    if (!InstallFilter(platform_choice_->filter())) return absl::ErrnoToStatus(errno, "install the host filter");
    const Result<void> serves = ServeControl(*containers_, base::UniqueFd(static_cast<int>(config_.control_fd())),
                                             Descriptor(config_.has_listen_fd(), config_.listen_fd()));
    return serves.ok() ? absl::OkStatus() : Failed("serve requests", serves.error());
  }

  absl::Status StartThreads() {
    const Result<void> watches = WatchNetgofer(network_.stack->client(), [this] { Die("the netgofer died"); });
    if (!watches.ok()) return Failed("watch the netgofer", watches.error());
    const Result<void> timers = kernel_->timers().Start();
    return timers.ok() ? absl::OkStatus() : Failed("start the timers", timers.error());
  }

  // The template, where there is one, comes first: it must hold nothing that the sentry
  // gets later.
  absl::Status MakeMemoryAndPlatform() {
    base::UniqueFd small(memfd_create("memory", MFD_CLOEXEC));
    if (!small.valid()) return absl::ErrnoToStatus(errno, "memfd_create for the guest's memory");
    const int small_fd = small.get();
    const int large_fd = config_.has_large_memory_fd() ? static_cast<int>(config_.large_memory_fd()) : -1;
    platform_choice_ = FindPlatform(config_.platform());
    if (platform_choice_ == nullptr)
      return absl::InvalidArgumentError(absl::StrCat("no platform ", config_.platform()));
    PlatformParts parts;
    if (platform_choice_->stubs) {
      Result<platform::stub::TemplateHandle> stub_template = platform::stub::StartTemplate(small_fd, large_fd);
      if (!stub_template.ok()) return Failed("start the stub template", stub_template.error());
      parts.stub_template = *std::move(stub_template);
    }
    InstallSafeCopyHandler(static_cast<int>(config_.log_fd()));
    Result<std::unique_ptr<MemoryFile>> memory = MemoryFile::Create(
        {.small_fd = std::move(small), .large_fd = base::UniqueFd(large_fd), .limit = config_.memory_limit()});
    if (!memory.ok()) return Failed("map the memory file", memory.error());
    memory_ = *std::move(memory);
    for (const MemoryFile::HostFile& file : memory_->host_files()) parts.memory.push_back({file.fd, file.view});
    const base::UniqueFd device = Descriptor(config_.has_device_fd(), config_.device_fd());
    parts.device = device.get();
    parts.on_template_death = [this](std::string cause) { Die(std::move(cause)); };
    parts.on_stub_death = [this] {
      if (Kernel* kernel = running_kernel_.load()) kernel->KillLostProcesses();
    };
    absl::StatusOr<std::unique_ptr<platform::Platform>> made = platform_choice_->create(std::move(parts));
    if (!made.ok()) {
      return absl::Status(made.status().code(),
                          absl::StrCat("the ", config_.platform(), " platform: ", made.status().message()));
    }
    platform_ = *std::move(made);
    return absl::OkStatus();
  }

  absl::Status MakeKernel() {
    kernel_ = std::make_unique<Kernel>(Kernel::Options{.platform = platform_.get(),
                                                       .memory_file = memory_.get(),
                                                       .dispatcher = &dispatcher_,
                                                       .cpu_count = static_cast<int>(config_.cpu_count()),
                                                       .uts = {},
                                                       .net_state = network_.net_state.get(),
                                                       .init_ignores_signals = false});
    running_kernel_ = kernel_.get();
    kernel_->on_oom_kill = [this](const Cgroup& cgroup, int32_t pid, const std::string& name, uint64_t resident) {
      oom_victims_.Add(cgroup, pid, name, resident, memory_->limit());
    };
    kernel_->on_fatal = [this](std::string cause) { Die(cause); };
    kernel_->before_oom_kill = [this](const Cgroup& domain, const Cgroup& asker) { oom_.Show(domain, asker); };
    tty_kernel_ = std::make_unique<TtyKernel>(*kernel_);
    cgroup_processes_ = std::make_unique<KernelCgroupProcesses>(*kernel_);
    const FileSystemParts files{.memory = memory_.get(),
                                .processes = ViewsOf(*kernel_),
                                .cgroup_processes = cgroup_processes_.get(),
                                .net = std::make_shared<StackNetDevices>(network_.stack)};
    RegisterFileSystems(files);
    RegisterMqueueFileSystem(*kernel_);
    Result<std::unique_ptr<HostPoller>> poller = HostPoller::Create();
    if (!poller.ok()) return Failed("start the poller of standard streams", poller.error());
    poller_ = *std::move(poller);
    containers_ = std::make_unique<Containers>(SandboxParts{.kernel = kernel_.get(),
                                                            .files = files,
                                                            .poller = poller_.get(),
                                                            .oom = &oom_,
                                                            .oom_victims = &oom_victims_,
                                                            .unimplemented = [this] { return UnimplementedReport(); }});
    return absl::OkStatus();
  }

  absl::Status Connect() {
    std::vector<base::UniqueFd> sockets;
    for (const uint32_t fd : config_.netgofer_socket_fds()) sockets.emplace_back(static_cast<int>(fd));
    absl::StatusOr<Network> network = ConnectNetwork(std::move(sockets));
    if (!network.ok()) return network.status();
    network_ = *std::move(network);
    return absl::OkStatus();
  }

  static ProcessViews ViewsOf(Kernel& kernel) {
    return [&kernel](PidNamespace* ns) {
      return std::make_shared<KernelProcessView>(kernel, RefPtr<PidNamespace>(ns ? ns : &kernel.root_pid_ns()));
    };
  }

  // A part that the sandbox can't live without is gone.
  [[noreturn]] void Die(const std::string& cause) {
    LOG(kInfo, "the sandbox ends: %s", cause);
    if (containers_) containers_->TellDeath(cause);
    _exit(125);
  }

  std::string UnimplementedReport() const {
    std::string report;
    for (const auto& [name, count] : dispatcher_.Unimplemented())
      absl::StrAppend(&report, "  ", name, " ", count, "\n");
    return report;
  }

  const SentryConfig config_;
  base::UniqueFd startup_;
  TableDispatcher dispatcher_;
  OomNotices oom_;
  std::unique_ptr<MemoryFile> memory_;
  const PlatformChoice* platform_choice_ = nullptr;
  std::unique_ptr<platform::Platform> platform_;
  Network network_;
  std::unique_ptr<Kernel> kernel_;
  std::atomic<Kernel*> running_kernel_{nullptr};  // for the platform's thread, which is older
  std::unique_ptr<KernelCgroupProcesses> cgroup_processes_;
  std::unique_ptr<TtyKernel> tty_kernel_;
  std::unique_ptr<HostPoller> poller_;
  OomVictims oom_victims_;
  std::unique_ptr<Containers> containers_;
};

}  // namespace

int SentryMain() {
  SetProcessName("runsc-sandbox");
  SetUpMalloc();
  SentryConfig config;
  if (!ReadConfig(kConfigFd, config).ok()) return 125;
  close(kConfigFd);
  base::SetLogConfig({.fd = static_cast<int>(config.log_fd()),
                      .level = static_cast<base::LogLevel>(config.log_level()),
                      .process = "sentry"});
  signal(SIGPIPE, SIG_IGN);
  (new Sentry(std::move(config)))->Run();
}

}  // namespace runsc
