// The link by which containerd finds our shim: this program by another name.
#ifndef RUNSC_CPP_INSTALL_SHIM_LINK_H_
#define RUNSC_CPP_INSTALL_SHIM_LINK_H_

#include <string>

#include "absl/status/statusor.h"
#include "runsc-cpp/install/install.h"

namespace runsc {

inline constexpr char kShimLink[] = "containerd-shim-runsc-cpp-v1";

// Beside the program, if containerd looks there; else /usr/local/bin.
std::string ShimFolder(const std::string& binary);

// Makes the link in `folder`, or takes it away; a sentence on what was done. A link of that name is replaced, anything
// else is in the way.
absl::StatusOr<std::string> ChangeShimLink(InstallAction action, InstallMode mode, const std::string& folder,
                                           const std::string& binary);

// The shim's options as a file (RuntimeEntry::shim_options), made if it is not there: a sentence, or nothing.
absl::StatusOr<std::string> MakeShimOptions(InstallMode mode, const std::string& file);

}  // namespace runsc

#endif  // RUNSC_CPP_INSTALL_SHIM_LINK_H_
