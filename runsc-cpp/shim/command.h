// A program that the shim runs: the runtime, a logger, containerd's publisher.
#ifndef RUNSC_CPP_SHIM_COMMAND_H_
#define RUNSC_CPP_SHIM_COMMAND_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace runsc::shim {

// What happens to the program when the shim dies.
enum class Tie { kDiesWithShim, kNone };

struct Command {
  std::string program;  // a path, or a name to be found by PATH
  std::vector<std::string> argv;
  std::optional<std::vector<std::string>> environment;  // none: ours
  std::string directory;
  std::vector<int> fds;  // become 0, 1, 2, ...; -1 is /dev/null
  Tie tie = Tie::kDiesWithShim;
  bool own_session = false;
};

// The caller has one thread. Signals are as at a program's start, in a process group of its own.
absl::StatusOr<pid_t> Spawn(const Command& command);

// A file in memory, at its start.
absl::StatusOr<base::UniqueFd> MemoryFile(absl::string_view text = "");
// From the start on; what is longer than `limit` is cut off.
std::string ReadWhole(int fd, size_t limit = 4 << 20);

// Files in the bundle.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t limit = 8 << 20);
// Whole or not at all.
absl::Status WriteFile(const std::string& path, absl::string_view text, mode_t mode = 0600);

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_COMMAND_H_
