// Cgroup: what it does to processes, and what it tells of them.
#include <signal.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/cgroup/cgroup.h"
#include "runsc-cpp/cgroup/files.h"

namespace runsc::cgroup {
namespace {

absl::Status NoController(absl::string_view what) {
  return absl::FailedPreconditionError(absl::StrCat("cannot ", what, ": cgroups not configured for container"));
}

}  // namespace

absl::StatusOr<std::vector<pid_t>> Cgroup::Processes() const {
  const auto dir = AnyDirectory();
  if (!dir.ok()) return dir.status();
  return ProcessesOf(*dir);
}

absl::StatusOr<std::vector<pid_t>> Cgroup::AllProcesses() const {
  const auto dir = AnyDirectory();
  if (!dir.ok()) return dir.status();
  return ProcessesBelow(*dir);
}

absl::Status Cgroup::Freeze() const {
  const std::string dir = Directory("freezer");
  if (dir.empty()) return NoController("toggle freezer");
  return unified() ? FreezeV2(dir) : FreezeV1(dir);
}

absl::Status Cgroup::Thaw() const {
  const std::string dir = Directory("freezer");
  if (dir.empty()) return NoController("toggle freezer");
  return unified() ? ThawV2(dir) : ThawV1(dir);
}

absl::StatusOr<FreezerState> Cgroup::Frozen() const {
  const std::string dir = Directory("freezer");
  if (dir.empty()) return FreezerState::kUndefined;
  return unified() ? FreezerStateV2(dir) : FreezerStateV1(dir);
}

absl::Status Cgroup::Kill() const {
  if (unified()) {
    // Linux 5.14 does it at once.
    const absl::Status s = WriteFile(Directory(""), "cgroup.kill", "1");
    if (s.ok() || !cgroup::Exists(Directory(""))) return absl::OkStatus();
  }
  // What is frozen can't fork while the list is read; a SIGKILL is taken when it thaws.
  const absl::Cleanup thaw = [this] { (void)Thaw(); };
  (void)Freeze();
  const auto pids = AllProcesses();
  if (!pids.ok()) return IsMissing(pids.status()) ? absl::OkStatus() : pids.status();
  absl::Status first;
  for (const pid_t pid : *pids) {
    if (kill(pid, SIGKILL) != 0 && errno != ESRCH && first.ok()) {
      first = ErrnoError(errno, absl::StrCat("kill process ", pid));
    }
  }
  return first;
}

absl::StatusOr<oci::Stats> Cgroup::ReadStats() const {
  if (!unified()) return StatsV1(state_.paths);
  if (state_.paths.empty()) return oci::Stats();
  return StatsV2(Directory(""));
}

absl::StatusOr<OomWatch> Cgroup::WatchOom() const {
  const std::string dir = Directory("memory");
  if (dir.empty()) return NoController("watch for out of memory");
  return unified() ? OomWatch::StartV2(dir) : OomWatch::StartV1(dir);
}

absl::StatusOr<uint64_t> Cgroup::OomKills() const {
  const std::string dir = Directory("memory");
  if (dir.empty()) return 0;
  auto kills = unified() ? OomKillsV2(dir) : OomKillsV1(dir);
  if (!kills.ok() && host_.rootless == Rootless::kYes && IsMissing(kills.status())) return 0;
  return kills;
}

}  // namespace runsc::cgroup
