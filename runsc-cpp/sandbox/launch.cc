#include "runsc-cpp/sandbox/launch.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/sandbox/link.h"
#include "runsc-cpp/sandbox/namespaces.h"
#include "runsc-cpp/sandbox/reexec.h"

namespace runsc {
namespace {

constexpr size_t kGoferChannels = 4;
constexpr size_t kNetgoferChannels = 5;  // one of them only tells of its end
// The host user that a sandbox started by root runs as: "nobody".
constexpr uid_t kNobody = 65534;
constexpr uint64_t kNamespaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

[[noreturn]] void FailInChild(int startup, const absl::Status& status) {
  SendLink(startup, {LinkMessageType::kStartFailed, 125, std::string(status.message())});
  _exit(125);
}

// Says that it is there, and waits for the answer.
void PassGate(int gate) {
  char byte = 0;
  if (write(gate, &byte, 1) != 1 || read(gate, &byte, 1) != 1) _exit(125);
}

// Of a gofer or the netgofer. A `gate` of -1: none.
[[noreturn]] void GoferChild(const SelfFiles& self, int config_fd, const DescriptorPlan& plan, GoferTie tie,
                             const char* title, const char* verb, int gate = -1) {
  setsid();  // a terminal's Ctrl-C is not for it
  if (tie == GoferTie::kParent) prctl(PR_SET_PDEATHSIG, SIGKILL);
  ResetSignals();
  // The jail itself is the gofer's work; it needs a root that is a mount.
  if (geteuid() == 0 && (unshare(CLONE_NEWNS) != 0 || !MakeRootPrivate().ok())) _exit(125);
  if (gate >= 0) PassGate(gate);
  ExecSelf(self, title, verb, config_fd, plan);
}

// Threads of guests that gave way to others may come back to where the sandbox began, no further. It takes
// CAP_SYS_RESOURCE; without, they stay where they went.
void AllowComingBack() {
  const rlim_t limit = 20 - static_cast<rlim_t>(std::max(getpriority(PRIO_PROCESS, 0), 0));
  const rlimit nice = {limit, limit};
  setrlimit(RLIMIT_NICE, &nice);
}

// Root gives its rights away in two steps, since inside a chroot a user
// namespace can only be made once the root is a mount again.
[[noreturn]] void SentryChild(const SelfFiles& self, int startup, SentryConfig config, DescriptorPlan plan) {
  setsid();
  ResetSignals();
  AllowComingBack();
  if (absl::Status s = MakeRootPrivate(); !s.ok()) FailInChild(startup, s);
  const base::UniqueFd large = HugePageFile();
  if (absl::Status s = EnterEmptyRoot(); !s.ok()) FailInChild(startup, s);
  if (geteuid() == 0 && (setgroups(0, nullptr) != 0 || unshare(CLONE_NEWUSER) != 0)) {
    FailInChild(startup, absl::ErrnoToStatus(errno, "unshare the user namespace"));
  }
  SendLink(startup, {LinkMessageType::kNamespaceReady, 0, ""});
  const std::optional<LinkMessage> answer = ReceiveLink(startup);
  if (!answer || answer->type != LinkMessageType::kMapsWritten) _exit(125);
  if (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0) {
    FailInChild(startup, absl::ErrnoToStatus(errno, "become the namespace's user"));
  }
  if (large.valid()) config.set_large_memory_fd(plan.Add(large.get()));
  absl::StatusOr<base::UniqueFd> config_fd = WriteConfig(config);
  if (!config_fd.ok()) FailInChild(startup, config_fd.status());
  ExecSelf(self, "runsc-sandbox", kSentryVerb, config_fd->get(), plan);
}

struct SocketPair {
  base::UniqueFd ours, theirs;
};

absl::StatusOr<SocketPair> MakePair(int type) {
  int pair[2];
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) != 0) return absl::ErrnoToStatus(errno, "socketpair");
  return SocketPair{base::UniqueFd(pair[0]), base::UniqueFd(pair[1])};
}

absl::Status GiveIds(SentryProcess& sentry) {
  const std::optional<LinkMessage> message = ReceiveLink(sentry.startup.get());
  if (!message) return absl::InternalError("the sandbox process ended before it was set up");
  if (message->type == LinkMessageType::kStartFailed) return absl::InternalError(message->text);
  const bool root = geteuid() == 0;
  if (absl::Status s = WriteIdMaps(sentry.pid, root ? kNobody : geteuid(), root ? kNobody : getegid()); !s.ok()) {
    return s;
  }
  if (!SendLink(sentry.startup.get(), {LinkMessageType::kMapsWritten, 0, ""})) {
    return absl::InternalError("the sandbox process ended before it was set up");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SentryProcess> StartSentry(SentryConfig config, const SentryDescriptors& descriptors) {
  absl::StatusOr<SelfFiles> self = OpenSelf();
  if (!self.ok()) return self.status();
  absl::StatusOr<SocketPair> startup = MakePair(SOCK_SEQPACKET);
  if (!startup.ok()) return startup.status();
  absl::StatusOr<SocketPair> control = MakePair(SOCK_STREAM);
  if (!control.ok()) return control.status();
  DescriptorPlan plan;
  config.set_log_fd(plan.Add(descriptors.log));
  config.set_startup_fd(plan.Add(startup->theirs.get()));
  config.set_control_fd(plan.Add(control->theirs.get()));
  if (descriptors.listen >= 0) config.set_listen_fd(plan.Add(descriptors.listen));
  if (descriptors.netgofer != nullptr) {
    for (const uint32_t fd : plan.AddAll(*descriptors.netgofer)) config.add_netgofer_socket_fds(fd);
  }
  if (descriptors.device >= 0) config.set_device_fd(plan.Add(descriptors.device));
  SentryProcess sentry;
  sentry.pid = ForkWith(kNamespaces | (geteuid() == 0 ? 0 : CLONE_NEWUSER));
  if (sentry.pid < 0) {
    return absl::ErrnoToStatus(errno,
                               "clone the sandbox into new namespaces (as a user: are unprivileged user "
                               "namespaces allowed, sysctl kernel.unprivileged_userns_clone?)");
  }
  if (sentry.pid == 0) {
    // Or it would wait for ever for a caller that was killed, and hold what that one had locked.
    startup->ours.reset();
    control->ours.reset();
    SentryChild(*self, startup->theirs.get(), std::move(config), std::move(plan));
  }
  sentry.startup = std::move(startup->ours);
  sentry.control = std::move(control->ours);
  return sentry;
}

absl::Status FinishSentry(SentryProcess& sentry) {
  const absl::Status status = GiveIds(sentry);
  if (!status.ok()) EndChild(std::exchange(sentry.pid, -1));
  return status;
}

std::string WhySentryFailed(SentryProcess& sentry) {
  while (const std::optional<LinkMessage> message = ReceiveLink(sentry.startup.get())) {
    if (message->type == LinkMessageType::kStartFailed) return message->text;
  }
  int status = 0;
  if (waitpid(sentry.pid, &status, 0) != std::exchange(sentry.pid, -1)) return "the sentry is gone";
  if (WIFSIGNALED(status)) return absl::StrCat("the sentry was killed by signal ", WTERMSIG(status));
  return absl::StrCat("the sentry exited with status ", WEXITSTATUS(status));
}

absl::StatusOr<GoferProcess> LaunchGofer(const GoferOptions& options) {
  absl::StatusOr<SelfFiles> self = OpenSelf();
  if (!self.ok()) return self.status();
  base::Result<fsgofer::ConnectionFds> connection = fsgofer::MakeConnection(kGoferChannels);
  if (!connection.ok()) {
    return absl::ErrnoToStatus(static_cast<int>(connection.error()), "make the gofer's connection");
  }
  GoferConfig config;
  for (const GoferExport& e : options.exports) {
    GoferConfig::Export& added = *config.add_exports();
    added.set_host_path(e.host_path);
    added.set_read_only(e.read_only);
    added.set_recursive(e.recursive);
  }
  config.set_log_level(options.log_level);
  DescriptorPlan plan;
  config.set_log_fd(plan.Add(options.log));
  config.set_memory_fd(plan.Add(connection->server.memory.get()));
  for (const uint32_t fd : plan.AddAll(connection->server.sockets)) config.add_socket_fds(fd);
  absl::StatusOr<base::UniqueFd> config_fd = WriteConfig(config);
  if (!config_fd.ok()) return config_fd.status();
  SocketPair gate;
  if (options.held) {
    absl::StatusOr<SocketPair> pair = MakePair(SOCK_STREAM);
    if (!pair.ok()) return pair.status();
    gate = *std::move(pair);
  }
  GoferProcess gofer;
  gofer.pid = ForkWith(geteuid() == 0 ? CLONE_NEWPID : 0);
  if (gofer.pid < 0) return absl::ErrnoToStatus(errno, "clone the gofer");
  if (gofer.pid == 0) {
    gate.ours.reset();  // or it would wait for ever for a caller that was killed
    GoferChild(*self, config_fd->get(), plan, options.tie, "runsc-gofer", kGoferVerb, gate.theirs.get());
  }
  gofer.client = std::move(connection->client);
  gofer.gate = std::move(gate.ours);
  gate.theirs.reset();
  char byte;
  if (options.held && read(gofer.gate.get(), &byte, 1) != 1) {
    EndChild(gofer.pid);
    return absl::InternalError("the gofer could not make its mount namespace");
  }
  return gofer;
}

absl::Status ReleaseGofer(GoferProcess& gofer) {
  const base::UniqueFd gate = std::move(gofer.gate);
  const char byte = 0;
  if (send(gate.get(), &byte, 1, MSG_NOSIGNAL) == 1) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "release the gofer");
}

absl::StatusOr<NetgoferProcess> LaunchNetgofer(const NetgoferOptions& options) {
  absl::StatusOr<SelfFiles> self = OpenSelf();
  if (!self.ok()) return self.status();
  NetgoferProcess netgofer;
  std::vector<base::UniqueFd> server;
  for (size_t i = 0; i < kNetgoferChannels; ++i) {
    absl::StatusOr<SocketPair> pair = MakePair(SOCK_SEQPACKET);
    if (!pair.ok()) return pair.status();
    netgofer.client.push_back(std::move(pair->ours));
    server.push_back(std::move(pair->theirs));
  }
  NetgoferConfig config;
  DescriptorPlan plan;
  config.set_network(options.network == NetgoferNetwork::kOwn ? NetgoferConfig::OWN : NetgoferConfig::CALLERS);
  config.set_raw_sockets(options.raw_sockets);
  config.set_dies_with_parent(options.tie == GoferTie::kParent);
  config.set_log_level(options.log_level);
  config.set_log_fd(plan.Add(options.log));
  for (const uint32_t fd : plan.AddAll(server)) config.add_socket_fds(fd);
  absl::StatusOr<base::UniqueFd> config_fd = WriteConfig(config);
  if (!config_fd.ok()) return config_fd.status();
  netgofer.pid = ForkWith(geteuid() == 0 ? CLONE_NEWPID : 0);
  if (netgofer.pid < 0) return absl::ErrnoToStatus(errno, "clone the netgofer");
  if (netgofer.pid == 0) {
    if (options.network_namespace >= 0 && setns(options.network_namespace, CLONE_NEWNET) != 0) _exit(125);
    GoferChild(*self, config_fd->get(), plan, options.tie, "runsc-netgofer", kNetgoferVerb);
  }
  return netgofer;
}

void EndChild(pid_t pid) {
  if (pid <= 0) return;
  kill(pid, SIGKILL);
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace runsc
