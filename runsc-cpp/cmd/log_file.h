// runc's log, which shims read for the cause of a failure:
// --log FILE --log-format text|json --debug.
#ifndef RUNSC_CPP_CMD_LOG_FILE_H_
#define RUNSC_CPP_CMD_LOG_FILE_H_

#include <time.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace runsc {

enum class LogFormat { kText, kJson };
// Ascending; those below a file's threshold are not written.
enum class LogLevel { kDebug, kInfo, kWarning, kError };

// "text" (also for ""), "json"; else runc's error.
absl::StatusOr<LogFormat> ParseLogFormat(absl::string_view text);

// One line with its newline, as logrus writes it.
//   text: time="2026-01-02T15:04:05+01:00" level=error msg="no such file"
//   json: {"level":"error","msg":"no such file","time":"2026-01-02T15:04:05+01:00"}
std::string FormatLogLine(LogFormat format, LogLevel level, time_t time, absl::string_view message);

// RFC 3339, in the local time zone.
std::string FormatTime3339(time_t time);

class LogFile {
 public:
  // Writes to standard error.
  LogFile() = default;
  // Appends to `path`, which is made if it is not there. An empty path is
  // standard error.
  static absl::StatusOr<LogFile> Open(const std::string& path, LogFormat format, LogLevel threshold);

  // Each call is one write, so that lines of several processes do not mix. An
  // error of the write has nowhere to go.
  void Write(LogLevel level, absl::string_view message) const;
  bool is_file() const { return fd_.valid(); }

 private:
  base::UniqueFd fd_;
  LogFormat format_ = LogFormat::kText;
  LogLevel threshold_ = LogLevel::kInfo;
};

}  // namespace runsc

#endif  // RUNSC_CPP_CMD_LOG_FILE_H_
