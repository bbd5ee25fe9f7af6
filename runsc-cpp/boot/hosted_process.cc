#include "runsc-cpp/boot/hosted_process.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "base/thread.h"
#include "runsc-cpp/boot/errno_status.h"
#include "runsc-cpp/sandbox/link.h"

namespace runsc {
namespace {

using namespace sentry;  // NOLINT: all names of this file are the kernel's
using base::MutexLock;
namespace control = sentry::control;

constexpr int kDrainMs = 2000;
constexpr int kAnchorEndMs = 1000;
constexpr int kOomShownMs = 1000;

// What ends a process that has not started: it has no handlers yet.
bool EndsUnstarted(int signo) { return signo == abi::kSigKill || signo == abi::kSigTerm || signo == abi::kSigInt; }

}  // namespace

class HostedProcess::EndWaiter final : public base::Waiter {
 public:
  explicit EndWaiter(HostedProcess& process) : Waiter(ThreadGroup::kOwnEnd), process_(process) {}
  void Notify(base::EventMask) override { process_.Wake(); }

 private:
  HostedProcess& process_;
};

HostedProcess::HostedProcess(Kernel& kernel, base::UniqueFd link, base::UniqueFd wake, StandardStreams streams,
                             Callbacks callbacks)
    : kernel_(kernel),
      link_(std::move(link)),
      wake_(std::move(wake)),
      streams_(std::move(streams)),
      callbacks_(std::move(callbacks)),
      end_waiter_(std::make_unique<EndWaiter>(*this)) {}

HostedProcess::~HostedProcess() = default;

absl::StatusOr<std::shared_ptr<HostedProcess>> HostedProcess::Create(Kernel& kernel, base::UniqueFd link,
                                                                     StandardStreams streams, Callbacks callbacks) {
  if (!link.valid()) return absl::InvalidArgumentError("the request lacks the process's link");
  base::UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return absl::ErrnoToStatus(errno, "eventfd for a process");
  std::shared_ptr<HostedProcess> process(
      new HostedProcess(kernel, std::move(link), std::move(wake), std::move(streams), std::move(callbacks)));
  const Result<void> started = base::Thread::StartDetached([process] { process->Run(); });
  if (!started.ok()) return Failed("start a thread for a process", started.error());
  return process;
}

void HostedProcess::Started(RefPtr<ThreadGroup> group) {
  MutexLock lock(mu_);
  if (finishing_) {  // its end was told before it ran
    (void)kernel_.SignalFromRuntime(*group, abi::kSigKill);
    return;
  }
  group->child_events().Add(*end_waiter_);
  group_ = std::move(group);
  streams_.fds.reset();
  for (int signo = 1; signo <= abi::kSigMax; ++signo) {
    if ((waiting_signals_ >> (signo - 1) & 1) != 0) (void)kernel_.SignalFromRuntime(*group_, signo);
  }
  if (killed_by_ != 0) (void)kernel_.SignalFromRuntime(*group_, killed_by_);
  Wake();  // it may have ended before the waiter stood
}

void HostedProcess::Discard() {
  MutexLock lock(mu_);
  discarded_ = true;
  Wake();
}

void HostedProcess::NoteSignal(int signo, SignalSender sender) {
  MutexLock lock(mu_);
  last_signal_ = signo;
  last_sender_ = sender;
}

void HostedProcess::Signal(int signo, SignalSender sender) {
  if (signo < 1 || signo > abi::kSigMax) return;
  NoteSignal(signo, sender);
  MutexLock lock(mu_);
  if (group_) {
    (void)kernel_.SignalFromRuntime(*group_, signo);  // it may be gone by now
  } else if (EndsUnstarted(signo)) {
    killed_by_ = signo;
    Wake();
  } else {
    waiting_signals_ |= uint64_t{1} << (signo - 1);
  }
}

void HostedProcess::TellDeath(const std::string& cause) {
  MutexLock lock(mu_);
  if (!std::exchange(death_told_, true)) SendLink(link_.get(), {LinkMessageType::kDied, 0, cause});
}

void HostedProcess::ShowOutOfMemory(uint64_t bytes) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kOomShownMs);
  constexpr uint64_t kMiB = 1 << 20;
  MutexLock lock(oom_mu_);
  const uint32_t mine = ++oom_asked_;
  // A link that is full belongs to somebody who does not read.
  if (!SendLink(link_.get(), {LinkMessageType::kOutOfMemory, static_cast<uint32_t>(bytes / kMiB), ""}, SendWait::kNo)) {
    oom_answered_ = mine;
    return;
  }
  while (oom_answered_ < mine && oom_shown_.WaitUntil(oom_mu_, deadline)) {
  }
}

void HostedProcess::TellTitle(const std::string& name, const std::string& command_line) const {
  pollfd link{link_.get(), POLLOUT, 0};
  if (poll(&link, 1, 0) != 1 || link.revents != POLLOUT) return;
  SendLink(link_.get(), {LinkMessageType::kTitle, 0, name + '\0' + command_line});
}

RefPtr<ThreadGroup> HostedProcess::group() const {
  MutexLock lock(mu_);
  return group_;
}

void HostedProcess::Wake() {
  const uint64_t one = 1;
  (void)!write(wake_.get(), &one, sizeof one);
}

bool HostedProcess::over() const {
  MutexLock lock(mu_);
  return group_ ? group_->ended() : discarded_ || killed_by_ != 0;
}

void HostedProcess::Run() {
  while (!over()) {
    pollfd fds[2] = {{link_open_ ? link_.get() : -1, POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) continue;
    if (fds[0].revents != 0) OnLink();
    uint64_t count;
    if (fds[1].revents != 0) (void)!read(wake_.get(), &count, sizeof count);
  }
  Finish();
}

void HostedProcess::OnLink() {
  const std::optional<LinkMessage> message = ReceiveLink(link_.get());
  if (!message) {
    link_open_ = false;
    Signal(abi::kSigKill, control::ProcessEnd::HOST_PROCESS);
    return;
  }
  if (message->type == LinkMessageType::kSignal) {
    Signal(static_cast<int>(message->value), control::ProcessEnd::HOST_PROCESS);
  } else if (message->type == LinkMessageType::kOutOfMemoryShown) {
    MutexLock lock(oom_mu_);
    oom_answered_ = oom_asked_;
    oom_shown_.SignalAll();
  } else if (message->type == LinkMessageType::kWindowSize && streams_.bridge) {
    streams_.bridge->CheckSize();
  }
}

// Whoever stands for the process ends now; others may wait for that (an exec ends before its container).
void HostedProcess::AwaitLinksEnd() {
  pollfd link{link_.get(), 0, 0};
  if (link_open_) (void)poll(&link, 1, kAnchorEndMs);
}

std::string HostedProcess::DescribeEnd(int signo) const {
  if (!callbacks_.describe) return "";
  control::ProcessEnd end;
  const RefPtr<ThreadGroup> ended = group();
  {
    MutexLock lock(mu_);
    end.set_signal(signo);
    end.set_last_signal(last_signal_);
    end.set_last_sender(last_sender_);
    if (signo != 0 && signo == last_signal_) end.set_sender(last_sender_);
  }
  callbacks_.describe(ended ? ended->tgid() : 0, end);
  return end.SerializeAsString();
}

void HostedProcess::Finish() {
  int code, signo;
  bool told;
  {
    MutexLock lock(mu_);
    finishing_ = true;
    const ExitStatus status = group_ ? group_->exit_status() : ExitStatus{.signo = killed_by_};
    signo = status.signo;
    code = signo != 0 ? 128 + signo : status.code;
    told = death_told_ || discarded_;
  }
  if (const RefPtr<ThreadGroup> ended = group()) ended->child_events().Remove(*end_waiter_);
  if (streams_.bridge && link_open_) streams_.bridge->Drain(kDrainMs);
  streams_ = {};
  const std::string description = DescribeEnd(signo);
  const std::string reaped_first = callbacks_.ended();
  if (!told) {
    SendLink(link_.get(), {LinkMessageType::kExited, static_cast<uint32_t>(code), reaped_first + '\0' + description});
  }
  AwaitLinksEnd();
  callbacks_.told();
  callbacks_ = {};
}

}  // namespace runsc
