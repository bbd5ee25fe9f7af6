#include "runsc-cpp/doctor/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/unique_fd.h"

namespace runsc {
namespace {

constexpr size_t kMostText = 64 << 10;

absl::StatusOr<pid_t> Start(const std::vector<std::string>& argv, int out) {
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, out, 1);
  posix_spawn_file_actions_adddup2(&files, out, 2);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t pid;
  const int error = posix_spawn(&pid, words[0], &files, &attributes, words.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return absl::ErrnoToStatus(error, absl::StrCat("run ", argv[0]));
  return pid;
}

// False: the time is over. What a daemon still holds open is not waited for once the program has ended.
bool Listen(int in, pid_t pid, int timeout_ms, std::string& text, int& status) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  constexpr int kLookMs = 20;
  bool ended = false;
  while (true) {
    pollfd entry{in, POLLIN, 0};
    char part[4096];
    ssize_t n = -1;
    if (poll(&entry, 1, ended ? 0 : kLookMs) > 0) n = read(in, part, sizeof part);
    if (n > 0) text.append(part, static_cast<size_t>(n));
    if (text.size() > kMostText) text.resize(kMostText);
    if (ended && n <= 0) return true;
    if (n == 0) usleep(kLookMs * 1000);
    if (!ended) ended = waitpid(pid, &status, WNOHANG) == pid;
    if (!ended && std::chrono::steady_clock::now() > end) return false;
  }
}

}  // namespace

std::string FindProgram(const std::string& name) {
  const char* path = getenv("PATH");
  const std::string folders =
      absl::StrCat(path == nullptr ? "" : path, ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin");
  for (const absl::string_view folder : absl::StrSplit(folders, ':', absl::SkipEmpty())) {
    const std::string candidate = absl::StrCat(folder, "/", name);
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

absl::StatusOr<Said> RunProgram(const std::vector<std::string>& argv, int timeout_ms) {
  int pipes[2];
  if (pipe2(pipes, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  const base::UniqueFd in(pipes[0]);
  base::UniqueFd out(pipes[1]);
  const absl::StatusOr<pid_t> pid = Start(argv, out.get());
  if (!pid.ok()) return pid.status();
  out.reset();
  Said said;
  int status = 0;
  if (!Listen(in.get(), *pid, timeout_ms, said.text, status)) {
    kill(-*pid, SIGKILL);
    waitpid(*pid, &status, 0);
    return absl::DeadlineExceededError(absl::StrCat(argv[0], " did not end in ", timeout_ms / 1000, " s"));
  }
  said.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return said;
}

std::string LastLine(const std::string& text) {
  std::string last;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const absl::string_view words = absl::StripAsciiWhitespace(line);
    if (!words.empty()) last = std::string(words);
  }
  return last;
}

}  // namespace runsc
