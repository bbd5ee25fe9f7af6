// What the runtime does with pid namespaces: containers in one kernel.
#include <atomic>

#include "gtest/gtest.h"
#include "sentry/abi/sched.h"
#include "sentry/kernel/fake_guest.h"
#include "sentry/kernel/pid_table.h"

namespace sentry {
namespace {

Task::CloneArgs ForkArgs() {
  Task::CloneArgs args;
  args.exit_signal = abi::kSigChld;
  return args;
}

Kernel::InitProcess In(const RefPtr<PidNamespace>& ns) {
  Kernel::InitProcess init;
  init.pid_ns = ns;
  return init;
}

TEST(PidNamespaces, FirstProcessIsInitAndLaterOnesHaveNoParent) {
  FakeGuest guest;
  guest.Add([](Task& t) { return Pause(t, Restart::kNoHand); });
  const RefPtr<PidNamespace> a = guest.kernel->NewPidNamespace(), b = guest.kernel->NewPidNamespace();
  const RefPtr<ThreadGroup> init = *guest.Start(In(a)), exec = *guest.Start(In(a)), other = *guest.Start(In(b));
  EXPECT_EQ(init->pid().NumberIn(*a), 1);
  EXPECT_EQ(exec->pid().NumberIn(*a), 2);
  EXPECT_EQ(exec->ppid(), 0);
  EXPECT_EQ(other->pid().NumberIn(*b), 1);
  EXPECT_EQ(other->pid().NumberIn(*a), 0);
  EXPECT_EQ(guest.kernel->Groups(*a).size(), 2u);
  EXPECT_EQ(guest.kernel->Groups(guest.kernel->root_pid_ns()).size(), 3u);
  EXPECT_EQ(guest.kernel->FindGroup(2, *a), exec);
  EXPECT_EQ(guest.kernel->FindGroup(2, *b), nullptr);
}

TEST(PidNamespaces, EndOfInitEndsAllAndOnlyThem) {
  FakeGuest guest;
  guest.Add([](Task& t) { return Pause(t, Restart::kNoHand); });
  const RefPtr<PidNamespace> a = guest.kernel->NewPidNamespace(), b = guest.kernel->NewPidNamespace();
  const RefPtr<ThreadGroup> init = *guest.Start(In(a));
  std::atomic<int> ended = 0;
  Kernel::InitProcess exec = In(a);
  exec.on_end = [&](const ExitStatus& status) { ended = status.signo; };
  const RefPtr<ThreadGroup> second = *guest.Start(std::move(exec)), other = *guest.Start(In(b));
  ASSERT_TRUE(guest.kernel->SignalFromRuntime(*init, abi::kSigKill).ok());
  EXPECT_EQ(guest.kernel->WaitForExit(*init).signo, abi::kSigKill);
  EXPECT_TRUE(second->ended());
  EXPECT_EQ(guest.kernel->WaitForExit(*second).signo, abi::kSigKill);
  EXPECT_FALSE(other->exiting());
  EXPECT_TRUE(guest.Start(In(a)).Is(Errno::kENOMEM));
  guest.kernel->KillNamespace(*b);
  EXPECT_EQ(guest.kernel->WaitForExit(*other).signo, abi::kSigKill);
  EXPECT_EQ(guest.kernel->task_count(), 0u);
  guest.kernel->Shutdown();
  EXPECT_EQ(ended, abi::kSigKill);
}

TEST(PidNamespaces, OrphansOfExecGoToInit) {
  FakeGuest guest;
  // Init waits; what exec starts leaves a child behind.
  guest.Add([](Task& t) -> SyscallResult {
    if (t.own_tid() != 1) return t.Clone(ForkArgs());
    auto outcome = t.Wait({.options = abi::kWExited});
    if (!outcome.ok()) {
      usleep(1000);
      t.regs().rip -= 2;  // nobody there yet
      return 0;
    }
    return ExitGroup(t, outcome.value().pid);
  });
  guest.Add([](Task& t) -> SyscallResult {
    if (t.own_tid() == 2) return ExitGroup(t, 0);
    while (t.group().ppid() != 1) usleep(1000);
    return ExitGroup(t, 0);
  });
  const RefPtr<PidNamespace> ns = guest.kernel->NewPidNamespace();
  const RefPtr<ThreadGroup> init = *guest.Start(In(ns)), exec = *guest.Start(In(ns));
  EXPECT_EQ(guest.kernel->WaitForExit(*exec).code, 0);
  EXPECT_EQ(guest.kernel->WaitForExit(*init).code, 3);
}

TEST(PidNamespaces, TasksAreLimited) {
  FakeGuest guest;
  guest.Add([](Task& t) -> SyscallResult {
    const SyscallResult result = t.Clone(ForkArgs());
    const SyscallError* error = result.error_if();
    return ExitGroup(t, error && error->errno_if() && *error->errno_if() == Errno::kEAGAIN ? 1 : 0);
  });
  const RefPtr<PidNamespace> ns = guest.kernel->NewPidNamespace(1);
  EXPECT_EQ(guest.kernel->WaitForExit(**guest.Start(In(ns))).code, 1);
}

}  // namespace
}  // namespace sentry
