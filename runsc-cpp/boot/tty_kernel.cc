#include "runsc-cpp/boot/tty_kernel.h"

#include "sentry/kernel/pid_table.h"
#include "sentry/vfs/controlling_terminal.h"

namespace runsc {

using namespace sentry;  // NOLINT: all names of this file are the kernel's

TtyKernel::TtyKernel(Kernel& kernel) : kernel_(kernel) {
  SetTtySignals(this);
  kernel_.on_session_leader_exit = [](base::RefCounted& terminal, int32_t session) {
    static_cast<ControllingTerminal&>(terminal).SessionLeaderExited(session);
  };
}

void TtyKernel::SignalGroup(int32_t, int32_t pgid, int signo) {
  (void)kernel_.SignalProcessGroup(pgid, {.signo = signo, .code = abi::kSiKernel});  // it may be gone
}

void TtyKernel::SignalLeader(int32_t session, int signo) {
  const RefPtr<ThreadGroup> leader = kernel_.FindGroup(session, kernel_.root_pid_ns());
  if (leader) (void)leader->SendSignal({.signo = signo, .code = abi::kSiKernel});
}

void TtyKernel::ForgetTerminal(int32_t session) {
  for (const RefPtr<ThreadGroup>& group : kernel_.Groups(kernel_.root_pid_ns())) {
    if (group->session_id() != session) continue;
    kernel_.pids().SetTerminal(*group, nullptr);  // the whole session's
    return;
  }
}

void TtyKernel::CallLater(int64_t delay_ns, std::function<void()> fire) {
  kernel_.timers().Arm(*DeadlineAfter(delay_ns), std::move(fire));
}

}  // namespace runsc
