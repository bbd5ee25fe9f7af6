// One cgroup of the host: a directory in each hierarchy, and with the systemd
// driver a unit. It knows nothing of containers: a sandbox may use one for a
// pod and one for each container in it.
//
//   auto host = Host::Detect(Rootless::kNo);
//   auto location = ParseCgroupsPath(Driver::kCgroupfs, "/docker/1234", id);
//   auto cgroup = Cgroup::At(*host, *location);
//   cgroup->Create(resources, pid, annotations);   // pid is in it now
//   cgroup->Apply(resources);
//   ... save cgroup->state(); later, in another process: Cgroup::Of(*host, state)
//   cgroup->Delete();
#ifndef RUNSC_CPP_CGROUP_CGROUP_H_
#define RUNSC_CPP_CGROUP_CGROUP_H_

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cpp/cgroup/freezer.h"
#include "runsc-cpp/cgroup/layout.h"
#include "runsc-cpp/cgroup/location.h"
#include "runsc-cpp/cgroup/oom.h"
#include "runsc-cpp/cgroup/stats.h"
#include "runsc-cpp/cgroup/systemd.h"
#include "runsc-cpp/oci/resources.h"

namespace runsc::cgroup {

enum class Rootless { kNo, kYes };

struct Host {
  static absl::StatusOr<Host> Detect(Rootless rootless);

  Layout layout;
  Membership own;
  Rootless rootless = Rootless::kNo;
  std::vector<dbus::Address> systemd;  // tried in order, when it is needed first
};

// All that another process needs to find the cgroup again.
struct CgroupState {
  Mode mode = Mode::kNone;
  Location location;
  // Without those that could not be made, which is no error for a rootless
  // container that has not chosen its cgroup.
  Paths paths;
};

// For one thread.
class Cgroup {
 public:
  // Makes nothing yet.
  static absl::StatusOr<Cgroup> At(const Host& host, const Location& location);
  static Cgroup Of(const Host& host, CgroupState state);

  const CgroupState& state() const { return state_; }
  // The directory of a controller, of any name that v1 or v2 has for it; empty
  // if there is none.
  std::string Directory(absl::string_view controller) const;
  bool Exists() const;
  // An error if it has processes or is frozen: then another container uses it.
  absl::Status CheckUnused() const;

  // Makes the cgroup, puts process `pid` into it, and takes off what it made
  // if that fails (with a unit, systemd ends the process too). Limits are not set yet, but for what must be before a
  // process joins. A systemd scope needs a process; 0 is none.
  // `annotations` may set properties of the unit.
  absl::Status Create(const oci::LinuxResources& resources, pid_t pid,
                      const std::map<std::string, std::string>& annotations = {});
  // Sets limits; also of a cgroup with processes.
  absl::Status Apply(const oci::LinuxResources& resources);
  // Puts a process into the cgroup, or into one below it.
  absl::Status Join(pid_t pid, absl::string_view below = "");
  // Whoever owns it may make cgroups below. v2 only; elsewhere no effect.
  absl::Status Delegate(uid_t owner) const;

  absl::StatusOr<std::vector<pid_t>> Processes() const;
  absl::StatusOr<std::vector<pid_t>> AllProcesses() const;  // those below too

  absl::Status Freeze() const;
  absl::Status Thaw() const;
  absl::StatusOr<FreezerState> Frozen() const;
  // SIGKILL to all processes, those below too, so that none escapes by fork.
  absl::Status Kill() const;

  absl::StatusOr<oci::Stats> ReadStats() const;
  absl::StatusOr<OomWatch> WatchOom() const;
  absl::StatusOr<uint64_t> OomKills() const;

  // With its children. Waits a second for the last processes to leave.
  absl::Status Delete();

 private:
  Cgroup(const Host& host, CgroupState state) : host_(host), state_(std::move(state)) {}
  bool unified() const { return state_.mode == Mode::kUnified; }
  bool systemd_driver() const { return state_.location.driver == Driver::kSystemd; }
  // One directory that stands for all.
  absl::StatusOr<std::string> AnyDirectory() const;
  absl::StatusOr<Systemd*> ConnectSystemd();
  absl::Status StartUnit(pid_t pid, const std::map<std::string, std::string>& annotations);
  absl::Status CreateDirectories(const oci::LinuxResources& resources, std::vector<std::string>& made);
  absl::Status JoinAll(pid_t pid, absl::string_view below) const;
  // Whether a failure means only that a rootless caller may have no cgroup here.
  bool Forgivable(const absl::Status& status) const;

  Host host_;
  CgroupState state_;
  std::unique_ptr<Systemd> systemd_;
};

}  // namespace runsc::cgroup

#endif  // RUNSC_CPP_CGROUP_CGROUP_H_
