#include "runsc-cpp/container/cgroup_record.h"

namespace runsc {

CgroupRecord ToRecord(const cgroup::CgroupState& state) {
  CgroupRecord record;
  record.set_mode(static_cast<uint32_t>(state.mode));
  record.set_driver(static_cast<uint32_t>(state.location.driver));
  record.set_given(state.location.given);
  record.set_path(state.location.path);
  record.set_slice(state.location.slice);
  record.set_prefix(state.location.prefix);
  record.set_name(state.location.name);
  for (const auto& [controller, path] : state.paths) (*record.mutable_paths())[controller] = path;
  return record;
}

absl::StatusOr<cgroup::Cgroup> PlannedCgroup(const RuntimeOptions& runtime, const std::string& cgroups_path,
                                             const std::string& id) {
  const auto driver = runtime.systemd_cgroup ? cgroup::Driver::kSystemd : cgroup::Driver::kCgroupfs;
  absl::StatusOr<cgroup::Host> host =
      cgroup::Host::Detect(runtime.rootless ? cgroup::Rootless::kYes : cgroup::Rootless::kNo);
  if (!host.ok()) return host.status();
  absl::StatusOr<cgroup::Location> location = cgroup::ParseCgroupsPath(driver, cgroups_path, id);
  if (!location.ok()) return location.status();
  return cgroup::Cgroup::At(*host, *location);
}

absl::StatusOr<std::optional<cgroup::Cgroup>> CgroupOf(const RuntimeOptions& runtime, const ContainerRecord& record) {
  if (!record.has_cgroup()) return std::optional<cgroup::Cgroup>();
  absl::StatusOr<cgroup::Host> host =
      cgroup::Host::Detect(runtime.rootless ? cgroup::Rootless::kYes : cgroup::Rootless::kNo);
  if (!host.ok()) return host.status();
  const CgroupRecord& from = record.cgroup();
  cgroup::CgroupState state;
  state.mode = static_cast<cgroup::Mode>(from.mode());
  state.location = {.driver = static_cast<cgroup::Driver>(from.driver()),
                    .given = from.given(),
                    .path = from.path(),
                    .slice = from.slice(),
                    .prefix = from.prefix(),
                    .name = from.name()};
  for (const auto& [controller, path] : from.paths()) state.paths[controller] = path;
  return std::optional<cgroup::Cgroup>(cgroup::Cgroup::Of(*host, std::move(state)));
}

}  // namespace runsc
