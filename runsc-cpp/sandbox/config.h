// What runsc-cpp tells the sentry and the gofer that it starts: one memfd with
// these fields. Both ends are the same binary.
#ifndef RUNSC_CPP_SANDBOX_CONFIG_H_
#define RUNSC_CPP_SANDBOX_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace runsc {

struct VolumeConfig {
  std::string host_path;
  std::string guest_path;
  bool read_only = false;
};

// What the guest's network is: a loopback of its own, or the caller's network.
inline constexpr char kNetworkNone[] = "none";
inline constexpr char kNetworkPassthrough[] = "passthrough";

struct SandboxConfig {
  // --- The program ---
  std::vector<std::string> argv, envp;
  std::string cwd;
  uint32_t uid = 0, gid = 0;
  std::vector<uint32_t> groups;
  uint32_t umask = 022;
  std::vector<uint64_t> limits;  // soft and hard of each RLIMIT_*, in turn
  uint32_t nice = 20;            // 20 + nice(1)'s value
  uint64_t ignored_signals = 0;  // bit N - 1: the caller ignores signal N (nohup)
  uint32_t closed_streams = 0;   // bit N: the caller has no descriptor N, of 0 to 2

  // --- The sandbox ---
  std::string root;  // host directory that becomes the read-only lower layer
  std::vector<VolumeConfig> volumes;
  std::string hostname;
  std::string platform = "auto";  // to be replaced (selection/select.h) before the launch
  uint64_t memory_limit = 0;      // bytes; 0: the host's memory
  uint32_t cpu_count = 1;
  std::string network = "none";  // kNetworkNone, kNetworkPassthrough
  bool raw_sockets = false;
  bool strace = false;
  uint32_t log_level = 2;

  // --- Descriptors, by number, as the new process has them ---
  uint32_t control_fd = 0;
  uint32_t log_fd = 2;
  uint32_t large_memory_fd = UINT32_MAX;  // UINT32_MAX: none
  uint32_t device_fd = UINT32_MAX;        // the platform's; UINT32_MAX: none
  uint32_t gofer_memory_fd = 0;
  std::vector<uint32_t> gofer_sockets;
  std::vector<uint32_t> netgofer_sockets;

  // The terminal's size at start; 0: no terminal.
  uint32_t rows = 0, columns = 0;
};

// Into a sealed memfd, read from its start.
absl::StatusOr<base::UniqueFd> WriteConfig(const SandboxConfig& config);
absl::StatusOr<SandboxConfig> ReadConfig(int fd);

}  // namespace runsc

#endif  // RUNSC_CPP_SANDBOX_CONFIG_H_
