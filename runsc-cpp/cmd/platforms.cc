#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/cmd/command.h"

namespace runsc {
namespace {

constexpr int kSysemu = 31;  // PTRACE_SYSEMU

// Whether a child can be run under SYSEMU: stops it at its first system call.
std::string TryPtrace() {
  const pid_t child = fork();
  if (child < 0) return absl::StrCat("no: fork: ", strerror(errno));
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0) _exit(1);
    raise(SIGSTOP);
    (void)getppid();
    _exit(2);
  }
  int status = 0;
  waitpid(child, &status, 0);
  std::string answer = "yes";
  if (!WIFSTOPPED(status)) {
    answer = "no: ptrace is not permitted here";
  } else if (ptrace(static_cast<__ptrace_request>(kSysemu), child, 0, 0) != 0) {
    answer = absl::StrCat("no: PTRACE_SYSEMU: ", strerror(errno));
  } else if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) {
    answer = "no: PTRACE_SYSEMU does not stop at system calls";
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return answer;
}

}  // namespace

int PlatformsCommand(int argc, char**) {
  if (argc != 0) return Fail("platforms", "takes no arguments");
  Print(absl::StrCat("ptrace   ", TryPtrace(), " (works everywhere; the default)\n"));
  return 0;
}

}  // namespace runsc
