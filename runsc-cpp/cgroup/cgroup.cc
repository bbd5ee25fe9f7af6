#include "runsc-cpp/cgroup/cgroup.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/cgroup/create.h"
#include "runsc-cpp/cgroup/files.h"
#include "runsc-cpp/cgroup/resources.h"
#include "runsc-cpp/cgroup/unit_properties.h"

namespace runsc::cgroup {
namespace {

// The v1 hierarchies that tell a container's processes best come first.
constexpr absl::string_view kPreferred[] = {"", "devices", "pids", "freezer", "memory", "cpu"};

// Whether systemd keeps the hierarchy for itself. It uses both where both are mounted.
bool IsSystemds(absl::string_view controller) { return controller == "name=systemd" || controller.empty(); }

absl::Status NoUnifiedInV1() {
  return absl::InvalidArgumentError("invalid configuration: cannot use unified on cgroup v1");
}

}  // namespace

absl::StatusOr<Host> Host::Detect(Rootless rootless) {
  auto layout = HostLayout();
  if (!layout.ok()) return layout.status();
  auto own = OwnMembership();
  if (!own.ok()) return own.status();
  return Host{*std::move(layout), *std::move(own), rootless,
              rootless == Rootless::kYes ? UserAddresses() : SystemAddresses()};
}

absl::StatusOr<Cgroup> Cgroup::At(const Host& host, const Location& location) {
  CgroupState state;
  state.mode = host.layout.mode;
  state.location = location;
  Cgroup cgroup(host, std::move(state));
  std::string manager;
  if (cgroup.systemd_driver() && host.rootless == Rootless::kYes) {
    if (host.layout.mode != Mode::kUnified) {
      return absl::FailedPreconditionError("cannot use rootless systemd cgroups manager on cgroup v1");
    }
    const auto systemd = cgroup.ConnectSystemd();
    if (!systemd.ok()) return systemd.status();
    auto group = (*systemd)->ControlGroup();
    if (!group.ok()) return group.status();
    manager = *std::move(group);
  }
  auto paths = FindPaths(host.layout, host.own, location, manager);
  if (!paths.ok()) return paths.status();
  cgroup.state_.paths = *std::move(paths);
  return cgroup;
}

Cgroup Cgroup::Of(const Host& host, CgroupState state) { return Cgroup(host, std::move(state)); }

std::string Cgroup::Directory(absl::string_view controller) const {
  auto found = state_.paths.find(unified() ? "" : controller);
  if (found == state_.paths.end() && controller == "io") found = state_.paths.find("blkio");
  return found == state_.paths.end() ? "" : found->second;
}

absl::StatusOr<std::string> Cgroup::AnyDirectory() const {
  for (const absl::string_view controller : kPreferred) {
    // Beside v1 the v2 hierarchy may be read-only for us.
    if (controller.empty() && !unified()) continue;
    if (std::string dir = Directory(controller); !dir.empty()) return dir;
  }
  if (!state_.paths.empty()) return state_.paths.begin()->second;
  return absl::NotFoundError("cgroup not configured for container");
}

bool Cgroup::Exists() const {
  const auto dir = AnyDirectory();
  return dir.ok() && cgroup::Exists(*dir);
}

absl::Status Cgroup::CheckUnused() const {
  if (!Exists()) return absl::OkStatus();
  const auto pids = AllProcesses();
  if (!pids.ok()) return IsMissing(pids.status()) ? absl::OkStatus() : pids.status();
  if (!pids->empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("container's cgroup is not empty: ", pids->size(), " process(es) found"));
  }
  const auto frozen = Frozen();
  if (!frozen.ok()) return frozen.status();
  if (*frozen == FreezerState::kFrozen) {
    return absl::FailedPreconditionError("container's cgroup unexpectedly frozen");
  }
  return absl::OkStatus();
}

absl::StatusOr<Systemd*> Cgroup::ConnectSystemd() {
  if (systemd_ == nullptr) {
    auto systemd = Systemd::Connect(host_.systemd);
    if (!systemd.ok()) return systemd.status();
    systemd_ = *std::move(systemd);
  }
  return systemd_.get();
}

bool Cgroup::Forgivable(const absl::Status& status) const {
  const int error = ErrnoOf(status);
  return host_.rootless == Rootless::kYes && !state_.location.given &&
         (error == EPERM || error == EACCES || error == EROFS);
}

absl::Status Cgroup::StartUnit(pid_t pid, const std::map<std::string, std::string>& annotations) {
  const std::string unit = UnitName(state_.location);
  const bool rootless = host_.rootless == Rootless::kYes;
  Properties properties = NewUnitProperties(state_.location, state_.mode, rootless, pid);
  auto more = AnnotationProperties(annotations);
  if (!more.ok()) return more.status();
  properties.insert(properties.end(), more->begin(), more->end());
  const auto systemd = ConnectSystemd();
  if (!systemd.ok()) return systemd.status();
  return (*systemd)->StartTransient(unit, properties, pid > 0 ? IfExists::kFail : IfExists::kAccept);
}

absl::Status Cgroup::CreateDirectories(const oci::LinuxResources& resources, std::vector<std::string>& made) {
  for (auto it = state_.paths.begin(); it != state_.paths.end();) {
    const auto& [controller, dir] = *it;
    const auto mount = host_.layout.mounts.find(controller);
    if (mount == host_.layout.mounts.end()) {
      return absl::FailedPreconditionError(absl::StrCat("cgroup hierarchy \"", controller, "\" is not mounted"));
    }
    const bool skip = systemd_driver() && !unified() && IsSystemds(controller);
    // Beside v1 there are no controllers in the v2 hierarchy to be enabled.
    absl::Status s = skip        ? absl::OkStatus()
                     : unified() ? CreateV2(mount->second, dir, resources, made)
                                 : CreateV1(mount->second, dir, controller, resources, made);
    if (!s.ok()) {
      if (!Forgivable(s)) return s;
      if (unified() && AnyLimit(resources)) {
        return AddContext(s, "rootless needs no limits + no cgrouppath when no permission is granted for cgroups");
      }
      it = state_.paths.erase(it);
      continue;
    }
    ++it;
  }
  return absl::OkStatus();
}

absl::Status Cgroup::Create(const oci::LinuxResources& resources, pid_t pid,
                            const std::map<std::string, std::string>& annotations) {
  if (!unified() && !resources.unified.empty()) return NoUnifiedInV1();
  if (systemd_driver()) {
    if (absl::Status s = StartUnit(pid, annotations); !s.ok()) {
      return absl::Status(s.code(),
                          absl::StrCat("unable to start unit \"", UnitName(state_.location), "\": ", s.message()));
    }
  }
  std::vector<std::string> made;
  absl::Status s = CreateDirectories(resources, made);
  if (s.ok() && pid > 0) s = JoinAll(pid, "");
  if (s.ok()) return s;
  for (auto dir = made.rbegin(); dir != made.rend(); ++dir) rmdir(dir->c_str());
  if (systemd_driver() && systemd_ != nullptr) (void)systemd_->Stop(UnitName(state_.location));
  return s;
}

absl::Status Cgroup::Apply(const oci::LinuxResources& resources) {
  if (!unified() && !resources.unified.empty()) return NoUnifiedInV1();
  if (systemd_driver()) {
    if (unified()) {
      // Systemd would set the limit, the kernel would kill, and the unit be gone.
      if (absl::Status s = CheckMemoryUsageV2(Directory("memory"), resources); !s.ok()) return s;
    }
    const auto systemd = ConnectSystemd();
    if (!systemd.ok()) return systemd.status();
    const int version = (*systemd)->Version();
    const auto properties =
        unified() ? ResourcePropertiesV2(resources, version) : ResourcePropertiesV1(resources, version);
    if (!properties.ok()) return properties.status();
    if (absl::Status s = (*systemd)->SetProperties(UnitName(state_.location), *properties); !s.ok()) {
      return absl::Status(s.code(), absl::StrCat("unable to set unit properties: ", s.message()));
    }
  }
  if (!unified()) return ApplyV1(state_.paths, resources);
  if (!state_.paths.empty()) return ApplyV2(Directory(""), resources);
  if (!AnyLimit(resources)) return absl::OkStatus();
  return absl::FailedPreconditionError("cannot set limits: container could not join or create cgroup");
}

absl::Status Cgroup::JoinAll(pid_t pid, absl::string_view below) const {
  for (const auto& [controller, dir] : state_.paths) {
    if (systemd_driver() && !unified() && IsSystemds(controller)) continue;
    const std::string to = below.empty() ? dir : absl::StrCat(dir, "/", below);
    absl::Status s = JoinProcess(to, pid);
    // Where v1 has the controllers, a v2 hierarchy that refuses us limits nothing.
    const bool beside = controller.empty() && !unified();
    if (!s.ok() && !beside && !Forgivable(s)) {
      return AddContext(s, absl::StrCat("can't add process ", pid, " to cgroup"));
    }
  }
  return absl::OkStatus();
}

absl::Status Cgroup::Join(pid_t pid, absl::string_view below) {
  const std::string clean = CleanPath(below);
  const absl::string_view relative = absl::StartsWith(clean, "/") ? absl::string_view(clean).substr(1) : clean;
  if (absl::StrContains(absl::StrCat("/", below, "/"), "/../")) {
    return absl::InvalidArgumentError(absl::StrCat("bad sub cgroup path: ", below));
  }
  // The kernel lets a user move processes only below a cgroup that is his; his systemd may do more.
  if (systemd_driver() && host_.rootless == Rootless::kYes) {
    const auto systemd = ConnectSystemd();
    if (!systemd.ok()) return systemd.status();
    return (*systemd)->Attach(UnitName(state_.location), relative, pid);
  }
  return JoinAll(pid, relative);
}

absl::Status Cgroup::Delegate(uid_t owner) const {
  return unified() && !state_.paths.empty() ? DelegateTo(Directory(""), owner) : absl::OkStatus();
}

absl::Status Cgroup::Delete() {
  absl::Status first;
  if (systemd_driver()) {
    const auto systemd = ConnectSystemd();
    first = systemd.ok() ? (*systemd)->Stop(UnitName(state_.location)) : systemd.status();
  }
  // What systemd did not make it does not remove.
  for (const auto& [controller, dir] : state_.paths) {
    if (absl::Status s = RemoveCgroup(dir); !s.ok() && first.ok()) first = s;
  }
  return first;
}

}  // namespace runsc::cgroup
