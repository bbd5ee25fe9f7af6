#include "sentry/loader/script.h"

namespace sentry {
namespace {
constexpr std::string_view kBlanks = " \t";
}  // namespace

base::Result<ScriptLine> ParseScriptLine(std::string_view head) {
  if (!head.starts_with("#!")) return base::Errno::kENOEXEC;
  head.remove_prefix(2);
  const size_t newline = head.find('\n');
  const bool whole = newline != std::string_view::npos || head.size() + 2 < kScriptHeadSize;
  std::string_view line = head.substr(0, newline);
  line = line.substr(0, line.find('\0'));
  const size_t start = line.find_first_not_of(kBlanks);
  if (start == std::string_view::npos) return base::Errno::kENOEXEC;
  line.remove_prefix(start);
  const size_t name_end = line.find_first_of(kBlanks);
  // Without a blank or newline the name itself may be cut.
  if (name_end == std::string_view::npos && !whole) return base::Errno::kENOEXEC;
  ScriptLine script;
  script.interpreter = std::string(line.substr(0, name_end));
  if (name_end == std::string_view::npos) return script;
  line.remove_prefix(name_end);
  const size_t first = line.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return script;
  const size_t last = line.find_last_not_of(kBlanks);
  script.argument = std::string(line.substr(first, last - first + 1));
  return script;
}

}  // namespace sentry
