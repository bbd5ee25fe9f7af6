// What `state`, `list`, `ps` and hooks' stdin say of a container, in runc's
// layouts (engines parse them, people's scripts do, too).
#ifndef RUNSC_CPP_OCI_STATE_H_
#define RUNSC_CPP_OCI_STATE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace runsc::oci {

inline constexpr char kSpecVersion[] = "1.2.0";  // what we write as ociVersion

struct ContainerState {
  std::string version = kSpecVersion;
  std::string id;
  int64_t pid = 0;     // 0: stopped
  std::string status;  // "creating", "created", "running", "paused", "stopped"
  std::string bundle;
  std::string rootfs;
  int64_t created_ns = 0;  // since 1970
  std::map<std::string, std::string> annotations;
  std::string owner;  // `state` leaves it empty, `list` has the user's name
};

std::string StateToJson(const ContainerState& state);                    // `state`
std::string StateForHook(const ContainerState& state);                   // the specification's state
std::string ListToJson(const std::vector<ContainerState>& containers);   // `list --format json`
std::string ListToTable(const std::vector<ContainerState>& containers);  // `list`
std::string PidsToJson(const std::vector<int64_t>& pids);                // `ps --format json`

// As Go's RFC3339Nano in UTC: "2026-11-28T09:20:43.794063473Z".
std::string Timestamp(int64_t since_1970_ns);

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_STATE_H_
