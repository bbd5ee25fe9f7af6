#include "runsc-cpp/sandbox/supervise.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/sandbox/debug_socket.h"
#include "runsc-cpp/sandbox/link.h"

namespace runsc {

namespace control = sentry::control;

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

// As env(1) and sh(1) say it: 127 not found, 126 not executable.
int ComplainOfProgram(const std::string& command, int error) {
  const bool missing = error == ENOENT;
  const char* hint = "";
  if (missing && command.find('/') == std::string::npos) hint = " (looked for it in PATH, inside the sandbox)";
  if (missing && command.find('/') != std::string::npos) hint = " (the file, or the interpreter that it names)";
  if (error == ENOEXEC) hint = " (neither an x86-64 ELF program nor a script with a #! line)";
  Complain(absl::StrCat(command, ": ", strerror(error), hint));
  return missing ? 127 : 126;
}

class Supervisor {
 public:
  explicit Supervisor(SandboxRun run)
      : run_(std::move(run)), client_(std::move(run_.sentry.control)), debug_(DebugSocket::Listen()) {
    sigset_t set;
    sigfillset(&set);
    signals_ = base::UniqueFd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  }

  int Run() {
    Start();
    while (!code_) Step();
    Finish();
    return *code_;
  }

 private:
  void Start() {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return EndBecause("no socketpair");
    link_ = base::UniqueFd(pair[0]);
    base::UniqueFd theirs(pair[1]);
    control::Request create, start;
    control::Container& container = *create.mutable_create()->mutable_container();
    container.Swap(&run_.container);
    container.set_gofer_memory_fd(run_.fds.Add(run_.gofer.client.memory.get()));
    for (const base::UniqueFd& fd : run_.gofer.client.sockets) {
      container.add_gofer_socket_fds(run_.fds.Add(fd.get()));
    }
    container.mutable_process()->set_link_fd(run_.fds.Add(theirs.get()));
    start.mutable_start()->set_id(container.id());
    const std::string command = container.process().args(0), cwd = container.process().cwd();
    if (!Ask(create, command, cwd)) return;
    // What the sentry has now must end with it.
    theirs.reset();
    run_.gofer.client = {};
    run_.fds = {};
    Ask(start, command, cwd);
  }

  // False: it was refused, which was told.
  bool Ask(const control::Request& request, const std::string& command, const std::string& cwd) {
    const absl::StatusOr<control::Response> response = client_.Call(request, run_.fds);
    if (!response.ok()) {
      const std::string why = WhySentryFailed(run_.sentry);
      if (!code_) Complain(absl::StrCat("the sandbox did not start: ", why));
      code_ = kRuntimeFailure;
      return false;
    }
    if (response->error() == 0) return true;
    code_ = kRuntimeFailure;
    if (response->stage() == control::Response::PROGRAM) {
      code_ = ComplainOfProgram(command, response->error());
    } else if (response->stage() == control::Response::CWD) {
      Complain(absl::StrCat("--cwd ", cwd, ": ", strerror(response->error()), " inside the sandbox"));
    } else {
      Complain(response->message());
    }
    return false;
  }

  void Step() {
    pollfd fds[3] = {{link_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}, {debug_.fd(), POLLIN, 0}};
    if (poll(fds, 3, -1) < 0) return;
    // The sentry's last words come before the news of its death.
    if (fds[0].revents != 0) OnLink();
    if (fds[1].revents != 0) OnSignals();
    if (fds[2].revents != 0) debug_.Serve([this] { return Unimplemented(); });
  }

  std::string Unimplemented() {
    control::Request request;
    request.mutable_unimplemented();
    const absl::StatusOr<control::Response> response = client_.Call(request);
    return response.ok() ? response->text() : "";
  }

  bool Send(LinkMessageType type, uint32_t value) { return SendLink(link_.get(), {type, value, ""}); }

  void OnLink() {
    const std::optional<LinkMessage> message = ReceiveLink(link_.get());
    if (!message) {
      if (!code_) EndBecause(SentryEnd());
    } else if (message->type == LinkMessageType::kExited) {
      code_ = static_cast<int>(message->value);
    } else if (message->type == LinkMessageType::kDied) {
      EndBecause(message->text);
    }
  }

  void OnSignals() {
    signalfd_siginfo info;
    while (read(signals_.get(), &info, sizeof info) == sizeof info) {
      const int signo = static_cast<int>(info.ssi_signo);
      if (signo == SIGCHLD) {
        OnChild();
      } else if (signo == SIGWINCH) {
        Send(LinkMessageType::kWindowSize, 0);
      } else {
        for (const int forwarded : kForwarded) {
          if (signo == forwarded && !IsIgnored(signo)) Send(LinkMessageType::kSignal, static_cast<uint32_t>(signo));
        }
      }
    }
  }

  void OnChild() {
    int status;
    if (!gofer_status_ && waitpid(run_.gofer.pid, &status, WNOHANG) == run_.gofer.pid) {
      gofer_status_ = status;
      // With status 0 it ends because the sentry has, which is the cause to tell. Of its death the sentry
      // speaks too; this is for when it can't.
      if (status != 0) EndBecause(absl::StrCat("the gofer ", StatusWords(status)));
    }
    if (!netgofer_status_ && waitpid(run_.netgofer, &status, WNOHANG) == run_.netgofer) {
      netgofer_status_ = status;
      if (status != 0) EndBecause(absl::StrCat("the netgofer ", StatusWords(status)));
    }
    if (!sentry_status_ && waitpid(run_.sentry.pid, &status, WNOHANG) == run_.sentry.pid) {
      sentry_status_ = status;
      while (!code_) OnLink();
    }
  }

  std::string SentryEnd() {
    int status = 0;
    if (!netgofer_status_ && waitpid(run_.netgofer, &status, WNOHANG) == run_.netgofer) {
      netgofer_status_ = status;
      if (status != 0) EndBecause(absl::StrCat("the netgofer ", StatusWords(status)));
    }
    if (!sentry_status_ && waitpid(run_.sentry.pid, &status, 0) == run_.sentry.pid) sentry_status_ = status;
    return absl::StrCat("the sentry ", StatusWords(sentry_status_.value_or(0)));
  }

  void EndBecause(std::string_view cause) {
    if (code_) return;
    Complain(absl::StrCat("the sandbox has ended: ", absl::string_view(cause.data(), cause.size())));
    code_ = kRuntimeFailure;
  }

  // All processes end by themselves; one that does not is killed. The kernel
  // ends the sentry's stubs with it, which are in its pid namespace.
  void Finish() {
    link_.reset();
    client_ = ControlClient(base::UniqueFd());
    run_.gofer.client = {};
    Reap(run_.sentry.pid, sentry_status_);
    Reap(run_.gofer.pid, gofer_status_);
    Reap(run_.netgofer, netgofer_status_);
  }

  void Reap(pid_t pid, std::optional<int>& status) {
    int value = 0;
    for (int waited = 0; pid > 0 && !status && waited < kGraceMs; waited += 1) {
      if (waitpid(pid, &value, WNOHANG) == pid) {
        status = value;
        return;
      }
      const timespec pause{0, 1'000'000};
      nanosleep(&pause, nullptr);
    }
    if (status || pid <= 0) return;
    kill(pid, SIGKILL);
    if (waitpid(pid, &value, 0) == pid) status = value;
  }

  SandboxRun run_;
  ControlClient client_;
  base::UniqueFd link_;
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

int Supervise(SandboxRun run) { return Supervisor(std::move(run)).Run(); }

}  // namespace runsc
