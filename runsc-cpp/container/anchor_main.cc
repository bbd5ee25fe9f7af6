// The anchor's life: signals and window sizes go to the sentry, the guest's end comes back.
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "runsc-cpp/container/anchor.h"
#include "runsc-cpp/container/anchor_fds.h"
#include "runsc-cpp/container/title.h"
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

// The guest's process may have executed another program since.
void OnTitle(std::string_view text) {
  const size_t name_end = std::min(text.find('\0'), text.size());
  SetTitle(text.substr(0, name_end), text.substr(std::min(name_end + 1, text.size())));
}

void SendWindowSize() {
  winsize size;
  if (ioctl(kAnchorTerminalFd, TIOCGWINSZ, &size) != 0) return;
  SendLink(kAnchorLinkFd, {LinkMessageType::kWindowSize, uint32_t{size.ws_row} << 16 | size.ws_col, ""});
}

void OnSignals(int signals) {
  signalfd_siginfo info;
  while (read(signals, &info, sizeof info) == sizeof info) {
    const int signo = static_cast<int>(info.ssi_signo);
    // The terminal's own: its hang-up reaches the guest by the guest's terminal.
    if (info.ssi_code == SI_KERNEL && signo != SIGWINCH) continue;
    if (signo == SIGWINCH) {
      SendWindowSize();
    } else if (signo != SIGCHLD) {
      SendLink(kAnchorLinkFd, {LinkMessageType::kSignal, static_cast<uint32_t>(signo), ""});
    }
  }
}

// The exit code, once the guest has ended.
std::optional<int> OnLink() {
  const std::optional<LinkMessage> message = ReceiveLink(kAnchorLinkFd);
  if (!message || message->type == LinkMessageType::kDied) return kSandboxLost;
  if (message->type == LinkMessageType::kTitle) OnTitle(message->text);
  if (message->type == LinkMessageType::kExited) return static_cast<int>(message->value & 0xff);
  return std::nullopt;
}

}  // namespace

int AnchorMain() {
  TakeName();
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  const int signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
  while (true) {
    pollfd fds[2] = {{kAnchorLinkFd, POLLIN, 0}, {signals, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) continue;
    if (fds[1].revents != 0) OnSignals(signals);
    if (fds[0].revents == 0) continue;
    if (const std::optional<int> code = OnLink()) return *code;
  }
}

}  // namespace runsc
