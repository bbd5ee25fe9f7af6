#include "runsc-cpp/shim/command.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"

namespace runsc::shim {
namespace {

void ResetSignals() {
  for (int signo = 1; signo < NSIG; ++signo) signal(signo, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

// Between fork and execve; errno tells what failed.
void Become(const Command& command, char* const* argv, char* const* environment) {
  ResetSignals();
  if (command.own_session)
    setsid();
  else
    setpgid(0, 0);
  if (command.tie == Tie::kDiesWithShim) prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int first_free = std::max<int>(static_cast<int>(command.fds.size()), 3);
  std::vector<int> high;
  for (const int fd : command.fds) {
    high.push_back(fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, first_free) : open("/dev/null", O_RDWR | O_CLOEXEC));
  }
  while (high.size() < 3) high.push_back(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (size_t i = 0; i < high.size(); ++i) {
    const int target = static_cast<int>(i);
    if (high[i] < 0) return;
    if (high[i] == target)
      fcntl(target, F_SETFD, 0);
    else if (dup2(high[i], target) < 0)
      return;
  }
  if (!command.directory.empty() && chdir(command.directory.c_str()) != 0) return;
  if (environment != nullptr) environ = const_cast<char**>(environment);
  execvp(command.program.c_str(), argv);
}

}  // namespace

absl::StatusOr<pid_t> Spawn(const Command& command) {
  const std::vector<char*> argv = Pointers(command.argv);
  std::vector<char*> environment;
  if (command.environment) environment = Pointers(*command.environment);
  int pipes[2];
  if (pipe2(pipes, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  const base::UniqueFd trouble(pipes[0]);
  base::UniqueFd teller(pipes[1]);
  const pid_t pid = fork();
  if (pid < 0) return absl::ErrnoToStatus(errno, "fork");
  if (pid == 0) {
    // Out of the way of the descriptors to be.
    const int high = fcntl(teller.get(), F_DUPFD_CLOEXEC, 64);
    Become(command, argv.data(), command.environment ? environment.data() : nullptr);
    const int error = errno;
    (void)!write(high, &error, sizeof error);
    _exit(127);
  }
  teller.reset();
  int error;
  if (read(trouble.get(), &error, sizeof error) != static_cast<ssize_t>(sizeof error)) return pid;
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return absl::ErrnoToStatus(error, absl::StrCat("exec ", command.program));
}

absl::StatusOr<base::UniqueFd> MemoryFile(absl::string_view text) {
  base::UniqueFd fd(memfd_create("shim", MFD_CLOEXEC));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "memfd_create");
  while (!text.empty()) {
    const ssize_t n = write(fd.get(), text.data(), text.size());
    if (n < 0) return absl::ErrnoToStatus(errno, "a file in memory");
    text.remove_prefix(static_cast<size_t>(n));
  }
  lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

std::string ReadWhole(int fd, size_t limit) {
  std::string text;
  char buffer[16 << 10];
  ssize_t n;
  while (text.size() < limit &&
         (n = pread(fd, buffer, std::min(sizeof buffer, limit - text.size()), static_cast<off_t>(text.size()))) > 0) {
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t limit) {
  const base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("open ", path));
  std::string text = ReadWhole(fd.get(), limit + 1);
  if (text.size() > limit) return absl::ResourceExhaustedError(absl::StrCat(path, ": longer than ", limit, " bytes"));
  return text;
}

absl::Status WriteFile(const std::string& path, absl::string_view text, mode_t mode) {
  const std::string temporary = path + ".new";
  const base::UniqueFd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("open ", temporary));
  if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(temporary.c_str());
    return absl::ErrnoToStatus(error, absl::StrCat("write ", path));
  }
  return absl::OkStatus();
}

}  // namespace runsc::shim
