#include "runsc-cpp/cmd/log_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "runsc-cpp/oci/quote.h"

namespace runsc {
namespace {

const char* LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

// Go's %q.
std::string TextQuote(std::string_view text) {
  static constexpr std::string_view kSpecial = "\a\b\f\n\r\t\v\"\\", kLetters = "abfnrtv\"\\";
  std::string out = "\"";
  while (!text.empty()) {
    const size_t length = oci::Utf8Length(text);
    const char c = text[0];
    if (length > 1) {
      out.append(text.data(), length);
    } else if (const size_t at = kSpecial.find(c); at != kSpecial.npos) {
      out += {'\\', kLetters[at]};
    } else if (length == 0 || absl::ascii_iscntrl(c)) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out + "\"";
}

// logrus leaves a word as it is.
std::string TextValue(absl::string_view text) {
  for (const char c : text) {
    if (!absl::ascii_isalnum(c) && absl::string_view("-._/@^+").find(c) == absl::string_view::npos) {
      return TextQuote({text.data(), text.size()});
    }
  }
  return std::string(text);
}

}  // namespace

absl::StatusOr<LogFormat> ParseLogFormat(absl::string_view text) {
  if (text.empty() || text == "text") return LogFormat::kText;
  if (text == "json") return LogFormat::kJson;
  return absl::InvalidArgumentError(absl::StrCat("invalid log-format: ", text));
}

std::string FormatTime3339(time_t time) {
  tm parts = {};
  localtime_r(&time, &parts);
  std::string text = absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02d", parts.tm_year + 1900, parts.tm_mon + 1,
                                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
  const long minutes = parts.tm_gmtoff / 60;
  if (minutes == 0) return text + "Z";
  const long size = minutes < 0 ? -minutes : minutes;
  absl::StrAppendFormat(&text, "%c%02d:%02d", minutes < 0 ? '-' : '+', size / 60, size % 60);
  return text;
}

std::string FormatLogLine(LogFormat format, LogLevel level, time_t time, absl::string_view message) {
  const std::string when = FormatTime3339(time);
  if (format == LogFormat::kJson) {
    return absl::StrCat("{\"level\":\"", LevelName(level),
                        "\",\"msg\":", oci::QuoteJson({message.data(), message.size()}), ",\"time\":\"", when, "\"}\n");
  }
  const std::string msg = message.empty() ? "" : absl::StrCat(" msg=", TextValue(message));
  return absl::StrCat("time=\"", when, "\" level=", LevelName(level), msg, "\n");
}

absl::StatusOr<LogFile> LogFile::Open(const std::string& path, LogFormat format, LogLevel threshold) {
  LogFile log;
  log.format_ = format;
  log.threshold_ = threshold;
  if (path.empty()) return log;
  log.fd_.reset(open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_SYNC | O_CLOEXEC, 0644));
  if (!log.fd_) {
    return absl::Status(absl::ErrnoToStatusCode(errno), absl::StrCat("open ", path, ": ", strerror(errno)));
  }
  return log;
}

void LogFile::Write(LogLevel level, absl::string_view message) const {
  if (level < threshold_) return;
  const std::string line = FormatLogLine(format_, level, time(nullptr), message);
  (void)!write(fd_ ? fd_.get() : STDERR_FILENO, line.data(), line.size());
}

}  // namespace runsc
