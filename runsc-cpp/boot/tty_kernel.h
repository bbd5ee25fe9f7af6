// The kernel as terminals see it, and terminals as the kernel sees them.
#ifndef RUNSC_CPP_BOOT_TTY_KERNEL_H_
#define RUNSC_CPP_BOOT_TTY_KERNEL_H_

#include "sentry/fs/devpts/tty_signals.h"
#include "sentry/kernel/kernel.h"

namespace runsc {

class TtyKernel final : public sentry::TtySignals {
 public:
  // Registers itself with both; lives as long as they do.
  explicit TtyKernel(sentry::Kernel& kernel);
  void SignalGroup(int32_t session, int32_t pgid, int signo) override;
  void SignalLeader(int32_t session, int signo) override;
  void ForgetTerminal(int32_t session) override;
  void CallLater(int64_t delay_ns, std::function<void()> fire) override;

 private:
  sentry::Kernel& kernel_;
};

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_TTY_KERNEL_H_
