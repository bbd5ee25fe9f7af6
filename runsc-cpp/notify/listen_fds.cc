#include <fcntl.h>
#include <stdlib.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/notify/notify.h"

namespace runsc {
namespace {

constexpr int kFirst = 3;        // SD_LISTEN_FDS_START
constexpr int kMaxCount = 1024;  // far above what a unit lists

bool ReadNumber(const char* name, int& value) {
  const char* const text = getenv(name);
  return text != nullptr && absl::SimpleAtoi(text, &value);
}

}  // namespace

absl::StatusOr<ListenFds> ReadListenFds(pid_t pid) {
  ListenFds fds;
  int for_pid, count;
  if (!ReadNumber("LISTEN_PID", for_pid) || for_pid != pid || !ReadNumber("LISTEN_FDS", count) || count <= 0) {
    return fds;
  }
  if (count > kMaxCount) return absl::InvalidArgumentError(absl::StrCat("LISTEN_FDS=", count, " is too many"));
  for (int fd = kFirst; fd < kFirst + count; ++fd) {
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("LISTEN_FDS=", count, ", but descriptor ", fd, " is not open: ", strerror(errno)));
    }
  }
  fds.count = count;
  fds.environment = {absl::StrCat("LISTEN_FDS=", count), "LISTEN_PID=1"};
  if (const char* const names = getenv("LISTEN_FDNAMES")) {
    fds.environment.push_back(absl::StrCat("LISTEN_FDNAMES=", names));
  }
  return fds;
}

}  // namespace runsc
