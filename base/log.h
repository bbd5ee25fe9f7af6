// Logging to one descriptor, chosen at start. A line is one write(2), so lines
// of several threads and processes never mix. No file is ever opened here.
#ifndef BASE_LOG_H_
#define BASE_LOG_H_

#include <string_view>

#include "absl/strings/str_format.h"

namespace base {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kFatal };

struct LogConfig {
  int fd = 2;
  LogLevel level = LogLevel::kWarning;
  const char* process = "";  // "sentry", "gofer": stands in each line
};

void SetLogConfig(const LogConfig& config);
bool LogEnabled(LogLevel level);
void LogRaw(LogLevel level, const char* file, int line, std::string_view message);

template <typename... Args>
void LogFormat(LogLevel level, const char* file, int line, const absl::FormatSpec<Args...>& format,
               const Args&... args) {
  LogRaw(level, file, line, absl::StrFormat(format, args...));
}

}  // namespace base

// LOG(kInfo, "stub %d died", pid): the arguments are evaluated only when the
// level is on.
#define LOG(level, ...)                                                              \
  (::base::LogEnabled(::base::LogLevel::level)                                       \
       ? ::base::LogFormat(::base::LogLevel::level, __FILE__, __LINE__, __VA_ARGS__) \
       : (void)0)

#endif  // BASE_LOG_H_
