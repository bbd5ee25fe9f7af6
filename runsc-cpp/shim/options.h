// The options with which containerd is configured for this runtime.
#ifndef RUNSC_CPP_SHIM_OPTIONS_H_
#define RUNSC_CPP_SHIM_OPTIONS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runsc-cpp/shim/runtime.h"
#include "runsc-cpp/shim/wire.pb.h"

namespace runsc::shim {

// Where an engine can't be told (Docker before 23).
inline constexpr char kDefaultConfig[] = "/etc/containerd/runsc-cpp.toml";

// containerd.runc.v1.Options as they are; runtimeoptions.v1.Options by their file or text. Without any, the default
// file's.
absl::StatusOr<RuntimeConfig> DecodeOptions(const Any& options);

// Lines of KEY = "text" | true | false | number, in TOML; with runc's names in snake_case or containerd's in CamelCase.
absl::StatusOr<RuntimeConfig> ParseConfig(absl::string_view text, absl::string_view file);

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_OPTIONS_H_
