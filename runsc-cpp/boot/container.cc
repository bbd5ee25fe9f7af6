#include "runsc-cpp/boot/container.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "runsc-cpp/boot/cgroup_processes.h"
#include "runsc-cpp/boot/errno_status.h"
#include "runsc-cpp/boot/gofer_watch.h"
#include "runsc-cpp/boot/process_start.h"
#include "runsc-cpp/boot/sysctls.h"
#include "runsc-cpp/sandbox/link.h"
#include "sentry/fs/proc/mm_memory.h"
#include "sentry/kernel/acting_namespaces.h"

namespace runsc {
namespace {

using namespace sentry;  // NOLINT: all names of this file are the kernel's
using base::MutexLock;

constexpr int kGoferEndMs = 2000;
constexpr int kExecsEndMs = 3000;
constexpr int64_t kReapedWithinNs = kNsPerSec;
constexpr size_t kReapedText = kMaxLinkText / 4;
// Bytes of a process's command line, and of all together, that are told to the runtime.
constexpr size_t kCommandLine = 4000, kAllCommandLines = 4 << 20;

}  // namespace

Container::Container(const SandboxParts& parts, std::string id, std::function<void()> gone)
    : parts_(parts), id_(std::move(id)), gone_(std::move(gone)) {}

Container::~Container() {
  closing_ = true;
  if (gofer_) gofer_->Shutdown();
  if (!cgroup_) return;
  parts_.oom->Remove(*cgroup_);
  RemoveCgroup(*cgroup_);
}

absl::Status Container::MakeCgroup() {
  Cgroup& root = *parts_.kernel->cgroups().root();
  (void)root.ControlSubtree(kAllControllers, 0);  // whoever is first
  Result<RefPtr<Cgroup>> made = root.MakeChild(id_, {.uid = 0, .gid = 0, .mode = 0755});
  if (!made.ok()) return Failed("make the control group", made.error());
  cgroup_ = *std::move(made);
  cgroup_namespace_ = MakeRef<CgroupNamespace>(cgroup_);
  return absl::OkStatus();
}

void Container::GiveNamespaces(Kernel::InitProcess& process) const {
  process.pid_ns = namespaces_.pid;
  process.uts = namespaces_.uts;
  process.ipc = namespaces_.ipc;
  process.cgroup_namespace = cgroup_namespace_;
}

absl::Status Container::Mount(const control::Container& description, RequestFds& fds) {
  fsgofer::ConnectionHalf half;
  half.memory = fds.Take(description.gofer_memory_fd());
  for (const uint32_t fd : description.gofer_socket_fds()) half.sockets.push_back(fds.Take(fd));
  if (description.has_gofer_process_fd()) gofer_process_ = fds.Take(description.gofer_process_fd());
  Result<std::unique_ptr<fsgofer::Client>> client = fsgofer::Client::Create(std::move(half));
  if (!client.ok()) return Failed("map the gofer's connection", client.error());
  gofer_ = *std::move(client);
  absl::StatusOr<ContainerMounts> mounts =
      MountContainer(description, gofer_, parts_.files, namespaces_.pid.get(), namespaces_.user, cgroup_);
  if (!mounts.ok()) return mounts.status();
  mounts_ = *std::move(mounts);
  const Result<void> watched = WatchGofer(gofer_, [weak = weak_from_this()] {
    const std::shared_ptr<Container> self = weak.lock();
    if (self && !self->closing_) self->Kill("the gofer died");
  });
  return watched.ok() ? absl::OkStatus() : Failed("watch the gofer", watched.error());
}

absl::Status Container::MakeSpaces(const control::Container& description, RequestFds& fds) {
  if (!description.has_place_fd()) return absl::OkStatus();
  Result<std::shared_ptr<platform::AddressSpaces>> made =
      parts_.kernel->platform().NewAddressSpaces(fds.Take(description.place_fd()));
  if (made.ok()) {
    MutexLock lock(mu_);
    init_.spaces = spaces_ = *std::move(made);
  }
  return made.ok() || made.Is(Errno::kENOSYS) ? absl::OkStatus() : Failed("make processes for it", made.error());
}

const PidNamespace& Container::numbers() const {
  return namespaces_.pid ? *namespaces_.pid : parts_.kernel->root_pid_ns();
}

void Container::Create(const control::Container& description, ContainerNamespaces namespaces, RequestFds& fds,
                       control::Response& response) {
  namespaces_ = std::move(namespaces);
  // Who shares the namespace says nothing, or the same.
  UtsNamespace* const uts = namespaces_.uts.get();
  if (uts != nullptr && !description.hostname().empty()) uts->SetHostname(description.hostname());
  if (uts != nullptr && !description.domainname().empty()) uts->SetDomainname(description.domainname());
  if (absl::Status s = MakeCgroup(); !s.ok()) return Refuse(response, s);
  SetLimits(description.limits());
  if (absl::Status s = MakeSpaces(description, fds); !s.ok()) return Refuse(response, s);
  GiveNamespaces(init_);
  const ActingNamespaces acting(parts_.kernel->NamespacesFor(init_));
  if (absl::Status s = Mount(description, fds); !s.ok()) return Refuse(response, s);
  if (absl::Status s = SetSysctls(description, parts_.files, init_.pid_ns.get(), mounts_.mounts); !s.ok())
    return Refuse(response, s);
  const control::Process& process = description.process();
  absl::StatusOr<StandardStreams> streams =
      OpenStandardStreams(process, fds, *parts_.poller, KernelContext(mounts_.mounts), mounts_.devpts);
  if (!streams.ok()) return Refuse(response, streams.status());
  if (description.console() && streams->pty.slave) {
    if (absl::Status s = MountConsole(mounts_, *streams->pty.slave); !s.ok()) return Refuse(response, s);
  }
  if (!DescribeProcess(process, mounts_, *streams, init_, response)) return;
  init_.cgroup = cgroup_;
  absl::StatusOr<std::shared_ptr<HostedProcess>> first = HostedProcess::Create(
      *parts_.kernel, fds.Take(process.link_fd()), *std::move(streams),
      {.ended = [self = shared_from_this()] { return self->OnInitEnded(); },
       .describe = [self = shared_from_this()](int32_t pid, control::ProcessEnd& end) { self->DescribeEnd(pid, end); },
       .told = [self = shared_from_this()] { self->gone_(); }});
  if (!first.ok()) return Refuse(response, first.status());
  first_ = *std::move(first);
  parts_.oom->Add(*cgroup_, first_);
  MutexLock lock(mu_);
  hosted_.push_back({first_, process.host_pid()});
  if (state_ == State::kCreating) state_ = State::kCreated;  // else its anchor is gone already
}

void Container::Exec(const control::Process& process, RequestFds& fds, control::Response& response) {
  Kernel::InitProcess init;
  {
    MutexLock lock(mu_);
    if (state_ != State::kRunning && state_ != State::kPrepared && state_ != State::kCreated) {
      response.set_error(static_cast<int>(Errno::kESRCH));
      response.set_message("container not running");
      return;
    }
    init.spaces = spaces_;
  }
  absl::StatusOr<StandardStreams> streams =
      OpenStandardStreams(process, fds, *parts_.poller, KernelContext(mounts_.mounts), mounts_.devpts);
  if (!streams.ok()) return Refuse(response, streams.status());
  if (!DescribeProcess(process, mounts_, *streams, init, response)) return;
  GiveNamespaces(init);
  init.cgroup = CgroupForExec();
  if (absl::Status s = CheckCpus(process, *init.cgroup); !s.ok()) return Refuse(response, s);
  // The callbacks learn which process is theirs when it is there; it has not started before.
  auto own = std::make_shared<HostedProcess*>(nullptr);
  absl::StatusOr<std::shared_ptr<HostedProcess>> hosted = HostedProcess::Create(
      *parts_.kernel, fds.Take(process.link_fd()), *std::move(streams),
      {.ended = [] { return std::string(); }, .told = [self = shared_from_this(), own] { self->Forget(*own); }});
  if (!hosted.ok()) return Refuse(response, hosted.status());
  {
    MutexLock lock(mu_);
    *own = hosted->get();
    hosted_.push_back({*hosted, process.host_pid()});
  }
  Result<RefPtr<ThreadGroup>> group = parts_.kernel->StartProcess(std::move(init));
  if (!group.ok()) {
    RefuseProgram(response, group.error());
    (*hosted)->Discard();
    return;
  }
  response.set_pid((*group)->tgid());
  (*hosted)->Started(*std::move(group));
}

// Every process in its control group and below.
std::vector<RefPtr<ThreadGroup>> Container::Groups() const {
  std::set<int32_t> numbers;
  parts_.kernel->cgroups().ForEach(*cgroup_, [&](CgroupMember& member) { numbers.insert(member.member_tgid()); });
  std::vector<RefPtr<ThreadGroup>> groups;
  for (const int32_t number : numbers) {
    if (RefPtr<ThreadGroup> group = parts_.kernel->FindGroup(number, parts_.kernel->root_pid_ns()))
      groups.push_back(std::move(group));
  }
  return groups;
}

void Container::Signal(const control::SignalRequest& request, control::Response& response) {
  Result<void> sent = Errno::kESRCH;
  if (request.signal() < 1 || request.signal() > abi::kSigMax) {
    sent = Errno::kEINVAL;
  } else if (request.all()) {
    for (const RefPtr<ThreadGroup>& group : Groups()) {
      if (parts_.kernel->SignalFromRuntime(*group, request.signal()).ok()) sent = Ok();
    }
    if (first_) first_->NoteSignal(request.signal(), control::ProcessEnd::KILL_COMMAND);
  } else if (request.pid() != 0) {
    const RefPtr<ThreadGroup> group = parts_.kernel->FindGroup(request.pid(), numbers());
    if (group) sent = parts_.kernel->SignalFromRuntime(*group, request.signal());
  } else if (first_) {
    first_->Signal(request.signal(), control::ProcessEnd::KILL_COMMAND);
    sent = Ok();
  }
  if (!sent.ok()) response.set_error(static_cast<int>(sent.error()));
}

// The container's own group, or where its first process is: a guest that manages groups leaves no place above them.
RefPtr<Cgroup> Container::CgroupForExec() const {
  if (cgroup_->MayHostProcesses().ok()) return cgroup_;
  const RefPtr<ThreadGroup> first = first_ ? first_->group() : nullptr;
  const RefPtr<Task> leader = first ? first->leader() : nullptr;
  const RefPtr<Cgroup> its = leader ? leader->cgroup_member().cgroup() : nullptr;
  return its ? its : cgroup_;
}

void Container::Pause(bool resume, control::Response& response) {
  constexpr int64_t kLongest = 10 * kNsPerSec;
  cgroup_->SetFrozen(!resume);
  if (resume || cgroup_->WaitFrozen(MonotonicNow() + kLongest)) return;
  cgroup_->SetFrozen(false);
  response.set_error(static_cast<int>(Errno::kETIMEDOUT));
  response.set_message("a process did not stop in 10 seconds");
}

void Container::Stats(control::Response& response) const {
  const CgroupStats stats = cgroup_->Stats();
  control::Stats& out = *response.mutable_stats();
  out.set_cpu_user_ns(static_cast<uint64_t>(stats.user_ns));
  out.set_cpu_system_ns(static_cast<uint64_t>(stats.system_ns));
  out.set_memory_bytes(stats.memory);
  out.set_memory_limit(std::min(stats.memory_max, parts_.files.memory->limit()));
  out.set_processes(stats.pids);
}

void Container::Processes(control::Response& response) const {
  size_t told = 0;
  for (const RefPtr<ThreadGroup>& group : Groups()) {
    const RefPtr<Task> leader = group->leader();
    if (!leader) continue;
    control::ProcessInfo& info = *response.add_processes();
    info.set_pid(group->tgid());
    info.set_parent(group->ppid());
    info.set_command(leader->name());
    if (RefPtr<MemoryManager> mm = leader->SharedMm(); mm && told < kAllCommandLines) {
      info.set_args(CommandLineOf(*MakeRef<MmProcessMemory>(std::move(mm)), kCommandLine));
      told += info.args().size();
    }
    if (const RefPtr<Credentials> creds = leader->SharedCreds()) info.set_uid(creds->uid);
    const ThreadGroup::CpuTimes times = group->cpu_times();
    info.set_cpu_ns(static_cast<uint64_t>(times.user_ns + times.system_ns));
    const Hosting host = HostOf(*group);
    info.set_host_pid(host.host_pid);
    if (host.process) host.process->TellTitle(info.command(), info.args());
  }
}

std::vector<std::shared_ptr<HostedProcess>> Container::Hosted() const {
  std::vector<std::shared_ptr<HostedProcess>> all;
  MutexLock lock(mu_);
  for (const Hosting& hosting : hosted_) all.push_back(hosting.process);
  return all;
}

Container::Hosting Container::HostOf(const ThreadGroup& group) const {
  std::vector<Hosting> all;
  {
    MutexLock lock(mu_);
    all = hosted_;
  }
  for (Hosting& hosting : all) {
    if (hosting.process->group().get() == &group) return std::move(hosting);
  }
  return {};
}

void Container::Forget(const HostedProcess* process) {
  MutexLock lock(mu_);
  changed_.SignalAll();
  const int64_t now = MonotonicNow();
  std::erase_if(ended_execs_, [now](const EndedExec& exec) { return exec.at_ns < now - kReapedWithinNs; });
  const auto found = std::find_if(hosted_.begin(), hosted_.end(),
                                  [process](const Hosting& hosting) { return hosting.process.get() == process; });
  if (found == hosted_.end()) return;
  if (found->host_pid > 0) ended_execs_.push_back({found->host_pid, now});
  hosted_.erase(found);
}

void Container::TellDeath(const std::string& cause) {
  for (const std::shared_ptr<HostedProcess>& process : Hosted()) process->TellDeath(cause);
}

void Container::Kill(const std::string& cause) {
  LOG(kInfo, "container %s ends: %s", id_, cause);
  TellDeath(cause);
  for (const std::shared_ptr<HostedProcess>& process : Hosted())
    process->Signal(abi::kSigKill, control::ProcessEnd::SANDBOX);
}

// For its post-mortem. It is a link's message, and bounded.
void Container::DescribeEnd(int32_t init, control::ProcessEnd& end) const {
  constexpr size_t kMostText = 1024;
  parts_.oom_victims->Take(*cgroup_, end);
  for (control::OomVictim& victim : *end.mutable_victims()) {
    if (victim.pid() == init && end.signal() == abi::kSigKill) end.set_sender(control::ProcessEnd::OUT_OF_MEMORY);
  }
  std::string missed = parts_.unimplemented();
  missed.resize(missed.find_last_of('\n', kMostText) + 1);
  end.set_unimplemented(std::move(missed));
}

// The first process is gone, and with it every other. What they held of the host goes, too.
std::string Container::OnInitEnded() {
  std::string execs;
  std::shared_ptr<platform::AddressSpaces> spaces;  // dropped without the lock
  {
    MutexLock lock(mu_);
    state_ = State::kEnded;
    changed_.SignalAll();
  }
  AwaitLaunch();
  {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kExecsEndMs);
    MutexLock lock(mu_);
    // Engines forget an exec whose container has ended before it. On Linux a namespace's init waits until the others
    // are reaped, which is its anchor's business here.
    while (hosted_.size() > 1 && changed_.WaitUntil(mu_, deadline)) {
    }
    hosted_.clear();
    spaces = std::move(spaces_);
    for (const EndedExec& exec : ended_execs_) {
      if (execs.size() < kReapedText) absl::StrAppend(&execs, exec.host_pid, " ");
    }
  }
  closing_ = true;
  init_ = {};
  spaces.reset();
  mounts_ = {};
  RemoveCgroup(*cgroup_);
  if (!gofer_) return execs;
  gofer_->Shutdown();
  // The root file system is free when the container's end is told.
  pollfd gofer{gofer_process_.get(), POLLIN, 0};
  if (gofer_process_.valid()) (void)poll(&gofer, 1, kGoferEndMs);
  return execs;
}

}  // namespace runsc
