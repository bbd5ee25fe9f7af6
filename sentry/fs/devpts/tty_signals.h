// What a terminal asks of the kernel. The kernel implements it; boot sets it.
#ifndef SENTRY_FS_DEVPTS_TTY_SIGNALS_H_
#define SENTRY_FS_DEVPTS_TTY_SIGNALS_H_

#include <cstdint>
#include <functional>

namespace sentry {

// Called with no lock of a terminal's held, on task threads and on the thread
// of a bridge. Ids that are gone by then are passed over in silence.
class TtySignals {
 public:
  virtual ~TtySignals() = default;
  // To each process of group `pgid` of `session`, as from the kernel (SI_KERNEL).
  virtual void SignalGroup(int32_t session, int32_t pgid, int signo) = 0;
  // To the leader of `session` alone.
  virtual void SignalLeader(int32_t session, int signo) = 0;
  // No process of `session` has a controlling terminal any more.
  virtual void ForgetTerminal(int32_t session) = 0;
  // Calls `fire` once, `delay_ns` from now, on a thread of the kernel's own.
  virtual void CallLater(int64_t delay_ns, std::function<void()> fire) = 0;
};

// Once, before the first task; lives as long as any terminal. Without it no
// signals are sent and VTIME has no effect.
void SetTtySignals(TtySignals* signals);

}  // namespace sentry

#endif  // SENTRY_FS_DEVPTS_TTY_SIGNALS_H_
