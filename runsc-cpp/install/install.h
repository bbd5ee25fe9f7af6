// Puts our runtime into an engine's configuration file, or takes it out.
#ifndef RUNSC_CPP_INSTALL_INSTALL_H_
#define RUNSC_CPP_INSTALL_INSTALL_H_

#include <string>

#include "absl/status/statusor.h"
#include "runsc-cpp/install/runtime_entry.h"

namespace runsc {

enum class Engine { kDocker, kContainerd };
enum class InstallAction { kAdd, kRemove };
enum class InstallMode { kWrite, kDryRun };

inline constexpr char kDockerConfig[] = "/etc/docker/daemon.json";
inline constexpr char kContainerdConfig[] = "/etc/containerd/config.toml";

// Changes `file`, and returns a sentence on what was done. The old file is
// kept as FILE.runsc-cpp.bak; the new one appears at once, with the old one's
// owner and mode. A dry run writes nothing and returns the new text too. What
// changes nothing leaves the file alone.
absl::StatusOr<std::string> ChangeConfig(Engine engine, InstallAction action, InstallMode mode, const std::string& file,
                                         const RuntimeEntry& entry);

}  // namespace runsc

#endif  // RUNSC_CPP_INSTALL_INSTALL_H_
