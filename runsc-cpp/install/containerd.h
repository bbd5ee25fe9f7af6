// Our runtime in containerd's config.toml.
#ifndef RUNSC_CPP_INSTALL_CONTAINERD_H_
#define RUNSC_CPP_INSTALL_CONTAINERD_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runsc-cpp/install/runtime_entry.h"

namespace runsc {

// The new text. All that is not the runtime's own tables stays as it is; the
// same entry twice is the same text. An empty text becomes a whole file. An
// error says what in the file is in the way.
absl::StatusOr<std::string> AddToContainerd(absl::string_view text, const RuntimeEntry& entry);
absl::StatusOr<std::string> RemoveFromContainerd(absl::string_view text, absl::string_view name);

}  // namespace runsc

#endif  // RUNSC_CPP_INSTALL_CONTAINERD_H_
