#include "runsc-cpp/cgroup/create.h"

#include <unistd.h>

#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runsc-cpp/cgroup/files.h"
#include "runsc-cpp/cgroup/resources.h"

namespace runsc::cgroup {
namespace {

// The directories from below the mount point down to `dir`.
absl::StatusOr<std::vector<std::string>> Ladder(const Mount& mount, const std::string& dir) {
  absl::string_view below = dir;
  if (!absl::ConsumePrefix(&below, mount.point) || !absl::ConsumePrefix(&below, "/") || below.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("invalid cgroup path ", dir, ": not below ", mount.point));
  }
  std::vector<std::string> steps;
  std::string step = mount.point;
  for (const absl::string_view name : absl::StrSplit(below, '/', absl::SkipEmpty())) {
    absl::StrAppend(&step, "/", name);
    steps.push_back(step);
  }
  return steps;
}

absl::Status InheritFile(const std::string& from, const std::string& to, absl::string_view name) {
  const auto now = ReadFile(to, name);
  if (!now.ok()) return now.status();
  if (!absl::StripAsciiWhitespace(*now).empty()) return absl::OkStatus();
  const auto parent = ReadFile(from, name);
  if (!parent.ok()) return parent.status();
  return WriteFile(to, name, absl::StripAsciiWhitespace(*parent));
}

absl::Status InheritCpuset(const std::string& from, const std::string& to) {
  // "noprefix" mounts, as on Android, are not supported: nobody mounts cgroup v1 so on a server.
  if (absl::Status s = InheritFile(from, to, "cpuset.cpus"); !s.ok()) return s;
  return InheritFile(from, to, "cpuset.mems");
}

absl::Status CreateCpuset(const Mount& mount, const std::string& dir, const oci::LinuxResources& resources,
                          std::vector<std::string>& made) {
  const auto ladder = Ladder(mount, dir);
  if (!ladder.ok()) return ladder.status();
  std::string parent = mount.point;
  for (const std::string& step : *ladder) {
    if (absl::Status s = MakeDirectories(step, made); !s.ok()) return s;
    // What was asked comes first: inherited CPUs could clash with an exclusive sibling's.
    if (step == dir) {
      if (absl::Status s = ApplyCpusetV1(dir, resources); !s.ok()) return s;
    }
    if (absl::Status s = InheritCpuset(parent, step); !s.ok()) return s;
    parent = step;
  }
  return absl::OkStatus();
}

void EnableControllers(const std::string& dir, const std::vector<absl::string_view>& controllers) {
  if (controllers.empty()) return;
  if (WriteFile(dir, "cgroup.subtree_control", absl::StrCat("+", absl::StrJoin(controllers, " +"))).ok()) return;
  for (const absl::string_view controller : controllers) {
    (void)WriteFile(dir, "cgroup.subtree_control", absl::StrCat("+", controller));
  }
}

// A cgroup below one with processes is "domain invalid"; it can be threaded,
// which is right where only threaded controllers are wanted.
absl::Status SettleType(const std::string& dir, const oci::LinuxResources& resources) {
  const auto text = ReadFile(dir, "cgroup.type");
  const absl::string_view type = text.ok() ? absl::StripAsciiWhitespace(*text) : "domain";
  if (type == "domain") return absl::OkStatus();
  if (NeedsDomainController(resources)) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot enter cgroupv2 \"", dir, "\" with domain controllers -- it is in ", type, " mode"));
  }
  if (type == "domain invalid") (void)WriteFile(dir, "cgroup.type", "threaded");
  return absl::OkStatus();
}

}  // namespace

absl::Status CreateV1(const Mount& mount, const std::string& dir, absl::string_view controller,
                      const oci::LinuxResources& resources, std::vector<std::string>& made) {
  if (controller == "cpuset") return CreateCpuset(mount, dir, resources, made);
  if (absl::Status s = MakeDirectories(dir, made); !s.ok()) return s;
  return controller == "cpu" ? ApplyRealtimeV1(dir, resources) : absl::OkStatus();
}

absl::Status CreateV2(const Mount& mount, const std::string& dir, const oci::LinuxResources& resources,
                      std::vector<std::string>& made) {
  const auto ladder = Ladder(mount, dir);
  if (!ladder.ok()) return ladder.status();
  const auto text = ReadFile(mount.point, "cgroup.controllers");
  if (!text.ok()) return text.status();
  const std::vector<absl::string_view> controllers =
      absl::StrSplit(absl::StripAsciiWhitespace(*text), ' ', absl::SkipEmpty());
  EnableControllers(mount.point, controllers);
  for (const std::string& step : *ladder) {
    if (absl::Status s = MakeDirectories(step, made); !s.ok()) return s;
    if (absl::Status s = SettleType(step, resources); !s.ok()) return s;
    if (step != dir) EnableControllers(step, controllers);
  }
  return absl::OkStatus();
}

absl::Status DelegateTo(const std::string& dir, uid_t owner) {
  if (chown(dir.c_str(), owner, -1) != 0) return ErrnoError(errno, absl::StrCat("chown ", dir, " to ", owner));
  // Linux before 4.15 does not list them.
  const auto text = ReadFile("/sys/kernel/cgroup", "delegate");
  const std::string names = text.ok() ? *text : "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";
  for (const absl::string_view name : absl::StrSplit(names, '\n', absl::SkipEmpty())) {
    const std::string path = absl::StrCat(dir, "/", name);
    if (chown(path.c_str(), owner, -1) != 0 && errno != ENOENT) {
      return ErrnoError(errno, absl::StrCat("chown ", path, " to ", owner));
    }
  }
  return absl::OkStatus();
}

}  // namespace runsc::cgroup
