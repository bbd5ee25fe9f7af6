// Our runtime in Docker's daemon.json.
#ifndef RUNSC_CPP_INSTALL_DOCKER_H_
#define RUNSC_CPP_INSTALL_DOCKER_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runsc-cpp/install/runtime_entry.h"

namespace runsc {

// The new text: members keep their order and numbers their digits; blanks are
// made anew. An empty text becomes a whole file. What changes nothing returns
// `text` itself. An error begins with `file` and says what is in the way.
absl::StatusOr<std::string> AddToDocker(absl::string_view text, absl::string_view file, const RuntimeEntry& entry);
absl::StatusOr<std::string> RemoveFromDocker(absl::string_view text, absl::string_view file, absl::string_view name);

}  // namespace runsc

#endif  // RUNSC_CPP_INSTALL_DOCKER_H_
