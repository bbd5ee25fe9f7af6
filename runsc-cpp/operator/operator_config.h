// The operator's configuration, a file that only root can change: what flags that are not given default to, and what
// containers may ask for by annotations. docs/operating.md has its members.
#ifndef RUNSC_CPP_OPERATOR_OPERATOR_CONFIG_H_
#define RUNSC_CPP_OPERATOR_OPERATOR_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace runsc {

inline constexpr char kOperatorConfig[] = "/etc/runsc-cpp/config.json";

struct OperatorConfig {
  std::optional<std::string> network, platform;
  std::optional<bool> overlay, strace, debug, systemd_cgroup;
  uint64_t memory_limit = 0;  // bytes; 0: none
  std::optional<std::vector<std::string>>
      annotations;  // those that containers may use; nothing: all, which only narrow
  std::vector<std::string> tenant_platforms;
  bool tenant_logs = false;
  std::string post_mortems;
};

// Errors name file, path and value, and what is allowed. A member that is not known is one: it may have been meant to
// forbid something.
absl::StatusOr<OperatorConfig> ParseOperatorConfig(std::string_view text, std::string_view file);

enum class Presence : uint8_t { kOptional, kRequired };
// PermissionDenied: others than root could have written the file, or put another in its place.
absl::StatusOr<OperatorConfig> ReadOperatorConfig(const std::string& path, Presence presence);

}  // namespace runsc

#endif  // RUNSC_CPP_OPERATOR_OPERATOR_CONFIG_H_
