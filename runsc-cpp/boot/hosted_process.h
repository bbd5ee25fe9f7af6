// A guest process for which somebody on the host stands: an anchor, or the runsc-cpp of `do`. A thread of its own
// carries signals and window sizes in, and the end out.
#ifndef RUNSC_CPP_BOOT_HOSTED_PROCESS_H_
#define RUNSC_CPP_BOOT_HOSTED_PROCESS_H_

#include <functional>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "base/unique_fd.h"
#include "runsc-cpp/boot/standard_streams.h"
#include "sentry/control/control.pb.h"
#include "sentry/kernel/kernel.h"

namespace runsc {

// Who sent a signal from outside the sandbox.
using SignalSender = sentry::control::ProcessEnd::Sender;

class HostedProcess : public std::enable_shared_from_this<HostedProcess> {
 public:
  struct Callbacks {
    // On its thread, once, when the process has ended, or will never start since its link is gone. All that belongs to
    // the process is released here: whoever stands for it hears of the end when this returns. Host processes whose end
    // is to be known before (LinkMessageType::kExited).
    std::function<std::string()> ended;
    // Before that, if it is set: adds to what is told of the end. `pid` is the process's, 0 if it never started.
    std::function<void(int32_t pid, sentry::control::ProcessEnd& end)> describe = nullptr;
    // After it was told, and its end of the link is gone (or a second has passed).
    std::function<void()> told;
  };

  // Its thread watches `link` from now on. The kernel outlives it.
  static absl::StatusOr<std::shared_ptr<HostedProcess>> Create(sentry::Kernel& kernel, base::UniqueFd link,
                                                               StandardStreams streams, Callbacks callbacks);
  ~HostedProcess();

  // The process runs. Signals that came before are given to it.
  void Started(sentry::RefPtr<sentry::ThreadGroup> group);
  // It will never run; the link's other end was told otherwise.
  void Discard();
  // As kill(2) from outside; before the start, what kills does, and others wait.
  void Signal(int signo, SignalSender sender);
  // It was sent by another way.
  void NoteSignal(int signo, SignalSender sender);
  // Whoever stands for it on the host shows its want of memory there. Waits for that, a second at most. Any thread.
  void ShowOutOfMemory(uint64_t bytes);
  // The sandbox or the container ends for this reason, which goes to the link in place of an exit code.
  void TellDeath(const std::string& cause);
  // How the process is called now, for whoever stands for it. Lost if that one does not read.
  void TellTitle(const std::string& name, const std::string& command_line) const;

  sentry::RefPtr<sentry::ThreadGroup> group() const;
  const StandardStreams& streams() const { return streams_; }

 private:
  class EndWaiter;
  HostedProcess(sentry::Kernel& kernel, base::UniqueFd link, base::UniqueFd wake, StandardStreams streams,
                Callbacks callbacks);
  void Run();
  void OnLink();
  void Wake();
  bool over() const;
  void Finish();
  std::string DescribeEnd(int signo) const;
  void AwaitLinksEnd();

  sentry::Kernel& kernel_;
  base::UniqueFd link_;
  const base::UniqueFd wake_;  // eventfd: the process has ended, or something else changed
  StandardStreams streams_;
  Callbacks callbacks_;
  std::unique_ptr<EndWaiter> end_waiter_;
  bool link_open_ = true;  // the thread's own

  // Rank kControl: what is asked of the kernel under it takes locks of its own.
  mutable base::RankedMutex<base::LockRank::kControl> mu_;
  sentry::RefPtr<sentry::ThreadGroup> group_ ABSL_GUARDED_BY(mu_);
  uint64_t waiting_signals_ ABSL_GUARDED_BY(mu_) = 0;  // bit N - 1: signal N
  int killed_by_ ABSL_GUARDED_BY(mu_) = 0;             // before the start
  bool finishing_ ABSL_GUARDED_BY(mu_) = false;
  int last_signal_ ABSL_GUARDED_BY(mu_) = 0;  // from outside
  SignalSender last_sender_ ABSL_GUARDED_BY(mu_) = sentry::control::ProcessEnd::GUEST;
  bool discarded_ ABSL_GUARDED_BY(mu_) = false;
  bool death_told_ ABSL_GUARDED_BY(mu_) = false;

  // Rank kLeaf: asked by threads that hold locks of the kernel's.
  base::RankedMutex<base::LockRank::kLeaf> oom_mu_;
  base::CondVar oom_shown_;
  uint32_t oom_asked_ ABSL_GUARDED_BY(oom_mu_) = 0, oom_answered_ ABSL_GUARDED_BY(oom_mu_) = 0;
};

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_HOSTED_PROCESS_H_
