#include "runsc-cpp/sandbox/reexec.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "runsc-cpp/sandbox/launch.h"

namespace runsc {

uint32_t DescriptorPlan::Add(int fd) {
  fds_.push_back(fd);
  return kConfigFd + static_cast<uint32_t>(fds_.size()) - 1;
}

std::vector<uint32_t> DescriptorPlan::AddAll(const std::vector<base::UniqueFd>& list) {
  std::vector<uint32_t> numbers;
  for (const base::UniqueFd& fd : list) numbers.push_back(Add(fd.get()));
  return numbers;
}

pid_t ForkWith(uint64_t flags) {
  return static_cast<pid_t>(syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

void ResetSignals() {
  for (const int signo : {SIGINT, SIGQUIT, SIGHUP}) {
    signal(signo, SIG_IGN);
    signal(signo, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

absl::StatusOr<SelfFiles> OpenSelf() {
  SelfFiles files;
  files.binary.reset(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  if (!files.binary.valid()) return absl::ErrnoToStatus(errno, "open /proc/self/exe (is /proc mounted?)");
  files.null.reset(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!files.null.valid()) return absl::ErrnoToStatus(errno, "open /dev/null");
  return files;
}

void ExecSelf(const SelfFiles& files, const char* title, const char* verb, int config_fd, const DescriptorPlan& plan) {
  std::vector<int> fds = plan.fds();
  fds[0] = config_fd;
  const int base = kConfigFd + static_cast<int>(fds.size());
  const int self = fcntl(files.binary.get(), F_DUPFD_CLOEXEC, base);
  const int null = fcntl(files.null.get(), F_DUPFD_CLOEXEC, base);
  std::vector<int> high;
  for (const int fd : fds) high.push_back(fcntl(fd, F_DUPFD_CLOEXEC, base));
  for (size_t i = 0; i < high.size(); ++i) dup2(high[i], kConfigFd + static_cast<int>(i));
  for (int fd = 0; fd <= 2; ++fd) dup2(null, fd);
  syscall(SYS_close_range, base, ~0u, CLOSE_RANGE_CLOEXEC);
  const char* argv[] = {title, verb, nullptr};
  const char* envp[] = {nullptr};
  syscall(SYS_execveat, self, "", argv, envp, AT_EMPTY_PATH);
  _exit(125);
}

}  // namespace runsc
