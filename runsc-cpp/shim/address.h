// Where a shim listens: /run/containerd/s/HASH, by containerd's address, namespace and group.
#ifndef RUNSC_CPP_SHIM_ADDRESS_H_
#define RUNSC_CPP_SHIM_ADDRESS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace runsc::shim {

inline constexpr char kSocketFolder[] = "/run/containerd/s";

// In hexadecimal.
std::string Sha256(absl::string_view text);

std::string SocketPath(absl::string_view containerd, absl::string_view space, absl::string_view group);

// EADDRINUSE is AlreadyExists.
absl::StatusOr<base::UniqueFd> ListenAt(const std::string& path);
absl::StatusOr<base::UniqueFd> ConnectTo(const std::string& path);

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_ADDRESS_H_
