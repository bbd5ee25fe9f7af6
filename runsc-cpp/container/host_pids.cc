#include "runsc-cpp/container/host_pids.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "runsc-cpp/container/process_ref.h"
#include "runsc-cpp/container/title.h"
#include "runsc-cpp/sandbox/reexec.h"

namespace runsc {
namespace {

namespace control = sentry::control;

constexpr int kTitleMs = 200;
constexpr gid_t kNobody = 65534;

std::string ReadCommandLine(pid_t pid) {
  std::string text(kMaxCommandLine + 1, '\0');
  const base::UniqueFd fd(open(absl::StrCat("/proc/", pid, "/cmdline").c_str(), O_RDONLY | O_CLOEXEC));
  const ssize_t n = fd.valid() ? read(fd.get(), text.data(), text.size()) : -1;
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

absl::string_view WithoutEnd(absl::string_view words) { return words.substr(0, words.find_last_not_of('\0') + 1); }

// The sentry has told the anchor before it answered; one that does not run now keeps its old name.
void AwaitTitle(const control::ProcessInfo& process) {
  const timespec pause{0, 1'000'000};
  for (int ms = 0; ms < kTitleMs; ++ms) {
    if (WithoutEnd(ReadCommandLine(process.host_pid())) == WithoutEnd(process.args())) return;
    nanosleep(&pause, nullptr);
  }
}

// Whom ps(1) shows: the guest's user. If the caller may not, it stays the caller.
void BecomeUser(uid_t uid) {
  if (geteuid() != 0 || uid == 0) return;
  if (uid == static_cast<uid_t>(-1)) uid = kNobody;
  if (setgroups(0, nullptr) == 0 && setresgid(kNobody, kNobody, kNobody) == 0) (void)!setresuid(uid, uid, uid);
}

// Holds nothing but the pidfd by which it sees the container's end; the pipe to whoever waits for it closes when its
// title is set.
[[noreturn]] void StandIn(const control::ProcessInfo& process, int container) {
  setsid();
  ResetSignals();
  (void)!chdir("/");
  SetTitle(process.command(), process.args());
  BecomeUser(process.uid());
  dup2(container, 0);
  syscall(SYS_close_range, 1, ~0u, 0);
  pollfd end{0, POLLIN, 0};
  (void)poll(&end, 1, kStandInMs);
  _exit(0);
}

}  // namespace

std::vector<pid_t> HostPidsOf(const ContainerRecord& record, const std::vector<control::ProcessInfo>& processes) {
  std::vector<pid_t> pids;
  const base::UniqueFd container(static_cast<int>(syscall(SYS_pidfd_open, record.anchor().pid(), 0)));
  int pipe_fds[2];
  if (!container.valid() || !IsAlive(record.anchor()) || pipe2(pipe_fds, O_CLOEXEC) != 0) return pids;
  const base::UniqueFd ready(pipe_fds[0]);
  base::UniqueFd theirs(pipe_fds[1]);
  for (const control::ProcessInfo& process : processes) {
    if (pids.size() == kMostHostPids) break;
    const pid_t pid = process.host_pid() != 0 ? process.host_pid() : ForkWith(0);
    if (pid == 0) StandIn(process, container.get());
    if (pid < 0) break;
    pids.push_back(pid);
  }
  theirs.reset();
  char byte;
  while (read(ready.get(), &byte, 1) > 0) {
  }
  for (const control::ProcessInfo& process : processes) {
    if (process.host_pid() != 0) AwaitTitle(process);
  }
  return pids;
}

}  // namespace runsc
