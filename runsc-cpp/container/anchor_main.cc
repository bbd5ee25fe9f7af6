// The anchor's life: signals and window sizes go to the sentry, the guest's end comes back.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "runsc-cpp/container/anchor.h"
#include "runsc-cpp/container/anchor_fds.h"
#include "runsc-cpp/postmortem/post_mortem.h"
#include "runsc-cpp/sandbox/link.h"

namespace runsc {
namespace {

constexpr int kSandboxLost = 137;  // as if by SIGKILL, which it was for the guest

// What ps shows without arguments: the program's name.
void TakeName() {
  char line[256] = {};
  FILE* file = fopen("/proc/self/cmdline", "re");
  if (file == nullptr) return;
  (void)!fread(line, 1, sizeof line - 1, file);
  fclose(file);
  const std::string program = line;
  prctl(PR_SET_NAME, program.substr(program.rfind('/') + 1).c_str(), 0, 0, 0);
}

void SendWindowSize() {
  winsize size;
  if (ioctl(kAnchorTerminalFd, TIOCGWINSZ, &size) != 0) return;
  SendLink(kAnchorLinkFd, {LinkMessageType::kWindowSize, uint32_t{size.ws_row} << 16 | size.ws_col, ""});
}

// For whoever asks why the container ended.
void NoteSender(const signalfd_siginfo& info, PostMortem& end) {
  end.set_host_signal(static_cast<int>(info.ssi_signo));
  char name[32] = {};
  const std::string path = absl::StrCat("/proc/", info.ssi_pid, "/comm");
  const base::UniqueFd comm(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const ssize_t n = comm.valid() ? read(comm.get(), name, sizeof name) : 0;
  const std::string who(name, n > 1 ? static_cast<size_t>(n) - 1 : 0);
  end.set_host_sender(absl::StrCat(who.empty() ? "a process that is gone" : who, " (pid ", info.ssi_pid, ")"));
}

void OnSignals(int signals, PostMortem& end) {
  signalfd_siginfo info;
  while (read(signals, &info, sizeof info) == sizeof info) {
    const int signo = static_cast<int>(info.ssi_signo);
    // The terminal's own: its hang-up reaches the guest by the guest's terminal.
    if (info.ssi_code == SI_KERNEL && signo != SIGWINCH) continue;
    if (signo == SIGWINCH) {
      SendWindowSize();
    } else if (signo != SIGCHLD) {
      NoteSender(info, end);
      SendLink(kAnchorLinkFd, {LinkMessageType::kSignal, static_cast<uint32_t>(signo), ""});
    }
  }
}

// The exit code, once the guest has ended.
std::optional<int> OnLink(PostMortem& end) {
  std::optional<LinkMessage> message = ReceiveLink(kAnchorLinkFd);
  if (!message || message->type == LinkMessageType::kDied) {
    end.set_cause(message ? PostMortem::SANDBOX_DIED : PostMortem::SANDBOX_LOST);
    if (message) end.set_text(std::move(message->text));
    return kSandboxLost;
  }
  if (message->type != LinkMessageType::kExited) return std::nullopt;
  end.set_cause(PostMortem::ENDED);
  end.set_told(std::move(message->text));
  return static_cast<int>(message->value & 0xff);
}

// Who waits for this process finds it then.
void LeaveEnd(PostMortem& end, int code) {
  if (fcntl(kAnchorDirectoryFd, F_GETFD) < 0) return;
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  end.set_ended_ns(int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
  end.set_code(code);
  (void)WritePostMortem(kAnchorDirectoryFd, kEndFile, end);
}

}  // namespace

int AnchorMain() {
  TakeName();
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  PostMortem end;
  const int signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
  while (true) {
    pollfd fds[2] = {{kAnchorLinkFd, POLLIN, 0}, {signals, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) continue;
    if (fds[1].revents != 0) OnSignals(signals, end);
    if (fds[0].revents == 0) continue;
    const std::optional<int> code = OnLink(end);
    if (!code) continue;
    LeaveEnd(end, *code);
    return *code;
  }
}

}  // namespace runsc
