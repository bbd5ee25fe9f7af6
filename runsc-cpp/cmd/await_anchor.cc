#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "runsc-cpp/cmd/oci_command.h"

namespace runsc {

int AwaitAnchor(pid_t anchor) {
  sigset_t all;
  sigfillset(&all);
  const base::UniqueFd signals(signalfd(-1, &all, SFD_CLOEXEC));
  while (true) {
    int status;
    if (waitpid(anchor, &status, WNOHANG) == anchor) {
      return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    signalfd_siginfo info;
    if (read(signals.get(), &info, sizeof info) != sizeof info) continue;
    const int signo = static_cast<int>(info.ssi_signo);
    // SIGURG is of Go's runtime, for whose programs this stands in.
    if (signo != SIGCHLD && signo != SIGURG) kill(anchor, signo);
  }
}

}  // namespace runsc
