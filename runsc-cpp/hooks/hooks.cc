#include "runsc-cpp/hooks/hooks.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/unique_fd.h"
#include "runsc-cpp/hooks/child.h"

namespace runsc {
namespace {

using base::UniqueFd;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr size_t kMaxOutput = 16 << 10;

// As Go, and so runc, spells them: "no such file or directory".
std::string LowerFirst(const char* words) {
  std::string text = words;
  if (!text.empty()) text[0] = absl::ascii_tolower(text[0]);
  return text;
}

absl::Status Failed(absl::string_view what, int error) {
  return absl::Status(absl::ErrnoToStatusCode(error), absl::StrCat(what, ": ", LowerFirst(strerror(error))));
}

// A file, not a pipe: a hook that does not read can't block us.
absl::StatusOr<UniqueFd> StateFile(const std::string& state) {
  UniqueFd fd(memfd_create("state", MFD_CLOEXEC));
  if (!fd) return Failed("memfd_create", errno);
  for (size_t done = 0; done < state.size();) {
    const ssize_t n = write(fd.get(), state.data() + done, state.size() - done);
    if (n < 0) return Failed("write the state for a hook", errno);
    done += n;
  }
  if (lseek(fd.get(), 0, SEEK_SET) != 0) return Failed("lseek", errno);
  return fd;
}

struct Pipe {
  UniqueFd read, write;
};
absl::StatusOr<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Failed("pipe", errno);
  Pipe pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
  fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK);
  return pipe;
}

// Takes what is there; false at the end of input.
bool Drain(int fd, std::string& kept) {
  char bytes[4096];
  while (true) {
    const ssize_t n = read(fd, bytes, sizeof bytes);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) return false;
    if (n < 0 && errno == EAGAIN) return true;
    if (n > 0) kept.append(bytes, std::min<size_t>(n, kMaxOutput - kept.size()));
  }
}

std::string StatusWords(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return absl::StrCat("exit status ", info.si_status);
  return absl::StrCat("signal: ", LowerFirst(strsignal(info.si_status)),
                      info.si_code == CLD_DUMPED ? " (core dumped)" : "");
}

// A hook that has been started.
class RunningHook {
 public:
  RunningHook(pid_t pid, UniqueFd out, UniqueFd err) : pid_(pid), out_(std::move(out)), err_(std::move(err)) {
    pidfd_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  }

  absl::Status Wait(std::optional<int32_t> timeout) {
    const auto deadline = Clock::now() + std::chrono::seconds(timeout.value_or(0));
    while (true) {
      int left = -1;
      if (timeout) left = static_cast<int>(std::max<int64_t>(0, Left(deadline)));
      std::array<pollfd, 3> fds = {{{pidfd_.get(), POLLIN, 0}, {out_.get(), POLLIN, 0}, {err_.get(), POLLIN, 0}}};
      const int ready = poll(fds.data(), fds.size(), left);
      if (ready < 0 && errno != EINTR) return Abandon(Failed("poll", errno));
      if (ready == 0 && timeout && Left(deadline) <= 0) {
        return Abandon(
            absl::DeadlineExceededError(absl::StrFormat("hook ran past specified timeout of %.1fs", *timeout * 1.0)));
      }
      // What it wrote last is there before its end is seen. A descriptor of -1 is not polled.
      if (fds[1].revents != 0 && !Drain(out_.get(), stdout_)) out_.reset();
      if (fds[2].revents != 0 && !Drain(err_.get(), stderr_)) err_.reset();
      if (fds[0].revents != 0) return Ended();
    }
  }

 private:
  static int64_t Left(Clock::time_point deadline) {
    return std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
  }

  absl::Status Abandon(absl::Status status) {
    kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    return status;
  }

  absl::Status Ended() {
    siginfo_t info = {};
    if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0) return Failed("wait for a hook", errno);
    // A process that it left behind may hold the pipes: their end is not waited for.
    if (out_) Drain(out_.get(), stdout_);
    if (err_) Drain(err_.get(), stderr_);
    if (info.si_code == CLD_EXITED && info.si_status == 0) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("error running hook: ", StatusWords(info), ", stdout: ", stdout_, ", stderr: ", stderr_));
  }

  const pid_t pid_;
  UniqueFd pidfd_, out_, err_;
  std::string stdout_, stderr_;
};

}  // namespace

absl::Status RunHook(const oci::Hook& hook, const std::string& state, const HookPlace& place) {
  if (hook.path.empty() || hook.path[0] != '/') {
    return absl::InvalidArgumentError(absl::StrCat("hook path \"", hook.path, "\" is not absolute"));
  }
  if (hook.timeout && *hook.timeout <= 0) {
    return absl::InvalidArgumentError(absl::StrCat("hook timeout ", *hook.timeout, " is not greater than zero"));
  }
  auto in = StateFile(state);
  if (!in.ok()) return in.status();
  auto out = MakePipe(), err = MakePipe(), trouble = MakePipe();
  for (const auto* pipe : {&out, &err, &trouble}) {
    if (!pipe->ok()) return pipe->status();
  }
  const HookChild child(hook, place);
  const pid_t pid = fork();
  if (pid < 0) return Failed(absl::StrCat("fork/exec ", hook.path), errno);
  if (pid == 0) child.Run({in->get(), out->write.get(), err->write.get()}, trouble->write.get());
  RunningHook running(pid, std::move(out->read), std::move(err->read));
  out->write.reset();
  err->write.reset();
  trouble->write.reset();
  // Closed by execve; else it says what went wrong.
  HookTrouble why = {};
  fcntl(trouble->read.get(), F_SETFL, 0);
  ssize_t n;
  do {
    n = read(trouble->read.get(), &why, sizeof why);
  } while (n < 0 && errno == EINTR);
  if (n == sizeof why) {
    (void)running.Wait(std::nullopt);
    if (why.step == HookStep::kExec) return Failed(absl::StrCat("fork/exec ", hook.path), why.error);
    const char* const step = why.step == HookStep::kNamespace   ? "enter a namespace for hook "
                             : why.step == HookStep::kDirectory ? "enter the directory for hook "
                                                                : "prepare the descriptors of hook ";
    return Failed(absl::StrCat(step, hook.path), why.error);
  }
  return running.Wait(hook.timeout);
}

absl::Status RunHooks(absl::string_view stage, const std::vector<oci::Hook>& hooks, const std::string& state,
                      const HookPlace& place) {
  for (size_t i = 0; i < hooks.size(); ++i) {
    const absl::Status s = RunHook(hooks[i], state, place);
    if (!s.ok()) return absl::Status(s.code(), absl::StrCat("error running ", stage, " hook #", i, ": ", s.message()));
  }
  return absl::OkStatus();
}

std::vector<absl::Status> RunEveryHook(absl::string_view stage, const std::vector<oci::Hook>& hooks,
                                       const std::string& state, const HookPlace& place) {
  std::vector<absl::Status> errors;
  for (size_t i = 0; i < hooks.size(); ++i) {
    const absl::Status s = RunHook(hooks[i], state, place);
    if (!s.ok()) {
      errors.push_back(absl::Status(s.code(), absl::StrCat("error running ", stage, " hook #", i, ": ", s.message())));
    }
  }
  return errors;
}

}  // namespace runsc
