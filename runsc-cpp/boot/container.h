// A container of this sandbox: its gofer, mounts, and first process, from `create` to that process's end.
#ifndef RUNSC_CPP_BOOT_CONTAINER_H_
#define RUNSC_CPP_BOOT_CONTAINER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "fsgofer/protocol/client.h"
#include "runsc-cpp/boot/container_mounts.h"
#include "runsc-cpp/boot/hosted_process.h"
#include "runsc-cpp/boot/oom_notices.h"
#include "runsc-cpp/boot/oom_victims.h"
#include "sentry/control/control.pb.h"
#include "sentry/fs/host/host_poller.h"
#include "sentry/kernel/kernel.h"

namespace runsc {

// What all containers share.
struct SandboxParts {
  sentry::Kernel* kernel = nullptr;
  FileSystemParts files;
  sentry::HostPoller* poller = nullptr;
  OomNotices* oom = nullptr;
  OomVictims* oom_victims = nullptr;
  std::function<std::string()> unimplemented;  // the report of calls that guests missed
};

// Null: the sandbox's first.
struct ContainerNamespaces {
  sentry::RefPtr<sentry::PidNamespace> pid;
  sentry::RefPtr<sentry::UtsNamespace> uts;
  sentry::RefPtr<sentry::IpcNamespace> ipc;
  sentry::RefPtr<sentry::UserNamespace> user = sentry::UserNamespace::Initial();
};

class Container : public std::enable_shared_from_this<Container> {
 public:
  // `gone`: on another thread, once, after its end was told; never if Create failed.
  Container(const SandboxParts& parts, std::string id, std::function<void()> gone);
  ~Container();

  const std::string& id() const { return id_; }

  // Each fills `response` if it can't be done.
  void Create(const sentry::control::Container& description, ContainerNamespaces namespaces, RequestFds& fds,
              sentry::control::Response& response);
  // The first process is made, and waits: what Exec starts next runs before its first instruction.
  void Prepare(sentry::control::Response& response);
  void Start(sentry::control::Response& response);
  void Exec(const sentry::control::Process& process, RequestFds& fds, sentry::control::Response& response);
  void Signal(const sentry::control::SignalRequest& request, sentry::control::Response& response);
  void Processes(sentry::control::Response& response) const;
  // Stops all of it at its safe points, invisibly; answers when all are. SIGKILL reaches them.
  void Pause(bool resume, sentry::control::Response& response);
  void Stats(sentry::control::Response& response) const;
  void SetLimits(const sentry::control::Limits& limits);

  // The root of what it sees of control groups.
  const sentry::RefPtr<sentry::Cgroup>& cgroup() const { return cgroup_; }

  const ContainerNamespaces& namespaces() const { return namespaces_; }

  // Ends it for this reason.
  void Kill(const std::string& cause);
  void TellDeath(const std::string& cause);

 private:
  enum class State : uint8_t { kCreating, kCreated, kPrepared, kRunning, kEnded };
  const sentry::PidNamespace& numbers() const;
  // Whether it may start; fills `response` if not.
  bool CheckMayStart(sentry::control::Response& response) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Launch();
  void LaunchEnded(const base::Result<sentry::RefPtr<sentry::ThreadGroup>>& group);
  void HoldUntilStart(sentry::Task& first);
  void AwaitLaunch();
  absl::Status MakeCgroup();
  absl::Status MakeSpaces(const sentry::control::Container& description, RequestFds& fds);
  void GiveNamespaces(sentry::Kernel::InitProcess& process) const;
  sentry::RefPtr<sentry::Cgroup> CgroupForExec() const;
  std::vector<sentry::RefPtr<sentry::ThreadGroup>> Groups() const;
  absl::Status Mount(const sentry::control::Container& description, RequestFds& fds);
  std::string OnInitEnded();
  void DescribeEnd(int32_t init, sentry::control::ProcessEnd& end) const;
  void Forget(const HostedProcess* process);
  std::vector<std::shared_ptr<HostedProcess>> Hosted() const;
  struct Hosting {
    std::shared_ptr<HostedProcess> process;
    int32_t host_pid = 0;
  };
  Hosting HostOf(const sentry::ThreadGroup& group) const;  // empty: nobody

  const SandboxParts parts_;
  const std::string id_;
  const std::function<void()> gone_;
  std::atomic<bool> closing_{false};  // the gofer's end is ours from here on

  // Rank kControl. Never held over a message to the gofer.
  mutable base::RankedMutex<base::LockRank::kControl> mu_;
  base::CondVar changed_;
  State state_ ABSL_GUARDED_BY(mu_) = State::kCreating;
  std::vector<Hosting> hosted_ ABSL_GUARDED_BY(mu_);
  // Execs that ended a moment ago.
  struct EndedExec {
    int32_t host_pid;
    int64_t at_ns;
  };
  std::vector<EndedExec> ended_execs_ ABSL_GUARDED_BY(mu_);
  // Of the first process.
  enum class Launching : uint8_t { kNo, kUnderWay, kDone };
  Launching launching_ ABSL_GUARDED_BY(mu_) = Launching::kNo;
  base::Errno launch_error_ ABSL_GUARDED_BY(mu_) = {};
  int32_t first_number_ ABSL_GUARDED_BY(mu_) = 0;  // 0: it has none yet
  sentry::RefPtr<sentry::ThreadGroup> launched_ ABSL_GUARDED_BY(mu_);

  std::shared_ptr<platform::AddressSpaces> spaces_ ABSL_GUARDED_BY(mu_);  // null: the platform's

  // What was set last, since the processors that are shown come of several.
  struct Processors {
    uint64_t set = 0;  // a mask; 0: all
    int64_t quota_us = -1;
    uint64_t period_us = 100'000;
  };
  Processors processors_ ABSL_GUARDED_BY(mu_);

  sentry::RefPtr<sentry::Cgroup> cgroup_;  // from Create on
  sentry::RefPtr<sentry::CgroupNamespace> cgroup_namespace_;
  // Set by Create, then left alone until the first process has ended.
  std::shared_ptr<fsgofer::Client> gofer_;
  base::UniqueFd gofer_process_;  // a pidfd, or nothing
  ContainerNamespaces namespaces_;
  ContainerMounts mounts_;
  sentry::Kernel::InitProcess init_;
  std::shared_ptr<HostedProcess> first_;
};

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_CONTAINER_H_
