// A hook as a child of this process.
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "runsc-cpp/hooks/child.h"
#include "runsc-cpp/hooks/hooks.h"
#include "runsc-cpp/hooks/words.h"

namespace runsc {
namespace {

using base::UniqueFd;

class ChildProcess final : public HookProcess {
 public:
  explicit ChildProcess(pid_t pid) : pid_(pid), pidfd_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}

  int end_fd() const override { return pidfd_.get(); }

  void Kill() override {
    kill(pid_, SIGKILL);
    (void)HowItEnded();
  }

  std::string HowItEnded() override {
    siginfo_t info = {};
    int rc;
    do {
      rc = waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED);
    } while (rc != 0 && errno == EINTR);
    if (rc != 0) return absl::StrCat("wait for a hook: ", LowerFirst(strerror(errno)));
    if (info.si_code != CLD_EXITED) {
      return absl::StrCat("signal: ", LowerFirst(strsignal(info.si_status)),
                          info.si_code == CLD_DUMPED ? " (core dumped)" : "");
    }
    return info.si_status == 0 ? "" : absl::StrCat("exit status ", info.si_status);
  }

 private:
  const pid_t pid_;
  const UniqueFd pidfd_;
};

absl::Status TroubleOf(const oci::Hook& hook, const HookTrouble& why) {
  if (why.step == HookStep::kExec) return HookError(absl::StrCat("fork/exec ", hook.path), why.error);
  const char* const step = why.step == HookStep::kNamespace   ? "enter a namespace for hook "
                           : why.step == HookStep::kDirectory ? "enter the directory for hook "
                                                              : "prepare the descriptors of hook ";
  return HookError(absl::StrCat(step, hook.path), why.error);
}

absl::StatusOr<std::unique_ptr<HookProcess>> StartChild(const oci::Hook& hook, HookStreams streams,
                                                        const HookPlace& place) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return HookError("pipe", errno);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const HookChild child(hook, place);
  const pid_t pid = fork();
  if (pid < 0) return HookError(absl::StrCat("fork/exec ", hook.path), errno);
  if (pid == 0) child.Run(streams, write_end.get());
  auto process = std::make_unique<ChildProcess>(pid);
  write_end.reset();
  // Closed by execve; else it says what went wrong.
  HookTrouble why = {};
  ssize_t n;
  do {
    n = read(read_end.get(), &why, sizeof why);
  } while (n < 0 && errno == EINTR);
  if (n != sizeof why) return process;
  (void)process->HowItEnded();
  return TroubleOf(hook, why);
}

}  // namespace

HookStarter OnHost(HookPlace place) {
  return [place = std::move(place)](const oci::Hook& hook, HookStreams streams) {
    return StartChild(hook, streams, place);
  };
}

}  // namespace runsc
