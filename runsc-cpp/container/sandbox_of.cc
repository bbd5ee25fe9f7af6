#include "runsc-cpp/container/sandbox_of.h"

#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runsc-cpp/container/process_ref.h"

namespace runsc {
namespace {

struct PodAnnotations {
  const char* type;
  const char* sandbox;
};
constexpr PodAnnotations kPods[] = {
    {"io.kubernetes.cri.container-type", "io.kubernetes.cri.sandbox-id"},
    {"io.kubernetes.cri-o.ContainerType", "io.kubernetes.cri-o.SandboxID"},
};

// The container in whose sandbox the annotations put this one.
std::optional<std::string> PodOf(const oci::Spec& spec) {
  for (const PodAnnotations& names : kPods) {
    const auto type = spec.annotations.find(names.type);
    const auto sandbox = spec.annotations.find(names.sandbox);
    if (type == spec.annotations.end() || type->second != "container") continue;
    if (sandbox != spec.annotations.end()) return sandbox->second;
  }
  return std::nullopt;
}

// /proc/PID/ns/TYPE
std::optional<pid_t> ProcessOfPath(const std::string& path) {
  const std::vector<std::string> parts = absl::StrSplit(path, '/');
  pid_t pid;
  if (parts.size() != 5 || parts[1] != "proc" || parts[3] != "ns" || !absl::SimpleAtoi(parts[2], &pid)) return {};
  return pid;
}

std::optional<ContainerRecord> ContainerOfAnchor(const StateRoot& root, pid_t pid) {
  for (const std::string& id : root.List()) {
    absl::StatusOr<ContainerRecord> record = root.Load(id);
    if (record.ok() && record->anchor().pid() == pid && IsAlive(record->anchor())) return *std::move(record);
  }
  return std::nullopt;
}

absl::StatusOr<SandboxChoice> Join(const ContainerRecord& record) {
  if (!IsAlive(record.sentry())) {
    return absl::FailedPreconditionError(absl::StrCat("the sandbox of container ", record.id(), " has ended"));
  }
  SandboxChoice choice;
  choice.id = record.sandbox();
  choice.is_new = false;
  choice.sentry = record.sentry();
  choice.network = record.network();
  return choice;
}

}  // namespace

absl::StatusOr<SandboxChoice> ChooseSandbox(const StateRoot& root, const std::string& id, const Bundle& bundle) {
  if (const std::optional<std::string> pod = PodOf(bundle.spec)) {
    const absl::StatusOr<ContainerRecord> record = root.Load(*pod);
    if (!record.ok()) {
      return absl::Status(record.status().code(),
                          absl::StrCat("the pod's sandbox ", *pod, ": ", record.status().message()));
    }
    return Join(*record);
  }
  for (const oci::NamespacePlan& plan : bundle.plan.namespaces) {
    const std::optional<pid_t> pid = ProcessOfPath(plan.path);
    if (!pid) continue;
    if (const std::optional<ContainerRecord> record = ContainerOfAnchor(root, *pid)) return Join(*record);
  }
  SandboxChoice choice;
  choice.id = id;
  return choice;
}

void ChooseNamespaces(const StateRoot& root, const oci::ContainerPlan& plan, sentry::control::Container& container) {
  const auto choose = [&](oci::NamespaceKind kind, sentry::control::NamespaceChoice& choice) {
    const oci::NamespacePlan& wanted = plan.Namespace(kind);
    if (!wanted.wanted) return;
    choice.set_kind(sentry::control::NamespaceChoice::OWN);
    const std::optional<pid_t> pid = ProcessOfPath(wanted.path);
    const std::optional<ContainerRecord> other = pid ? ContainerOfAnchor(root, *pid) : std::nullopt;
    if (!other) return;
    choice.set_kind(sentry::control::NamespaceChoice::CONTAINER);
    choice.set_id(other->id());
  };
  choose(oci::NamespaceKind::kPid, *container.mutable_pid_namespace());
  choose(oci::NamespaceKind::kUts, *container.mutable_uts_namespace());
  choose(oci::NamespaceKind::kIpc, *container.mutable_ipc_namespace());
  choose(oci::NamespaceKind::kUser, *container.mutable_user_namespace());
}

std::vector<ContainerRecord> MembersOf(const StateRoot& root, const std::string& sandbox) {
  std::vector<ContainerRecord> members;
  for (const std::string& id : root.List()) {
    absl::StatusOr<ContainerRecord> record = root.Load(id);
    if (record.ok() && record->sandbox() == sandbox) members.push_back(*std::move(record));
  }
  return members;
}

}  // namespace runsc
