#include "runsc-cpp/boot/containers.h"

#include "absl/strings/str_cat.h"
#include "runsc-cpp/boot/id_mappings.h"
#include "runsc-cpp/boot/process_start.h"

namespace runsc {

using base::Errno;
using base::MutexLock;
using sentry::MakeRef;
namespace control = sentry::control;

namespace {

constexpr size_t kMaxContainers = 1024;

void Fail(control::Response& response, Errno error, std::string message) {
  response.set_error(static_cast<int>(error));
  response.set_message(std::move(message));
}

}  // namespace

control::Response Containers::Handle(const control::Request& request, RequestFds fds) {
  control::Response response;
  const auto with = [&](const std::string& id, auto act) {
    if (const std::shared_ptr<Container> container = Find(id, response)) act(*container);
  };
  switch (request.kind_case()) {
    case control::Request::kCreate:
      Create(request.create().container(), fds, response);
      break;
    case control::Request::kPrepare:
      with(request.prepare().id(), [&](Container& c) { c.Prepare(response); });
      break;
    case control::Request::kStart:
      with(request.start().id(), [&](Container& c) { c.Start(response); });
      break;
    case control::Request::kExec:
      with(request.exec().id(), [&](Container& c) { c.Exec(request.exec().process(), fds, response); });
      break;
    case control::Request::kSignal:
      with(request.signal().id(), [&](Container& c) { c.Signal(request.signal(), response); });
      break;
    case control::Request::kProcesses:
      with(request.processes().id(), [&](Container& c) { c.Processes(response); });
      break;
    case control::Request::kPause:
      with(request.pause().id(), [&](Container& c) { c.Pause(request.pause().resume(), response); });
      break;
    case control::Request::kUpdate:
      with(request.update().id(), [&](Container& c) { c.SetLimits(request.update().limits()); });
      break;
    case control::Request::kStats:
      with(request.stats().id(), [&](Container& c) { c.Stats(response); });
      break;
    case control::Request::kUnimplemented:
      response.set_text(parts_.unimplemented());
      if (response.text().empty()) response.set_text("  none\n");
      break;
    default:
      Fail(response, Errno::kENOSYS, "this sandbox does not know the request: it is of another version of runsc-cpp");
      break;
  }
  return response;
}

void Containers::Create(const control::Container& description, RequestFds& fds, control::Response& response) {
  const std::string& id = description.id();
  auto container = std::make_shared<Container>(parts_, id, [this, id] { Remove(id); });
  {
    MutexLock lock(mu_);
    if (done_) return Fail(response, Errno::kESHUTDOWN, "the sandbox has just ended");
    if (containers_.size() == kMaxContainers) return Fail(response, Errno::kEAGAIN, "the sandbox is full");
    if (!containers_.emplace(id, container).second) {
      return Fail(response, Errno::kEEXIST, absl::StrCat("container with id exists: ", id));
    }
  }
  ContainerNamespaces namespaces;
  if (ChooseNamespaces(description, namespaces, response)) {
    container->Create(description, std::move(namespaces), fds, response);
  }
  if (response.error() != 0) return Remove(id);
  MutexLock lock(mu_);
  had_any_ = true;
}

bool Containers::ChooseNamespaces(const control::Container& description, ContainerNamespaces& namespaces,
                                  control::Response& response) {
  using control::NamespaceChoice;
  const auto choose = [&](const NamespaceChoice& choice, auto own, auto take) {
    if (choice.kind() == NamespaceChoice::OWN) own();
    if (choice.kind() != NamespaceChoice::CONTAINER) return true;
    const std::shared_ptr<Container> other = Find(choice.id(), response);
    if (other) take(other->namespaces());
    return other != nullptr;
  };
  const auto own_user = [&] {
    auto made = MakeUserNamespace(description.uid_mappings(), description.gid_mappings());
    if (made.ok()) {
      namespaces.user = *std::move(made);
    } else {
      Fail(response, made.error(), "linux.namespaces: user: needs uidMappings and gidMappings, or a container's path");
    }
  };
  // The user namespace first: it owns the others.
  return choose(description.user_namespace(), own_user,
                [&](ContainerNamespaces theirs) { namespaces.user = std::move(theirs.user); }) &&
         response.error() == 0 &&
         choose(
             description.pid_namespace(), [&] { namespaces.pid = parts_.kernel->NewPidNamespace(); },
             [&](ContainerNamespaces theirs) { namespaces.pid = std::move(theirs.pid); }) &&
         choose(
             description.uts_namespace(),
             [&] {
               namespaces.uts =
                   MakeRef<sentry::UtsNamespace>(sentry::UtsName(), namespaces.user, sentry::NamespaceCharge());
             },
             [&](ContainerNamespaces theirs) { namespaces.uts = std::move(theirs.uts); }) &&
         choose(
             description.ipc_namespace(),
             [&] { namespaces.ipc = MakeRef<sentry::IpcNamespace>(namespaces.user, sentry::NamespaceCharge()); },
             [&](ContainerNamespaces theirs) { namespaces.ipc = std::move(theirs.ipc); });
}

std::shared_ptr<Container> Containers::Find(const std::string& id, control::Response& response) const {
  MutexLock lock(mu_);
  const auto found = containers_.find(id);
  if (found != containers_.end()) return found->second;
  Fail(response, Errno::kESRCH, "container not running");
  return nullptr;
}

void Containers::Remove(const std::string& id) {
  std::shared_ptr<Container> removed;  // dropped without the lock
  MutexLock lock(mu_);
  const auto found = containers_.find(id);
  if (found == containers_.end()) return;
  removed = std::move(found->second);
  containers_.erase(found);
  changed_.SignalAll();
}

void Containers::ConnectionOpened() {
  MutexLock lock(mu_);
  ++connections_;
}

void Containers::ConnectionClosed() {
  MutexLock lock(mu_);
  --connections_;
  changed_.SignalAll();
}

void Containers::RequestStarted() {
  MutexLock lock(mu_);
  ++requests_;
}

void Containers::RequestAnswered() {
  MutexLock lock(mu_);
  --requests_;
  changed_.SignalAll();
}

bool Containers::DoneLocked() const { return containers_.empty() && requests_ == 0 && (had_any_ || connections_ == 0); }

void Containers::WaitUntilDone() {
  MutexLock lock(mu_);
  while (!DoneLocked()) changed_.Wait(mu_);
  done_ = true;
}

void Containers::TellDeath(const std::string& cause) {
  std::vector<std::shared_ptr<Container>> all;
  {
    MutexLock lock(mu_);
    for (const auto& [id, container] : containers_) all.push_back(container);
  }
  for (const std::shared_ptr<Container>& container : all) container->TellDeath(cause);
}

}  // namespace runsc
