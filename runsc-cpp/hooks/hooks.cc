#include "runsc-cpp/hooks/hooks.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/unique_fd.h"
#include "runsc-cpp/hooks/words.h"

namespace runsc {
namespace {

using base::UniqueFd;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr size_t kMaxOutput = 16 << 10;
constexpr int64_t kLongestPollMs = 60'000;

// A file, not a pipe: a hook that does not read can't block us.
absl::StatusOr<UniqueFd> StateFile(const std::string& state) {
  UniqueFd fd(memfd_create("state", MFD_CLOEXEC));
  if (!fd) return HookError("memfd_create", errno);
  for (size_t done = 0; done < state.size();) {
    const ssize_t n = write(fd.get(), state.data() + done, state.size() - done);
    if (n < 0) return HookError("write the state for a hook", errno);
    done += n;
  }
  if (lseek(fd.get(), 0, SEEK_SET) != 0) return HookError("lseek", errno);
  return fd;
}

struct Pipe {
  UniqueFd read, write;
};
absl::StatusOr<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return HookError("pipe", errno);
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

// A hook that has been started, and what it says.
class RunningHook {
 public:
  RunningHook(HookProcess& process, UniqueFd out, UniqueFd err)
      : process_(process), out_(std::move(out)), err_(std::move(err)) {}

  absl::Status Wait(std::optional<int32_t> timeout) {
    const auto deadline = Clock::now() + std::chrono::seconds(timeout.value_or(0));
    while (true) {
      int left = -1;
      if (timeout) left = static_cast<int>(std::clamp<int64_t>(Left(deadline), 0, kLongestPollMs));
      std::array<pollfd, 3> fds = {{{process_.end_fd(), POLLIN, 0}, {out_.get(), POLLIN, 0}, {err_.get(), POLLIN, 0}}};
      const int ready = poll(fds.data(), fds.size(), left);
      if (ready < 0 && errno != EINTR) return Abandon(HookError("poll", errno));
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
    process_.Kill();
    return status;
  }

  absl::Status Ended() {
    const std::string how = process_.HowItEnded();
    // A process that it left behind may hold the pipes: their end is not waited for.
    if (out_) Drain(out_.get(), stdout_);
    if (err_) Drain(err_.get(), stderr_);
    if (how.empty()) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("error running hook: ", how, ", stdout: ", stdout_, ", stderr: ", stderr_));
  }

  HookProcess& process_;
  UniqueFd out_, err_;
  std::string stdout_, stderr_;
};

}  // namespace

absl::Status RunHook(const oci::Hook& hook, const std::string& state, const HookStarter& start) {
  if (hook.path.empty() || hook.path[0] != '/') {
    return absl::InvalidArgumentError(absl::StrCat("hook path \"", hook.path, "\" is not absolute"));
  }
  if (hook.timeout && *hook.timeout <= 0) {
    return absl::InvalidArgumentError(absl::StrCat("hook timeout ", *hook.timeout, " is not greater than zero"));
  }
  auto in = StateFile(state);
  if (!in.ok()) return in.status();
  auto out = MakePipe(), err = MakePipe();
  for (const auto* pipe : {&out, &err}) {
    if (!pipe->ok()) return pipe->status();
  }
  auto process = start(hook, {in->get(), out->write.get(), err->write.get()});
  if (!process.ok()) return process.status();
  out->write.reset();
  err->write.reset();
  return RunningHook(**process, std::move(out->read), std::move(err->read)).Wait(hook.timeout);
}

absl::Status RunHooks(absl::string_view stage, const std::vector<oci::Hook>& hooks, const std::string& state,
                      const HookStarter& start) {
  for (size_t i = 0; i < hooks.size(); ++i) {
    const absl::Status s = RunHook(hooks[i], state, start);
    if (!s.ok()) return absl::Status(s.code(), absl::StrCat("error running ", stage, " hook #", i, ": ", s.message()));
  }
  return absl::OkStatus();
}

std::vector<absl::Status> RunEveryHook(absl::string_view stage, const std::vector<oci::Hook>& hooks,
                                       const std::string& state) {
  std::vector<absl::Status> errors;
  for (size_t i = 0; i < hooks.size(); ++i) {
    const absl::Status s = RunHook(hooks[i], state);
    if (!s.ok()) {
      errors.push_back(absl::Status(s.code(), absl::StrCat("error running ", stage, " hook #", i, ": ", s.message())));
    }
  }
  return errors;
}

}  // namespace runsc
