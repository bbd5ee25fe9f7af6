#include "runsc-cpp/cgroup/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/unique_fd.h"

namespace runsc::cgroup {
namespace {

using base::UniqueFd;

// memory.numa_stat of a host with a thousand nodes is far below.
constexpr size_t kMaxFileBytes = 4 << 20;
constexpr char kErrnoPayload[] = "runsc-cpp/errno";

absl::Status CheckName(absl::string_view name) {
  if (!name.empty() && name != "." && name != ".." && name.find('/') == name.npos && name.find('\0') == name.npos) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is not the name of a cgroup file"));
}

std::string Join(const std::string& dir, absl::string_view name) { return absl::StrCat(dir, "/", name); }

}  // namespace

absl::Status ErrnoError(int error, absl::string_view what) {
  absl::Status status(absl::ErrnoToStatusCode(error), absl::StrCat(what, ": ", strerror(error)));
  status.SetPayload(kErrnoPayload, absl::Cord(absl::StrCat(error)));
  return status;
}

int ErrnoOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kErrnoPayload);
  int error = 0;
  if (payload) (void)!absl::SimpleAtoi(std::string(*payload), &error);
  return error;
}

absl::Status AddContext(const absl::Status& status, absl::string_view before) {
  absl::Status with(status.code(), absl::StrCat(before, ": ", status.message()));
  if (const auto payload = status.GetPayload(kErrnoPayload)) with.SetPayload(kErrnoPayload, *payload);
  return with;
}

absl::Status WriteFile(const std::string& dir, absl::string_view name, absl::string_view value) {
  if (absl::Status s = CheckName(name); !s.ok()) return s;
  const std::string path = Join(dir, name);
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return ErrnoError(errno, absl::StrCat("open ", path, " to write \"", value, "\""));
  ssize_t n;
  do {
    n = write(fd.get(), value.data(), value.size());
  } while (n < 0 && errno == EINTR);
  if (n < 0) return ErrnoError(errno, absl::StrCat("write \"", value, "\" to ", path));
  if (static_cast<size_t>(n) != value.size()) {
    return ErrnoError(EIO, absl::StrCat("write \"", value, "\" to ", path, ": only ", n, " bytes taken"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadFile(const std::string& dir, absl::string_view name) {
  if (absl::Status s = CheckName(name); !s.ok()) return s;
  const std::string path = Join(dir, name);
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return ErrnoError(errno, absl::StrCat("open ", path));
  std::string text;
  char bytes[4096];
  while (true) {
    const ssize_t n = read(fd.get(), bytes, sizeof bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, absl::StrCat("read ", path));
    if (n == 0) return text;
    if (text.size() + n > kMaxFileBytes) return ErrnoError(EFBIG, absl::StrCat("read ", path));
    text.append(bytes, n);
  }
}

absl::StatusOr<uint64_t> ParseUint(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  if (text == "max") return std::numeric_limits<uint64_t>::max();
  uint64_t value;
  if (absl::SimpleAtoi(text, &value)) return value;
  int64_t negative;
  if (absl::SimpleAtoi(text, &negative) && negative < 0) return 0;
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is not a number"));
}

absl::StatusOr<uint64_t> ReadUint(const std::string& dir, absl::string_view name) {
  const auto text = ReadFile(dir, name);
  if (!text.ok()) return text.status();
  auto value = ParseUint(*text);
  if (!value.ok()) return AddContext(value.status(), absl::StrCat("read ", Join(dir, name)));
  return value;
}

absl::Status ForEachKey(const std::string& dir, absl::string_view name,
                        absl::FunctionRef<void(absl::string_view, uint64_t)> each) {
  const auto text = ReadFile(dir, name);
  if (!text.ok()) return text.status();
  for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> words = absl::StrSplit(line, absl::MaxSplits(' ', 1));
    const auto value = ParseUint(words.second);
    if (!value.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("read ", Join(dir, name), ": not \"key number\": \"", line, "\""));
    }
    each(words.first, *value);
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> ReadKey(const std::string& dir, absl::string_view name, absl::string_view key) {
  uint64_t found = 0;
  const absl::Status s = ForEachKey(dir, name, [&](absl::string_view k, uint64_t value) {
    if (k == key) found = value;
  });
  if (!s.ok()) return s;
  return found;
}

bool Exists(const std::string& path) {
  struct stat st;
  return stat(path.c_str(), &st) == 0;
}

absl::Status MakeDirectories(const std::string& path, std::vector<std::string>& made) {
  for (size_t end = 1; end != path.npos;) {
    end = path.find('/', end);
    const std::string upto = path.substr(0, end);
    if (end != path.npos) ++end;
    if (upto.empty() || upto.back() == '/') continue;
    if (mkdir(upto.c_str(), 0755) == 0) {
      made.push_back(upto);
    } else if (errno != EEXIST && !(errno == EROFS && Exists(upto))) {
      return ErrnoError(errno, absl::StrCat("mkdir ", upto));
    }
  }
  return absl::OkStatus();
}

absl::Status JoinProcess(const std::string& dir, pid_t pid) {
  constexpr int kTries = 5;
  constexpr useconds_t kPauseUs = 30'000;
  for (int i = 0;; ++i) {
    const absl::Status s = WriteFile(dir, "cgroup.procs", absl::StrCat(pid));
    if (s.ok() || ErrnoOf(s) != EINVAL || i + 1 == kTries) return s;
    usleep(kPauseUs);
  }
}

}  // namespace runsc::cgroup
