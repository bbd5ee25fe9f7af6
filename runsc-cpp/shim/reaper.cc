#include "runsc-cpp/shim/reaper.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <cerrno>
#include <utility>

namespace runsc::shim {

absl::Status Reaper::Start() {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  signals_.reset(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.valid()) return absl::ErrnoToStatus(errno, "signalfd");
  return loop_.Watch(signals_.get(), EPOLLIN, [this](uint32_t) {
    signalfd_siginfo info;
    while (read(signals_.get(), &info, sizeof info) > 0) {
    }
    ReapAll();
  });
}

void Reaper::Watch(pid_t pid, OnEnd on_end) {
  const auto ended = early_.find(pid);
  if (ended == early_.end()) {
    watched_[pid] = std::move(on_end);
    return;
  }
  const int status = ended->second;
  early_.erase(ended);
  loop_.Post([on_end = std::move(on_end), status] { on_end(status); });
}

void Reaper::ReapAll() {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    const auto found = watched_.find(pid);
    if (found != watched_.end()) {
      loop_.Post([on_end = std::move(found->second), status] { on_end(status); });
      watched_.erase(found);
    } else if (holds_ > 0) {
      early_[pid] = status;
    }
  }
}

uint32_t ExitStatusOf(int wait_status) {
  if (WIFSIGNALED(wait_status)) return 128 + static_cast<uint32_t>(WTERMSIG(wait_status));
  return static_cast<uint32_t>(WEXITSTATUS(wait_status));
}

}  // namespace runsc::shim
