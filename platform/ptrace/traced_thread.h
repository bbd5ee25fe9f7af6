// One stub thread under ptrace: its registers, and stopping and going.
#ifndef PLATFORM_PTRACE_TRACED_THREAD_H_
#define PLATFORM_PTRACE_TRACED_THREAD_H_

#include <signal.h>
#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <span>

#include "base/result.h"
#include "platform/stub/stub_process.h"
#include "sentry/arch/amd64/registers.h"

namespace platform::ptrace {

// Sent to a stub thread to end its Switch. Ignored by default, so one that comes
// late does no harm.
inline constexpr int kKickSignal = SIGURG;

// The id of the calling host thread.
pid_t CurrentTid();

// Used by the host thread that attached to it, and by no other (ptrace's rule).
class TracedThread {
 public:
  // Makes a thread in `stub` and stops it. ESRCH: the stub is dead.
  static base::Result<std::unique_ptr<TracedThread>> Attach(std::shared_ptr<stub::StubProcess> stub);
  // Ends the thread.
  ~TracedThread();

  pid_t tid() const { return tid_; }
  const std::shared_ptr<stub::StubProcess>& stub() const { return stub_; }

  // Makes the stopped thread's registers `regs`, with the fewest calls. Values
  // that the host would refuse (selectors, bases) are left as they are.
  void SetRegisters(const sentry::arch::Registers& regs);
  // Reads them; false: the thread is gone.
  bool GetRegisters(sentry::arch::Registers& out);

  base::Result<void> GetFpState(sentry::arch::FpState& out);
  void SetFpState(const sentry::arch::FpState& state);

  // Runs guest code to the next stop, with all signals suppressed. Returns the
  // wait status; -1: the thread is gone.
  int RunToStop();
  bool GetSignalInfo(siginfo_t& info);
  // Reads guest memory through any protection; false: nothing is mapped there.
  bool PeekWord(uint64_t addr, uint64_t& out);

 private:
  TracedThread(std::shared_ptr<stub::StubProcess> stub, pid_t tid) : stub_(std::move(stub)), tid_(tid) {}
  int Wait();
  void Poke(size_t index, uint64_t value);
  void End();
  void Reap();

  const std::shared_ptr<stub::StubProcess> stub_;
  const pid_t tid_;
  const pid_t tracer_ = CurrentTid();
  bool gone_ = false;
  sentry::arch::Registers cached_ = {};  // what the thread has
};

}  // namespace platform::ptrace

#endif  // PLATFORM_PTRACE_TRACED_THREAD_H_
