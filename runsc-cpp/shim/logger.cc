#include "runsc-cpp/shim/logger.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runsc-cpp/shim/command.h"

namespace runsc::shim {
namespace {

constexpr absl::string_view kScheme = "binary://";
constexpr int kReadyMs = 10'000;

// "%2F" and "+".
absl::StatusOr<std::string> Unescape(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i] == '+' ? ' ' : text[i]);
      continue;
    }
    uint32_t byte;
    if (i + 2 >= text.size() || !absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 1])) ||
        !absl::SimpleHexAtoi(text.substr(i + 1, 2), &byte) || byte == 0) {
      return absl::InvalidArgumentError(absl::StrCat("malformed escape in \"", text, "\""));
    }
    out.push_back(static_cast<char>(byte));
    i += 2;
  }
  return out;
}

}  // namespace

absl::StatusOr<LoggerUri> ParseLoggerUri(const std::string& uri) {
  if (!absl::StartsWith(uri, kScheme)) return absl::InvalidArgumentError(absl::StrCat("no logger: ", uri));
  const std::pair<absl::string_view, absl::string_view> halves =
      absl::StrSplit(absl::string_view(uri).substr(kScheme.size()), absl::MaxSplits('?', 1));
  LoggerUri out;
  absl::StatusOr<std::string> path = Unescape(halves.first);
  if (!path.ok()) return path.status();
  if (path->empty() || path->front() != '/') {
    return absl::InvalidArgumentError(absl::StrCat("the logger's path is not absolute: ", uri));
  }
  out.path = *std::move(path);
  for (const absl::string_view item : absl::StrSplit(halves.second, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> words = absl::StrSplit(item, absl::MaxSplits('=', 1));
    for (const absl::string_view word : {words.first, words.second}) {
      absl::StatusOr<std::string> plain = Unescape(word);
      if (!plain.ok()) return plain.status();
      if (!plain->empty()) out.args.push_back(*std::move(plain));
    }
  }
  return out;
}

absl::Status StartLogger(const std::string& uri, const std::string& id, const std::string& space, int out, int err) {
  const absl::StatusOr<LoggerUri> logger = ParseLoggerUri(uri);
  if (!logger.ok()) return logger.status();
  int pipes[2];
  if (pipe2(pipes, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  const base::UniqueFd ready(pipes[0]);
  base::UniqueFd teller(pipes[1]);
  Command command;
  command.program = logger->path;
  command.argv = {logger->path};
  command.argv.insert(command.argv.end(), logger->args.begin(), logger->args.end());
  command.environment.emplace();
  for (char** entry = environ; *entry != nullptr; ++entry) command.environment->push_back(*entry);
  command.environment->push_back(absl::StrCat("CONTAINER_ID=", id));
  command.environment->push_back(absl::StrCat("CONTAINER_NAMESPACE=", space));
  command.fds = {-1, -1, -1, out, err, teller.get()};
  command.tie = Tie::kNone;  // it ends with the pipes
  const absl::StatusOr<pid_t> pid = Spawn(command);
  if (!pid.ok()) return pid.status();
  teller.reset();
  pollfd poll_ready = {ready.get(), POLLIN, 0};
  if (poll(&poll_ready, 1, kReadyMs) != 1) {
    return absl::DeadlineExceededError(absl::StrCat("the logger ", logger->path, " was not ready within 10 seconds"));
  }
  return absl::OkStatus();
}

}  // namespace runsc::shim
