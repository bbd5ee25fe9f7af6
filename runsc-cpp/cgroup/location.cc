#include "runsc-cpp/cgroup/location.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace runsc::cgroup {
namespace {

constexpr absl::string_view kSliceSuffix = ".slice";

// The directory of our own cgroup, as seen through `mount`.
std::string OwnDirectory(const Mount& mount, absl::string_view own) {
  absl::string_view below = own;
  // In a container /proc/self/cgroup may tell the host's view, of which only a part is mounted.
  if (mount.root != "/") absl::ConsumePrefix(&below, mount.root);
  return absl::StrCat(mount.point, CleanPath(absl::StrCat("/", below)));
}

std::string Below(absl::string_view dir, absl::string_view path) {
  std::string joined = absl::StrCat(dir, "/", path);
  return CleanPath(joined);
}

absl::StatusOr<std::string> FindCgroupfsPath(const Mount& mount, const Membership& own, absl::string_view controller,
                                             const Location& location) {
  if (absl::StartsWith(location.path, "/")) return Below(mount.point, location.path);
  const auto ours = own.find(controller);
  if (ours == own.end()) {
    return absl::NotFoundError(absl::StrCat("cgroupsPath \"", location.path,
                                            "\" is relative, and /proc/self/cgroup does not tell our own cgroup of \"",
                                            controller, "\""));
  }
  std::string dir = OwnDirectory(mount, ours->second);
  return Below(dir, location.path);
}

}  // namespace

std::string CleanPath(absl::string_view path) {
  std::vector<absl::string_view> kept;
  for (const absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    if (part == ".") continue;
    if (part != "..") {
      kept.push_back(part);
    } else if (!kept.empty()) {
      kept.pop_back();
    }
  }
  return absl::StrCat(absl::StartsWith(path, "/") ? "/" : "", absl::StrJoin(kept, "/"));
}

absl::StatusOr<std::string> ExpandSlice(absl::string_view slice) {
  const absl::Status invalid = absl::InvalidArgumentError(absl::StrCat("invalid slice name: ", slice));
  absl::string_view name = slice;
  if (!absl::ConsumeSuffix(&name, kSliceSuffix) || name.empty() || name.find('/') != name.npos) return invalid;
  if (name == "-") return "/";
  std::string path, prefix;
  for (const absl::string_view part : absl::StrSplit(name, '-')) {
    if (part.empty() || part == "." || part == "..") return invalid;
    absl::StrAppend(&path, "/", prefix, part, kSliceSuffix);
    absl::StrAppend(&prefix, part, "-");
  }
  return path;
}

absl::StatusOr<Location> ParseCgroupsPath(Driver driver, absl::string_view cgroups_path, absl::string_view id) {
  Location location;
  location.driver = driver;
  location.given = !cgroups_path.empty();
  if (cgroups_path.find('\0') != cgroups_path.npos) {
    return absl::InvalidArgumentError("linux.cgroupsPath holds a zero byte");
  }
  if (driver == Driver::kCgroupfs) {
    location.path = CleanPath(cgroups_path);
    if (location.path.empty()) location.path = CleanPath(id);
    // All of the host's processes are there, and removing it would take every empty cgroup along.
    if (location.path.empty() || location.path == "/") {
      return absl::InvalidArgumentError(
          absl::StrCat("cgroupsPath \"", cgroups_path, "\" is the root of the hierarchy"));
    }
    return location;
  }
  if (cgroups_path.empty()) {
    location.prefix = "runc";
    location.name = std::string(id);
    return location;
  }
  const std::vector<std::string> parts = absl::StrSplit(cgroups_path, ':');
  if (parts.size() != 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"",
                     cgroups_path, "\" instead"));
  }
  location.slice = parts[0];
  location.prefix = parts[1];
  location.name = parts[2];
  if (!location.slice.empty()) {
    if (const auto expanded = ExpandSlice(location.slice); !expanded.ok()) return expanded.status();
  }
  if (location.name.empty() || UnitName(location).find('/') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("invalid systemd unit name: ", UnitName(location)));
  }
  return location;
}

std::string UnitName(const Location& location) {
  if (absl::EndsWith(location.name, kSliceSuffix)) return location.name;
  return absl::StrCat(location.prefix, "-", location.name, ".scope");
}

std::string ParentSlice(const Location& location, bool rootless) {
  if (!location.slice.empty()) return location.slice;
  return rootless ? "user.slice" : "system.slice";
}

absl::StatusOr<Paths> FindPaths(const Layout& layout, const Membership& own, const Location& location,
                                absl::string_view manager) {
  if (layout.mode == Mode::kNone) {
    return absl::FailedPreconditionError(absl::StrCat("no cgroup file system is mounted at ", kCgroupRoot));
  }
  if (location.driver == Driver::kSystemd) {
    const auto slice = ExpandSlice(ParentSlice(location, !manager.empty()));
    if (!slice.ok()) return slice.status();
    Paths paths;
    for (const auto& [controller, mount] : layout.mounts) {
      paths[controller] = Below(mount.point, absl::StrCat(manager, *slice, "/", UnitName(location)));
    }
    return paths;
  }
  Paths paths;
  for (const auto& [controller, mount] : layout.mounts) {
    Membership from = own;
    if (layout.mode == Mode::kUnified) {
      // Our own cgroup has processes, so none of its children may have controllers: its parent's may.
      std::string& ours = from[""];
      ours = ours.substr(0, ours.rfind('/'));
    }
    auto path = FindCgroupfsPath(mount, from, controller, location);
    if (!path.ok()) return path.status();
    paths[controller] = *std::move(path);
  }
  return paths;
}

}  // namespace runsc::cgroup
