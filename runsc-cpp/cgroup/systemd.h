// systemd's units, over D-Bus.
#ifndef RUNSC_CPP_CGROUP_SYSTEMD_H_
#define RUNSC_CPP_CGROUP_SYSTEMD_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cpp/dbus/connection.h"

namespace runsc::cgroup {

enum class IfExists {
  kFail,    // after an attempt to clear away a failed unit of that name
  kAccept,  // a slice that others have made
};

// For one thread. Owns a connection to the system's or the user's systemd.
class Systemd {
 public:
  // The first address that answers; the error of the last one if none does.
  static absl::StatusOr<std::unique_ptr<Systemd>> Connect(const std::vector<dbus::Address>& addresses);

  // Waits until systemd has done it.
  absl::Status StartTransient(const std::string& unit, const std::vector<dbus::Property>& properties,
                              IfExists if_exists);
  // Waits too; a unit that is not there is no error.
  absl::Status Stop(const std::string& unit);
  // Until the next boot.
  absl::Status SetProperties(const std::string& unit, const std::vector<dbus::Property>& properties);
  // Moves a process into the unit's cgroup, or into `below` of it.
  absl::Status Attach(const std::string& unit, absl::string_view below, pid_t pid);

  // 252; -1 if it can't be told.
  int Version();
  // Of the manager itself: "/user.slice/user-1000.slice/user@1000.service".
  absl::StatusOr<std::string> ControlGroup();

 private:
  explicit Systemd(std::unique_ptr<dbus::Connection> connection) : connection_(std::move(connection)) {}
  absl::Status Subscribe();
  absl::StatusOr<dbus::Message> Call(const std::string& member, std::string signature, std::string body);
  absl::StatusOr<std::string> GetProperty(const std::string& name);
  // The result of the job that `answer` names: "done", "failed", ...
  absl::StatusOr<std::string> JobResult(const dbus::Message& answer);
  absl::Status ResetFailed(const std::string& unit);

  std::unique_ptr<dbus::Connection> connection_;
  int version_ = 0;  // 0: not asked yet
};

// Where systemd listens. As root its own socket and the system's bus; rootless
// the user's, from DBUS_SESSION_BUS_ADDRESS or XDG_RUNTIME_DIR.
std::vector<dbus::Address> SystemAddresses();
std::vector<dbus::Address> UserAddresses();

// "v252.1-1", "252": 252. -1 if there is no number.
int ParseSystemdVersion(absl::string_view text);

}  // namespace runsc::cgroup

#endif  // RUNSC_CPP_CGROUP_SYSTEMD_H_
