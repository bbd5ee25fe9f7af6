// Starts the processes of a sandbox, the sentry, its gofers and its netgofer: each a re-execution of this binary with
// nothing but the descriptors it needs. The caller has one thread. Descriptors that are given are borrowed.
#ifndef RUNSC_CPP_SANDBOX_LAUNCH_H_
#define RUNSC_CPP_SANDBOX_LAUNCH_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "fsgofer/protocol/transport.h"
#include "runsc-cpp/sandbox/config.h"

namespace runsc {

struct SentryProcess {
  pid_t pid = -1;
  base::UniqueFd startup;  // link.h: what went wrong before it serves; an end of file once it does
  base::UniqueFd control;  // sentry/control: the first connection
};

struct SentryDescriptors {
  int log = -1;
  int device = -1;  // what the platform opens; -1: nothing
  int listen = -1;  // a listening socket for further control connections; -1: none
  const std::vector<base::UniqueFd>* netgofer = nullptr;  // the client's sockets
};

// The clone alone: what goes on here meanwhile is won. FinishSentry must follow.
absl::StatusOr<SentryProcess> StartSentry(SentryConfig config, const SentryDescriptors& descriptors);
// Gives it the ids of its user namespace. On an error nothing of it is left.
absl::Status FinishSentry(SentryProcess& sentry);
// Why it never served: its own words, or the way it ended, which reaps it.
std::string WhySentryFailed(SentryProcess& sentry);

struct GoferExport {
  std::string host_path;
  bool read_only = true;
  bool recursive = true;  // with what is mounted below
};

struct GoferProcess {
  pid_t pid = -1;
  fsgofer::ConnectionHalf client;
  base::UniqueFd gate;  // of one that is held
};

enum class GoferTie {
  kParent,   // it ends with the calling thread, at the latest
  kSandbox,  // it ends with the sentry's end of the connection
};

struct GoferOptions {
  std::vector<GoferExport> exports;
  uint32_t log_level = 2;
  int log = -1;
  GoferTie tie = GoferTie::kParent;
  // It waits for ReleaseGofer in its mount namespace, with all of the caller's mounts: what is mounted there by then is
  // seen in the exports. Root's only.
  bool held = false;
};

absl::StatusOr<GoferProcess> LaunchGofer(const GoferOptions& options);
absl::Status ReleaseGofer(GoferProcess& gofer);

enum class NetgoferNetwork {
  kOwn,      // a loopback and nothing else
  kCallers,  // the caller's, or the one given
};

struct NetgoferOptions {
  NetgoferNetwork network = NetgoferNetwork::kOwn;
  int network_namespace = -1;  // joined first; -1: the caller's
  bool raw_sockets = false;
  uint32_t log_level = 2;
  int log = -1;
  GoferTie tie = GoferTie::kParent;
};

struct NetgoferProcess {
  pid_t pid = -1;
  std::vector<base::UniqueFd> client;
};

absl::StatusOr<NetgoferProcess> LaunchNetgofer(const NetgoferOptions& options);

// Kills and reaps a child.
void EndChild(pid_t pid);

// argv[1] of the re-executions.
inline constexpr char kSentryVerb[] = "internal-sentry";
inline constexpr char kGoferVerb[] = "internal-gofer";
inline constexpr char kNetgoferVerb[] = "internal-netgofer";
// Where they find their configuration.
inline constexpr int kConfigFd = 3;

}  // namespace runsc

#endif  // RUNSC_CPP_SANDBOX_LAUNCH_H_
