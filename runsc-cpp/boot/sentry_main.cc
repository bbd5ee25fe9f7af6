// The sentry process, from its re-execution to the guest's end.
#include <signal.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "platform/stub/template.h"
#include "runsc-cpp/boot/boot.h"
#include "runsc-cpp/boot/control_thread.h"
#include "runsc-cpp/boot/errno_status.h"
#include "runsc-cpp/boot/file_systems.h"
#include "runsc-cpp/boot/gofer_watch.h"
#include "runsc-cpp/boot/network.h"
#include "runsc-cpp/boot/platforms.h"
#include "runsc-cpp/boot/process_view.h"
#include "runsc-cpp/boot/program.h"
#include "runsc-cpp/boot/rights.h"
#include "runsc-cpp/boot/standard_streams.h"
#include "runsc-cpp/boot/tty_kernel.h"
#include "runsc-cpp/filter/filter.h"
#include "runsc-cpp/sandbox/launch.h"
#include "sentry/kernel/kernel.h"
#include "sentry/syscalls/dispatcher.h"
#include "sentry/usermem/safe_copy.h"
#include "sentry/vfs/operations.h"

namespace runsc {
namespace {

using namespace sentry;  // NOLINT: all names of this file are the kernel's

constexpr int kDrainMs = 2000;

// The parts in the order in which they come to life. Nothing of it is taken
// down: the process ends with the guest.
class Sentry {
 public:
  explicit Sentry(SandboxConfig config)
      : config_(std::move(config)), control_(static_cast<int>(config_.control_fd)), dispatcher_({config_.strace}) {}

  // Ends the process.
  [[noreturn]] void Run() {
    if (absl::Status s = SetUp(); !s.ok()) Leave({ControlType::kStartFailed, 125, std::string(s.message())});
    const RefPtr<ThreadGroup> first = StartCommand();
    control_.Send({ControlType::kStarted, 0, ""});
    const ExitStatus status = kernel_->WaitForExit(*first);
    if (streams_.bridge) streams_.bridge->Drain(kDrainMs);
    const int code = status.signo != 0 ? 128 + status.signo : status.code;
    Leave({ControlType::kExited, static_cast<uint32_t>(code), ""});
  }

 private:
  [[noreturn]] void Leave(const ControlMessage& message) {
    control_.Send(message);
    _exit(0);
  }

  absl::Status SetUp() {
    if (absl::Status s = DropAllCapabilities(); !s.ok()) return s;
    if (absl::Status s = MakeMemoryAndPlatform(); !s.ok()) return s;
    if (absl::Status s = ConnectGofer(); !s.ok()) return s;
    absl::StatusOr<Network> network = ConnectNetwork(config_);
    if (!network.ok()) return network.status();
    network_ = *std::move(network);
    MakeKernel();
    if (absl::Status s = MountAll(); !s.ok()) return s;
    RaiseDescriptorLimit();
    StartThreads();
    if (!InstallFilter(platform_choice_->filter())) return absl::ErrnoToStatus(errno, "install the host filter");
    return absl::OkStatus();
  }

  // The template, where there is one, comes first: it must hold nothing that the sentry
  // gets later.
  absl::Status MakeMemoryAndPlatform() {
    base::UniqueFd small(memfd_create("memory", MFD_CLOEXEC));
    if (!small.valid()) return absl::ErrnoToStatus(errno, "memfd_create for the guest's memory");
    const int small_fd = small.get();
    const int large_fd = config_.large_memory_fd == UINT32_MAX ? -1 : static_cast<int>(config_.large_memory_fd);
    platform_choice_ = FindPlatform(config_.platform);
    if (platform_choice_ == nullptr) return absl::InvalidArgumentError(absl::StrCat("no platform ", config_.platform));
    PlatformParts parts;
    if (platform_choice_->stubs) {
      Result<platform::stub::TemplateHandle> stub_template = platform::stub::StartTemplate(small_fd, large_fd);
      if (!stub_template.ok()) return Failed("start the stub template", stub_template.error());
      parts.stub_template = *std::move(stub_template);
    }
    InstallSafeCopyHandler(static_cast<int>(config_.log_fd));
    Result<std::unique_ptr<MemoryFile>> memory = MemoryFile::Create(
        {.small_fd = std::move(small), .large_fd = base::UniqueFd(large_fd), .limit = config_.memory_limit});
    if (!memory.ok()) return Failed("map the memory file", memory.error());
    memory_ = *std::move(memory);
    for (const MemoryFile::HostFile& file : memory_->host_files()) parts.memory.push_back({file.fd, file.view});
    const base::UniqueFd device(config_.device_fd == UINT32_MAX ? -1 : static_cast<int>(config_.device_fd));
    parts.device = device.get();
    parts.on_template_death = [this](std::string cause) { Die(std::move(cause)); };
    parts.on_stub_death = [this] {
      if (Kernel* kernel = running_kernel_.load()) kernel->KillLostProcesses();
    };
    absl::StatusOr<std::unique_ptr<platform::Platform>> made = platform_choice_->create(std::move(parts));
    if (!made.ok()) {
      return absl::Status(made.status().code(),
                          absl::StrCat("the ", config_.platform, " platform: ", made.status().message()));
    }
    platform_ = *std::move(made);
    return absl::OkStatus();
  }

  absl::Status ConnectGofer() {
    fsgofer::ConnectionHalf half;
    half.memory = base::UniqueFd(static_cast<int>(config_.gofer_memory_fd));
    for (const uint32_t fd : config_.gofer_sockets) half.sockets.emplace_back(static_cast<int>(fd));
    Result<std::unique_ptr<fsgofer::Client>> client = fsgofer::Client::Create(std::move(half));
    if (!client.ok()) return Failed("map the gofer's connection", client.error());
    gofer_ = *std::move(client);
    return absl::OkStatus();
  }

  void MakeKernel() {
    kernel_ = std::make_unique<Kernel>(Kernel::Options{.platform = platform_.get(),
                                                       .memory_file = memory_.get(),
                                                       .dispatcher = &dispatcher_,
                                                       .cpu_count = static_cast<int>(config_.cpu_count),
                                                       .uts = {.hostname = config_.hostname},
                                                       .net_namespace = network_.net_namespace.get(),
                                                       .init_ignores_signals = false});
    running_kernel_ = kernel_.get();
    kernel_->on_fatal = [this](std::string cause) { Die(std::move(cause)); };
    view_ = std::make_unique<KernelProcessView>(*kernel_);
    tty_kernel_ = std::make_unique<TtyKernel>(*kernel_);
  }

  absl::Status MountAll() {
    absl::StatusOr<FileSystems> mounted = MountFileSystems(config_, gofer_, *memory_, *view_);
    if (!mounted.ok()) return mounted.status();
    file_systems_ = *std::move(mounted);
    Result<std::unique_ptr<HostPoller>> poller = HostPoller::Create();
    if (!poller.ok()) return Failed("start the poller of standard streams", poller.error());
    poller_ = *std::move(poller);
    absl::StatusOr<StandardStreams> streams =
        OpenStandardStreams(config_, *poller_, KernelContext(file_systems_.mounts), file_systems_.devpts);
    if (!streams.ok()) return streams.status();
    streams_ = *std::move(streams);
    return absl::OkStatus();
  }

  void StartThreads() {
    WatchGofer(*gofer_, [this] { Die("the gofer died"); });
    WatchNetgofer(network_.stack->client(), [this] { Die("the netgofer died"); });
    control_.Start({.on_signal = [this](int signo) { SignalCommand(signo); },
                    .on_window_size = [this](uint32_t rows, uint32_t columns) { Resize(rows, columns); },
                    .unimplemented = [this] { return UnimplementedReport(); }});
  }

  // A part that the sandbox can't live without is gone.
  [[noreturn]] void Die(std::string cause) { Leave({ControlType::kDied, 125, std::move(cause)}); }

  RefPtr<ThreadGroup> StartCommand() {
    Kernel::InitProcess init = DescribeCommand();
    VfsContext ctx = KernelContext(file_systems_.mounts);
    ctx.creds = init.creds;
    Result<Path> cwd = ResolvePath(ctx, ctx.root, config_.cwd, {.directory = true});
    if (!cwd.ok()) {
      const char* words = strerror(static_cast<int>(cwd.error()));
      Leave({ControlType::kStartFailed, 125, absl::StrCat("--cwd ", config_.cwd, ": ", words, " inside the sandbox")});
    }
    init.cwd = ctx.cwd = *cwd;
    Result<std::string> program = FindProgram(ctx, config_.argv[0], config_.envp);
    if (!program.ok()) Refuse(program.error());
    init.path = *program;
    Result<RefPtr<ThreadGroup>> group = kernel_->StartProcess(std::move(init));
    if (!group.ok()) Refuse(group.error());
    command_tgid_ = (*group)->tgid();
    DeliverSignals();
    return *group;
  }

  [[noreturn]] void Refuse(Errno error) {
    const StartFailure failure = DescribeStartFailure(config_.argv[0], error);
    Leave({ControlType::kStartFailed, static_cast<uint32_t>(failure.exit_code), failure.text});
  }

  Kernel::InitProcess DescribeCommand() {
    Kernel::InitProcess init;
    init.mounts = file_systems_.mounts;
    init.root = file_systems_.mounts->root();
    init.creds = CommandCredentials();
    init.fds = streams_.fds;
    init.argv = config_.argv;
    init.envp = config_.envp;
    init.umask = config_.umask;
    for (size_t i = 0; i + 1 < config_.limits.size() && i / 2 < static_cast<size_t>(RlimitKind::kCount); i += 2) {
      init.limits.push_back({static_cast<RlimitKind>(i / 2), {config_.limits[i], config_.limits[i + 1]}});
    }
    init.before_start = [this](Task& task) {
      task.nice = static_cast<int32_t>(config_.nice) - 20;
      abi::SigAction ignore;
      ignore.handler = abi::kSigIgn;
      for (int signo = 1; signo <= abi::kSigMax; ++signo) {
        const bool ignored = (config_.ignored_signals >> (signo - 1)) & 1;
        if (ignored) task.group().ExchangeAction(signo, ignore);
      }
      if (streams_.pty.slave) (void)MakeControlling(task.vfs_context(), streams_.pty.slave);
    };
    return init;
  }

  // The caller's ids; root inside has every capability, over our objects only.
  RefPtr<Credentials> CommandCredentials() const {
    RefPtr<Credentials> creds = MakeRef<Credentials>();
    creds->uid = creds->euid = creds->suid = creds->fsuid = config_.uid;
    creds->gid = creds->egid = creds->sgid = creds->fsgid = config_.gid;
    creds->groups = config_.groups;
    std::sort(creds->groups.begin(), creds->groups.end());
    creds->bounding = CapabilitySet::All();
    if (config_.uid == 0) creds->permitted = creds->effective = CapabilitySet::All();
    return creds;
  }

  // One that comes before the command has started waits for it.
  void SignalCommand(int signo) {
    if (signo < 1 || signo > 64) return;
    waiting_signals_ |= uint64_t{1} << (signo - 1);
    DeliverSignals();
  }

  void DeliverSignals() {
    if (command_tgid_ == 0) return;
    const uint64_t signals = waiting_signals_.exchange(0);
    const RefPtr<ThreadGroup> group = kernel_->FindGroup(command_tgid_);
    for (int signo = 1; group && signo <= 64; ++signo) {  // it may be gone by now
      if ((signals >> (signo - 1) & 1) != 0) (void)kernel_->SignalFromRuntime(*group, signo);
    }
  }

  void Resize(uint32_t rows, uint32_t columns) {
    if (!streams_.pty.master) return;
    const abi::Winsize size{static_cast<uint16_t>(rows), static_cast<uint16_t>(columns), 0, 0};
    (void)SetWindowSize(streams_.pty.master, size);
  }

  std::string UnimplementedReport() const {
    std::string report;
    for (const auto& [name, count] : dispatcher_.Unimplemented())
      absl::StrAppend(&report, "  ", name, " ", count, "\n");
    return report.empty() ? "  none\n" : report;
  }

  const SandboxConfig config_;
  ControlThread control_;
  TableDispatcher dispatcher_;
  std::unique_ptr<MemoryFile> memory_;
  const PlatformChoice* platform_choice_ = nullptr;
  std::unique_ptr<platform::Platform> platform_;
  std::shared_ptr<fsgofer::Client> gofer_;
  Network network_;
  std::unique_ptr<Kernel> kernel_;
  std::atomic<Kernel*> running_kernel_{nullptr};  // for the platform's thread, which is older
  std::unique_ptr<KernelProcessView> view_;
  std::unique_ptr<TtyKernel> tty_kernel_;
  std::unique_ptr<HostPoller> poller_;
  FileSystems file_systems_;
  StandardStreams streams_;
  std::atomic<int32_t> command_tgid_{0};
  std::atomic<uint64_t> waiting_signals_{0};  // bit n: signal n + 1
};

}  // namespace

int SentryMain() {
  SetProcessName("runsc-sandbox");
  SetUpMalloc();
  absl::StatusOr<SandboxConfig> config = ReadConfig(kConfigFd);
  if (!config.ok()) return 125;
  close(kConfigFd);
  base::SetLogConfig({.fd = static_cast<int>(config->log_fd),
                      .level = static_cast<base::LogLevel>(config->log_level),
                      .process = "sentry"});
  signal(SIGPIPE, SIG_IGN);
  (new Sentry(*std::move(config)))->Run();
}

}  // namespace runsc
