// Interpreter scripts: "#! interpreter [argument]" (man 2 execve).
#ifndef SENTRY_LOADER_SCRIPT_H_
#define SENTRY_LOADER_SCRIPT_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sentry {

struct ScriptLine {
  std::string interpreter;
  std::optional<std::string> argument;  // all of the rest, as one
};

// `head`: the file's first 256 bytes (fewer if it is shorter). ENOEXEC: no
// script, or its line is cut off within the interpreter's name.
base::Result<ScriptLine> ParseScriptLine(std::string_view head);
inline constexpr size_t kScriptHeadSize = 256;

}  // namespace sentry

#endif  // SENTRY_LOADER_SCRIPT_H_
