// The anchor's life: signals and window sizes go to the sentry, the guest's end comes back.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "runsc-cpp/container/anchor.h"
#include "runsc-cpp/container/anchor_fds.h"
#include "runsc-cpp/container/title.h"
#include "runsc-cpp/postmortem/post_mortem.h"
#include "runsc-cpp/sandbox/link.h"

namespace runsc {
namespace {

constexpr int kSandboxLost = 137;  // as if by SIGKILL, which it was for the guest
constexpr int kReapTries = 1000;   // a millisecond each

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
      SendLink(kAnchorLinkFd, {LinkMessageType::kWindowSize, 0, ""});
    } else if (signo != SIGCHLD) {
      NoteSender(info, end);
      SendLink(kAnchorLinkFd, {LinkMessageType::kSignal, static_cast<uint32_t>(signo), ""});
    }
  }
}

// A process that takes memory until the host kills it, as it would kill the guest's own if that were the host's matter.
// Nobody else is in its place: no score is higher than its.
[[noreturn]] void TakeMemory(size_t mib) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t alarm_only;
  sigemptyset(&alarm_only);
  sigaddset(&alarm_only, SIGALRM);
  sigprocmask(SIG_UNBLOCK, &alarm_only, nullptr);
  alarm(1);
  const int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (score < 0 || write(score, "1000", 4) != 4) _exit(1);
  constexpr size_t kMiB = 1 << 20, kPage = 4096;
  auto* const memory = static_cast<volatile char*>(
      mmap(nullptr, mib * kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (memory == MAP_FAILED) _exit(1);
  for (size_t at = 0; at < mib * kMiB; at += kPage) memory[at] = 1;
  _exit(0);  // the host has no such limit
}

void ShowOutOfMemory(size_t mib) {
  const pid_t pid = fork();
  if (pid == 0) TakeMemory(mib);
  int status;
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  SendLink(kAnchorLinkFd, {LinkMessageType::kOutOfMemoryShown, 0, ""});
}

// Whether it has ended or is about to, and waits for our parent to reap it.
bool Unreaped(int pid) {
  char name[32], line[512] = {};
  snprintf(name, sizeof name, "/proc/%d/stat", pid);
  FILE* file = fopen(name, "re");
  if (file == nullptr) return false;
  (void)!fread(line, 1, sizeof line - 1, file);
  fclose(file);
  const char* const rest = strrchr(line, ')');
  char state;
  int parent;
  return rest != nullptr && sscanf(rest + 1, " %c %d", &state, &parent) == 2 && parent == getppid();
}

// Engines reap in no order; what they see first decides what they believe to have ended first.
void AwaitReaped(const std::string& pids) {
  int left = kReapTries;
  for (const char* at = pids.c_str(); *at != 0 && left > 0;) {
    char* end;
    const long pid = strtol(at, &end, 10);
    if (end == at || *end != ' ' || pid <= 1 || pid > INT_MAX) return;
    for (; left > 0 && Unreaped(static_cast<int>(pid)); --left) poll(nullptr, 0, 1);
    at = end + 1;
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
  if (message->type == LinkMessageType::kTitle) OnTitle(message->text);
  if (message->type == LinkMessageType::kOutOfMemory) ShowOutOfMemory(message->value);
  if (message->type != LinkMessageType::kExited) return std::nullopt;
  const size_t pids = std::min(message->text.find('\0'), message->text.size());
  AwaitReaped(message->text.substr(0, pids));
  end.set_cause(PostMortem::ENDED);
  end.set_told(message->text.substr(std::min(pids + 1, message->text.size())));
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
