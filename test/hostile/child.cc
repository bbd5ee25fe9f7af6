#include "test/hostile/child.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/hostile/output.h"

namespace hostile {

std::string Await(pid_t pid) {
  constexpr int kPatienceMs = 20'000;
  int status = 0;
  for (int ms = 0; waitpid(pid, &status, WNOHANG) == 0; ms++) {
    if (ms == kPatienceMs) {
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      return "hang";
    }
    const timespec pause = {0, 1'000'000};
    nanosleep(&pause, nullptr);
  }
  return WIFEXITED(status) ? Format("exit %d", WEXITSTATUS(status)) : Format("signal %d", WTERMSIG(status));
}

std::string InChild(const std::function<void()>& body) {
  const pid_t pid = fork();
  if (pid < 0) Die("fork: %m");
  if (pid == 0) {
    body();
    _exit(0);
  }
  return Await(pid);
}

}  // namespace hostile
