// The flags of `runsc-cpp do`, checked.
#ifndef RUNSC_CPP_CMD_DO_FLAGS_H_
#define RUNSC_CPP_CMD_DO_FLAGS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runsc-cpp/boot/platforms.h"

namespace runsc {

struct DoVolume {
  std::string host_path;
  std::string guest_path;
  bool read_only = false;
};

// What the guest's network is: a loopback of its own, or the caller's network.
inline constexpr char kNetworkNone[] = "none";
inline constexpr char kNetworkPassthrough[] = "passthrough";

struct DoFlags {
  std::string root = "/";
  std::string cwd;  // empty: the caller's
  std::vector<std::string> env;
  std::vector<DoVolume> volumes;
  std::string platform = std::string(kAutoPlatform);
  uint64_t memory = 0;
  std::string network = kNetworkNone;
  bool raw_sockets = false;
  bool strace = false;
  uint32_t log_level = 2;
  bool help = false;
  std::vector<std::string> command;
};

// `argv` without the word "do". An error says which flag, its value, and what
// would be right.
absl::StatusOr<DoFlags> ParseDoFlags(int argc, char** argv);

// "64M" and the like. Exported for its test.
absl::StatusOr<uint64_t> ParseBytes(absl::string_view text);
absl::StatusOr<DoVolume> ParseVolume(absl::string_view text);

}  // namespace runsc

#endif  // RUNSC_CPP_CMD_DO_FLAGS_H_
