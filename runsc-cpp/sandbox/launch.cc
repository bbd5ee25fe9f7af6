#include "runsc-cpp/sandbox/launch.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fsgofer/protocol/transport.h"
#include "runsc-cpp/sandbox/control.h"
#include "runsc-cpp/sandbox/namespaces.h"

namespace runsc {
namespace {

constexpr size_t kGoferChannels = 4;
constexpr size_t kNetgoferChannels = 5;  // one of them only tells of its end
constexpr int kFirstFd = kConfigFd;
// The host user that a sandbox started by root runs as: "nobody".
constexpr uid_t kNobody = 65534;
constexpr uint64_t kNamespaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

// clone(2) as fork: the child goes on from here with a copy of this memory.
pid_t Fork(uint64_t flags) {
  return static_cast<pid_t>(syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

// Gives the process that is about to be executed exactly `fds`, numbered from
// kFirstFd, besides 0, 1 and 2. `self` is moved out of their way.
void ArrangeDescriptors(const std::vector<int>& fds, int& self) {
  const int base = kFirstFd + static_cast<int>(fds.size());
  self = fcntl(self, F_DUPFD_CLOEXEC, base);
  std::vector<int> high;
  for (const int fd : fds) high.push_back(fcntl(fd, F_DUPFD_CLOEXEC, base));
  for (size_t i = 0; i < high.size(); ++i) dup2(high[i], kFirstFd + static_cast<int>(i));
  syscall(SYS_close_range, base, ~0u, CLOSE_RANGE_CLOEXEC);
}

[[noreturn]] void ExecSelf(int self, const char* title, const char* verb) {
  const char* argv[] = {title, verb, nullptr};
  const char* envp[] = {nullptr};
  syscall(SYS_execveat, self, "", argv, envp, AT_EMPTY_PATH);
  _exit(125);
}

[[noreturn]] void FailInChild(int control, const absl::Status& status) {
  SendControl(control, {ControlType::kStartFailed, 125, std::string(status.message())});
  _exit(125);
}

// For a child that has left the terminal's session. What the terminal sent to
// all of its job before that is the supervisor's business: it gets dropped.
void ResetSignals() {
  for (const int signo : {SIGINT, SIGQUIT, SIGHUP}) {
    signal(signo, SIG_IGN);
    signal(signo, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Of the gofer or the netgofer.
[[noreturn]] void GoferChild(int self, int control, const std::vector<int>& fds, const char* title, const char* verb) {
  setsid();  // a terminal's Ctrl-C is not for it
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  ResetSignals();
  // The jail itself is the gofer's work; it needs a root that is a mount.
  if (geteuid() == 0) {
    if (unshare(CLONE_NEWNS) != 0) FailInChild(control, absl::ErrnoToStatus(errno, absl::StrCat(title, ": unshare")));
    if (absl::Status s = MakeRootPrivate(); !s.ok()) FailInChild(control, s);
  }
  ArrangeDescriptors(fds, self);
  ExecSelf(self, title, verb);
}

// Root gives its rights away in two steps, since inside a chroot a user
// namespace can only be made once the root is a mount again.
[[noreturn]] void SentryChild(int self, int control, SandboxConfig config, std::vector<int> fds) {
  setsid();
  ResetSignals();
  if (absl::Status s = MakeRootPrivate(); !s.ok()) FailInChild(control, s);
  const base::UniqueFd large = HugePageFile();
  if (absl::Status s = EnterEmptyRoot(); !s.ok()) FailInChild(control, s);
  if (geteuid() == 0 && (setgroups(0, nullptr) != 0 || unshare(CLONE_NEWUSER) != 0)) {
    FailInChild(control, absl::ErrnoToStatus(errno, "unshare the user namespace"));
  }
  SendControl(control, {ControlType::kNamespaceReady, 0, ""});
  const std::optional<ControlMessage> answer = ReceiveControl(control);
  if (!answer || answer->type != ControlType::kMapsWritten) _exit(125);
  if (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0) {
    FailInChild(control, absl::ErrnoToStatus(errno, "become the namespace's user"));
  }
  if (large.valid()) {
    config.large_memory_fd = kFirstFd + static_cast<uint32_t>(fds.size());
    fds.push_back(large.get());
  }
  absl::StatusOr<base::UniqueFd> config_fd = WriteConfig(config);
  if (!config_fd.ok()) FailInChild(control, config_fd.status());
  fds[0] = config_fd->get();
  ArrangeDescriptors(fds, self);
  ExecSelf(self, "runsc-sandbox", kSentryVerb);
}

void KillAndReap(pid_t pid) {
  if (pid <= 0) return;
  kill(pid, SIGKILL);
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

// The sentry's child has made its namespaces: gives it its ids.
absl::Status CompleteNamespaces(const Sandbox& sandbox) {
  const std::optional<ControlMessage> message = ReceiveControl(sandbox.control.get());
  if (!message) return absl::InternalError("the sandbox process ended before it was set up");
  if (message->type == ControlType::kStartFailed) return absl::InternalError(message->text);
  const bool root = geteuid() == 0;
  if (absl::Status s = WriteIdMaps(sandbox.sentry, root ? kNobody : geteuid(), root ? kNobody : getegid()); !s.ok()) {
    return s;
  }
  if (!SendControl(sandbox.control.get(), {ControlType::kMapsWritten, 0, ""})) {
    return absl::InternalError("the sandbox process ended before it was set up");
  }
  return absl::OkStatus();
}

// Numbers for descriptors in the order that ArrangeDescriptors will give them.
class DescriptorPlan {
 public:
  uint32_t Add(int fd) {
    fds_.push_back(fd);
    return kFirstFd + static_cast<uint32_t>(fds_.size()) - 1;
  }
  std::vector<uint32_t> AddAll(const std::vector<base::UniqueFd>& list) {
    std::vector<uint32_t> numbers;
    for (const base::UniqueFd& fd : list) numbers.push_back(Add(fd.get()));
    return numbers;
  }
  std::vector<int>& fds() { return fds_; }

 private:
  std::vector<int> fds_;
};

struct Halves {
  base::UniqueFd self, ours, theirs;
  fsgofer::ConnectionFds gofer;
  std::vector<base::UniqueFd> netgofer_client, netgofer_server;
};

absl::Status MakePair(base::UniqueFd& a, base::UniqueFd& b) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair");
  }
  a = base::UniqueFd(pair[0]);
  b = base::UniqueFd(pair[1]);
  return absl::OkStatus();
}

absl::StatusOr<Halves> MakeHalves() {
  Halves h;
  h.self = base::UniqueFd(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  if (!h.self.valid()) return absl::ErrnoToStatus(errno, "open /proc/self/exe (is /proc mounted?)");
  if (absl::Status s = MakePair(h.ours, h.theirs); !s.ok()) return s;
  for (size_t i = 0; i < kNetgoferChannels; ++i) {
    if (absl::Status s = MakePair(h.netgofer_client.emplace_back(), h.netgofer_server.emplace_back()); !s.ok()) {
      return s;
    }
  }
  base::Result<fsgofer::ConnectionFds> gofer = fsgofer::MakeConnection(kGoferChannels);
  if (!gofer.ok()) return absl::ErrnoToStatus(static_cast<int>(gofer.error()), "make the gofer's connection");
  h.gofer = std::move(*gofer);
  return h;
}

absl::StatusOr<pid_t> StartGofer(const SandboxConfig& config, const Halves& halves, int log_fd) {
  // What the program is, is none of the gofer's business.
  SandboxConfig own;
  own.root = config.root;
  own.volumes = config.volumes;
  own.log_level = config.log_level;
  DescriptorPlan plan;
  plan.Add(-1);  // the configuration's place
  own.log_fd = plan.Add(log_fd);
  own.gofer_memory_fd = plan.Add(halves.gofer.server.memory.get());
  own.gofer_sockets = plan.AddAll(halves.gofer.server.sockets);
  absl::StatusOr<base::UniqueFd> config_fd = WriteConfig(own);
  if (!config_fd.ok()) return config_fd.status();
  plan.fds()[0] = config_fd->get();
  const pid_t pid = Fork(geteuid() == 0 ? CLONE_NEWPID : 0);
  if (pid < 0) return absl::ErrnoToStatus(errno, "clone the gofer");
  if (pid == 0) GoferChild(halves.self.get(), halves.theirs.get(), plan.fds(), "runsc-gofer", kGoferVerb);
  return pid;
}

absl::StatusOr<pid_t> StartNetgofer(const SandboxConfig& config, const Halves& halves, int log_fd) {
  SandboxConfig own;
  own.network = config.network;
  own.raw_sockets = config.raw_sockets;
  own.log_level = config.log_level;
  DescriptorPlan plan;
  plan.Add(-1);
  own.log_fd = plan.Add(log_fd);
  own.netgofer_sockets = plan.AddAll(halves.netgofer_server);
  absl::StatusOr<base::UniqueFd> config_fd = WriteConfig(own);
  if (!config_fd.ok()) return config_fd.status();
  plan.fds()[0] = config_fd->get();
  const pid_t pid = Fork(geteuid() == 0 ? CLONE_NEWPID : 0);
  if (pid < 0) return absl::ErrnoToStatus(errno, "clone the netgofer");
  if (pid == 0) GoferChild(halves.self.get(), halves.theirs.get(), plan.fds(), "runsc-netgofer", kNetgoferVerb);
  return pid;
}

absl::StatusOr<pid_t> StartSentry(const SandboxConfig& config, const Halves& halves, int log_fd, int device_fd) {
  SandboxConfig own = config;
  DescriptorPlan plan;
  plan.Add(-1);
  own.log_fd = plan.Add(log_fd);
  own.control_fd = plan.Add(halves.theirs.get());
  own.gofer_memory_fd = plan.Add(halves.gofer.client.memory.get());
  own.gofer_sockets = plan.AddAll(halves.gofer.client.sockets);
  own.netgofer_sockets = plan.AddAll(halves.netgofer_client);
  if (device_fd >= 0) own.device_fd = plan.Add(device_fd);
  const pid_t pid = Fork(kNamespaces | (geteuid() == 0 ? 0 : CLONE_NEWUSER));
  if (pid < 0) {
    return absl::ErrnoToStatus(errno,
                               "clone the sandbox into new namespaces (as a user: are unprivileged user "
                               "namespaces allowed, sysctl kernel.unprivileged_userns_clone?)");
  }
  if (pid == 0) SentryChild(halves.self.get(), halves.theirs.get(), std::move(own), plan.fds());
  return pid;
}

absl::Status StartAll(const SandboxConfig& config, Halves halves, int log_fd, int device_fd, Sandbox& sandbox) {
  absl::StatusOr<pid_t> pid = StartGofer(config, halves, log_fd);
  if (!pid.ok()) return pid.status();
  sandbox.gofer = *pid;
  pid = StartNetgofer(config, halves, log_fd);
  if (!pid.ok()) return pid.status();
  sandbox.netgofer = *pid;
  pid = StartSentry(config, halves, log_fd, device_fd);
  if (!pid.ok()) return pid.status();
  sandbox.sentry = *pid;
  sandbox.control = std::move(halves.ours);
  halves.theirs.reset();
  return CompleteNamespaces(sandbox);
}

}  // namespace

absl::StatusOr<Sandbox> LaunchSandbox(SandboxConfig config, int log_fd, int device_fd) {
  absl::StatusOr<Halves> halves = MakeHalves();
  if (!halves.ok()) return halves.status();
  Sandbox sandbox;
  if (absl::Status s = StartAll(config, *std::move(halves), log_fd, device_fd, sandbox); !s.ok()) {
    for (const pid_t pid : {sandbox.sentry, sandbox.netgofer, sandbox.gofer}) KillAndReap(pid);
    return s;
  }
  return sandbox;
}

}  // namespace runsc
