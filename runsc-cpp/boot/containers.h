// The containers of this sandbox, and the answer to each control request. The sandbox is done when the last of them is.
#ifndef RUNSC_CPP_BOOT_CONTAINERS_H_
#define RUNSC_CPP_BOOT_CONTAINERS_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "runsc-cpp/boot/container.h"
#include "sentry/control/connection.h"
#include "sentry/control/control.pb.h"

namespace runsc {

class Containers {
 public:
  explicit Containers(const SandboxParts& parts) : parts_(parts) {}

  sentry::control::Response Handle(const sentry::control::Request& request, RequestFds fds);

  // A connection keeps a sandbox alive that has had no container yet; a request that is being answered, any.
  void ConnectionOpened();
  void ConnectionClosed();
  void RequestStarted();
  void RequestAnswered();
  void WaitUntilDone();

  // Every link hears the cause.
  void TellDeath(const std::string& cause);

 private:
  std::shared_ptr<Container> Find(const std::string& id, sentry::control::Response& response) const;
  void Create(const sentry::control::Container& description, RequestFds& fds, sentry::control::Response& response);
  // False: a container that is asked for is not there.
  bool ChooseNamespaces(const sentry::control::Container& description, ContainerNamespaces& namespaces,
                        sentry::control::Response& response);
  void Remove(const std::string& id);
  bool DoneLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const SandboxParts parts_;
  // Rank kControl: never held over a call of a container's.
  mutable base::RankedMutex<base::LockRank::kControl> mu_;
  base::CondVar changed_;
  std::map<std::string, std::shared_ptr<Container>> containers_ ABSL_GUARDED_BY(mu_);
  uint32_t connections_ ABSL_GUARDED_BY(mu_) = 0;
  uint32_t requests_ ABSL_GUARDED_BY(mu_) = 0;
  bool had_any_ ABSL_GUARDED_BY(mu_) = false;
  bool done_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_CONTAINERS_H_
