#include "runsc-cpp/selection/trial.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "runsc-cpp/boot/rights.h"
#include "runsc-cpp/selection/probe.h"

namespace runsc {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr uid_t kNobody = 65534;
constexpr int kTimedOut = 99;  // exit code

// From the child, by one write.
struct Report {
  int32_t code;
  uint64_t ns_per_call;
  char words[240];  // why not, or a remark
};
static_assert(sizeof(Report) < 4096);  // PIPE_BUF: whole or not at all

// As fork, into a pid namespace if that is allowed.
pid_t Fork() {
  const uint64_t own_pids = CLONE_NEWPID | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
  for (const uint64_t flags : {own_pids, uint64_t{0}}) {
    const long pid = syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (pid >= 0 || flags == 0) return static_cast<pid_t>(pid);
  }
  return -1;
}

// A handler, since pid 1 of a namespace is spared default actions.
void SetAlarm(milliseconds limit) {
  struct sigaction action = {};
  action.sa_handler = [](int) { _exit(kTimedOut); };
  sigaction(SIGALRM, &action, nullptr);
  itimerval timer = {};
  timer.it_value.tv_sec = limit.count() / 1000;
  timer.it_value.tv_usec = limit.count() % 1000 * 1000;
  setitimer(ITIMER_REAL, &timer, nullptr);
}

// A user namespace may have no such user; then the capabilities go all the same.
void BecomeLikeTheSentry() {
  if (geteuid() == 0) {
    (void)!setgroups(0, nullptr);
    (void)!setresgid(kNobody, kNobody, kNobody);
    (void)!setresuid(kNobody, kNobody, kNobody);
  }
  (void)DropAllCapabilities();
}

[[noreturn]] void Child(const PlatformChoice& candidate, int out, milliseconds limit) {
  SetAlarm(limit);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const absl::StatusOr<base::UniqueFd> device = OpenDevice(candidate);
  BecomeLikeTheSentry();
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a change of user would clear it
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  base::SetLogConfig({.fd = -1});
  std::string remark;
  const absl::StatusOr<uint64_t> answer =
      device.ok() ? ProbePlatform(candidate, device->get(), remark) : absl::StatusOr<uint64_t>(device.status());
  Report report = {};
  report.code = static_cast<int32_t>(answer.status().code());
  report.ns_per_call = answer.value_or(0);
  const absl::string_view words = answer.ok() ? remark : answer.status().message();
  std::memcpy(report.words, words.data(), std::min(words.size(), sizeof report.words - 1));
  (void)!write(out, &report, sizeof report);
  _exit(0);
}

std::optional<Report> ReadReport(int in, Clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return std::nullopt;
    pollfd wait = {in, POLLIN, 0};
    const int ready = poll(&wait, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno != EINTR) return std::nullopt;
    if (ready <= 0) continue;
    Report report;
    const ssize_t n = read(in, &report, sizeof report);
    if (n != sizeof report) return std::nullopt;
    report.words[sizeof report.words - 1] = '\0';
    return report;
  }
}

// A caller may have us ignore SIGCHLD; then a child would be gone before we ask.
class DefaultSigchld {
 public:
  DefaultSigchld() {
    struct sigaction action = {};
    action.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &action, &before_);
  }
  ~DefaultSigchld() { sigaction(SIGCHLD, &before_, nullptr); }
  DefaultSigchld(const DefaultSigchld&) = delete;
  DefaultSigchld& operator=(const DefaultSigchld&) = delete;

 private:
  struct sigaction before_ = {};
};

// The child's wait status; nullopt: it has not ended in time.
std::optional<int> Reap(pid_t pid, Clock::time_point deadline) {
  int status;
  while (true) {
    const pid_t got = waitpid(pid, &status, WNOHANG);
    if (got == pid) return status;
    if (Clock::now() >= deadline) return std::nullopt;
    usleep(100);
  }
}

}  // namespace

absl::StatusOr<uint64_t> TryPlatform(const PlatformChoice& candidate, milliseconds limit, std::string* remark) {
  const DefaultSigchld waitable;
  // The last tenth is for the child's end.
  const Clock::time_point end = Clock::now() + limit, answer_by = end - limit / 10;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::UnavailableError(absl::StrCat("pipe: ", strerror(errno)));
  const base::UniqueFd in(ends[0]);
  base::UniqueFd out(ends[1]);
  const pid_t pid = Fork();
  if (pid < 0) return absl::UnavailableError(absl::StrCat("fork: ", strerror(errno)));
  if (pid == 0) Child(candidate, out.get(), limit);
  out.reset();
  const std::optional<Report> report = ReadReport(in.get(), answer_by);
  const bool late = !report && Clock::now() >= answer_by;
  // One that has said all, or died, ends by itself and so without a trace.
  if (late) kill(pid, SIGKILL);
  std::optional<int> status = Reap(pid, late ? end : answer_by);
  if (!status && !late) {
    kill(pid, SIGKILL);
    status = Reap(pid, end);
  }
  if (report) {
    if (report->code != 0) return absl::Status(static_cast<absl::StatusCode>(report->code), report->words);
    if (remark != nullptr) *remark = report->words;
    return report->ns_per_call;
  }
  if (late || (status && WIFEXITED(*status) && WEXITSTATUS(*status) == kTimedOut)) {
    return absl::DeadlineExceededError(absl::StrCat("no answer within ", limit.count() / 1000.0, " s"));
  }
  if (status && WIFSIGNALED(*status)) {
    return absl::FailedPreconditionError(absl::StrCat("its self-test died of signal ", WTERMSIG(*status)));
  }
  return absl::FailedPreconditionError("its self-test ended without an answer");
}

}  // namespace runsc
