// What containerd says when it calls the shim, and the two calls that end at once.
#ifndef RUNSC_CPP_SHIM_INVOCATION_H_
#define RUNSC_CPP_SHIM_INVOCATION_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cpp/shim/wire.pb.h"

namespace runsc::shim {

struct Invocation {
  std::string name;  // argv[0]
  std::string space, address, publish_binary, id, bundle, socket;
  bool debug = false, version = false, info = false;
  std::string action;  // "start", "delete"; empty: serve
};
// Flags as Go has them: one dash or two, "=" or the next word.
absl::StatusOr<Invocation> ParseInvocation(const std::vector<std::string>& args);

// Starts a shim that serves, or finds that of the group; what to print: its address.
absl::StatusOr<std::string> StartShim(const Invocation& invocation);
// Clears up behind a shim that is dead; what to print: a DeleteResponse.
absl::StatusOr<std::string> DeleteAfterShim(const Invocation& invocation);
// What to print: a RuntimeInfo.
absl::StatusOr<std::string> DescribeRuntime(const std::string& version);

// Descriptor of the socket in the process that StartShim makes.
inline constexpr int kListenFd = 3;
// In the bundle: the address, for containerd and for us.
inline constexpr char kAddressFile[] = "address";

// An io.containerd.*.v1.Options, sent by containerd on stdin; empty: none.
absl::StatusOr<Any> ReadOptions(int fd);
// The annotation that puts the containers of a pod into one shim, else the id.
absl::StatusOr<std::string> GroupOf(const std::string& config, const std::string& id);

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_INVOCATION_H_
