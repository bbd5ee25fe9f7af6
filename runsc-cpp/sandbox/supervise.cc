#include "runsc-cpp/sandbox/supervise.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/sandbox/control.h"
#include "runsc-cpp/sandbox/debug_socket.h"

namespace runsc {
namespace {

constexpr int kRuntimeFailure = 125;
constexpr int kGraceMs = 500;
// What a caller may send to a program that it runs; all go to the guest.
constexpr int kForwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT};

void Complain(std::string_view text) {
  const std::string line = absl::StrCat("runsc-cpp: ", absl::string_view(text.data(), text.size()), "\n");
  (void)!write(STDERR_FILENO, line.data(), line.size());
}

// The caller's wish, as by nohup(1): the command would have inherited it.
bool IsIgnored(int signo) {
  struct sigaction action;
  return sigaction(signo, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

std::string StatusWords(int status) {
  if (WIFSIGNALED(status)) return absl::StrCat("was killed by signal ", WTERMSIG(status));
  return absl::StrCat("exited with status ", WEXITSTATUS(status));
}

class Supervisor {
 public:
  explicit Supervisor(Sandbox sandbox) : sandbox_(std::move(sandbox)), debug_(DebugSocket::Listen()) {
    sigset_t set;
    sigfillset(&set);
    signals_ = base::UniqueFd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  }

  int Run() {
    while (!code_) Step();
    Finish();
    return *code_;
  }

 private:
  void Step() {
    pollfd fds[3] = {{sandbox_.control.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}, {debug_.fd(), POLLIN, 0}};
    if (poll(fds, 3, -1) < 0) return;
    // The sentry's last words come before the news of its death.
    if (fds[0].revents != 0) OnControl();
    if (fds[1].revents != 0) OnSignals();
    if (fds[2].revents != 0) debug_.Accept([this] { return Send(ControlType::kUnimplemented, 0); });
  }

  bool Send(ControlType type, uint32_t value) { return SendControl(sandbox_.control.get(), {type, value, ""}); }

  void OnControl() {
    const std::optional<ControlMessage> message = ReceiveControl(sandbox_.control.get());
    if (!message) {
      if (!code_) EndBecause(SentryEnd());
      return;
    }
    switch (message->type) {
      case ControlType::kStartFailed:
        Complain(message->text);
        code_ = static_cast<int>(message->value);
        return;
      case ControlType::kExited:
        code_ = static_cast<int>(message->value);
        return;
      case ControlType::kDied:
        EndBecause(message->text);
        return;
      case ControlType::kReport:
        debug_.Answer(message->text);
        return;
      default:
        return;
    }
  }

  void OnSignals() {
    signalfd_siginfo info;
    while (read(signals_.get(), &info, sizeof info) == sizeof info) {
      const int signo = static_cast<int>(info.ssi_signo);
      if (signo == SIGCHLD) {
        OnChild();
      } else if (signo == SIGWINCH) {
        SendWindowSize();
      } else {
        for (const int forwarded : kForwarded) {
          if (signo == forwarded && !IsIgnored(signo)) Send(ControlType::kSignal, static_cast<uint32_t>(signo));
        }
      }
    }
  }

  void OnChild() {
    int status;
    if (!gofer_status_ && waitpid(sandbox_.gofer, &status, WNOHANG) == sandbox_.gofer) {
      gofer_status_ = status;
      // With status 0 it ends because the sentry has, which is the cause to tell. Of its death the sentry
      // speaks too; this is for when it can't.
      if (status != 0) EndBecause(absl::StrCat("the gofer ", StatusWords(status)));
    }
    if (!netgofer_status_ && waitpid(sandbox_.netgofer, &status, WNOHANG) == sandbox_.netgofer) {
      netgofer_status_ = status;
      if (status != 0) EndBecause(absl::StrCat("the netgofer ", StatusWords(status)));
    }
    if (!sentry_status_ && waitpid(sandbox_.sentry, &status, WNOHANG) == sandbox_.sentry) {
      sentry_status_ = status;
      while (!code_) OnControl();
    }
  }

  std::string SentryEnd() {
    int status = 0;
    if (!sentry_status_ && waitpid(sandbox_.sentry, &status, 0) == sandbox_.sentry) sentry_status_ = status;
    return absl::StrCat("the sentry ", StatusWords(sentry_status_.value_or(0)));
  }

  void EndBecause(std::string_view cause) {
    if (code_) return;
    Complain(absl::StrCat("the sandbox has ended: ", absl::string_view(cause.data(), cause.size())));
    code_ = kRuntimeFailure;
  }

  void SendWindowSize() {
    winsize size;
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0) return;
    Send(ControlType::kWindowSize, uint32_t{size.ws_row} << 16 | size.ws_col);
  }

  // All processes end by themselves; one that does not is killed. The kernel
  // ends the sentry's stubs with it, which are in its pid namespace.
  void Finish() {
    sandbox_.control.reset();
    Reap(sandbox_.sentry, sentry_status_);
    Reap(sandbox_.gofer, gofer_status_);
    Reap(sandbox_.netgofer, netgofer_status_);
  }

  void Reap(pid_t pid, std::optional<int>& status) {
    int value = 0;
    for (int waited = 0; !status && waited < kGraceMs; waited += 1) {
      if (waitpid(pid, &value, WNOHANG) == pid) {
        status = value;
        return;
      }
      const timespec pause{0, 1'000'000};
      nanosleep(&pause, nullptr);
    }
    if (status) return;
    kill(pid, SIGKILL);
    if (waitpid(pid, &value, 0) == pid) status = value;
  }

  Sandbox sandbox_;
  base::UniqueFd signals_;
  DebugSocket debug_;
  std::optional<int> code_, sentry_status_, gofer_status_, netgofer_status_;
};

}  // namespace

void BlockSignals() {
  sigset_t set;
  sigfillset(&set);
  // What the terminal does to this process itself, and its own faults.
  for (const int signo : {SIGTSTP, SIGTTIN, SIGTTOU, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS}) {
    sigdelset(&set, signo);
  }
  sigprocmask(SIG_SETMASK, &set, nullptr);
}

int Supervise(Sandbox sandbox) { return Supervisor(std::move(sandbox)).Run(); }

}  // namespace runsc
