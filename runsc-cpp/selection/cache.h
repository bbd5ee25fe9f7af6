// The platform that was found to be the fastest, remembered until the next boot:
// a small file in a directory that nobody but its owner can write to.
#ifndef RUNSC_CPP_SELECTION_CACHE_H_
#define RUNSC_CPP_SELECTION_CACHE_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace runsc {

// What the choice depends on: the host's boot, this binary, the user, whether the
// caller is under a seccomp filter. Empty: can't be told (no /proc), so nothing
// can be remembered.
std::string ChoiceKey();

// Where the cache's directory lies: /run for root, else $XDG_RUNTIME_DIR. Empty: nowhere.
std::string CacheParent();

// What was remembered below `parent` for `key`. nullopt: nothing, or something is
// odd: a file or folder that others own or can write to, no plain file, a content
// that is not to the byte what WriteChoice writes.
std::optional<std::string> ReadChoice(const std::string& parent, absl::string_view key);

// Atomically. False: not possible here; what stood there stands.
bool WriteChoice(const std::string& parent, absl::string_view key, absl::string_view platform);
void ForgetChoice(const std::string& parent);

}  // namespace runsc

#endif  // RUNSC_CPP_SELECTION_CACHE_H_
