// The run loop, family and signals, driven by guests that are lists of steps.
#include <atomic>
#include <thread>

#include "gtest/gtest.h"
#include "sentry/abi/sched.h"
#include "sentry/kernel/fake_guest.h"
#include "sentry/kernel/futex/futex.h"
#include "sentry/kernel/time/posix_timers.h"
#include "sentry/usermem/user_ptr.h"

namespace sentry {
namespace {

using abi::kSigChld;

constexpr uint64_t kScratch = 0x400800;  // data of the program

Task::WaitArgs WaitAny(uint32_t options = 0) {
  return {.which = Task::WaitArgs::Which::kAny, .id = 0, .options = options | abi::kWExited};
}
Task::CloneArgs ForkArgs() {
  Task::CloneArgs args;
  args.exit_signal = kSigChld;
  return args;
}
Task::CloneArgs ThreadArgs() {
  Task::CloneArgs args;
  args.flags = abi::kCloneVm | abi::kCloneFs | abi::kCloneFiles | abi::kCloneSighand | abi::kCloneThread;
  args.stack = UserAddr(0x400f00);
  return args;
}
void Handle(Task& task, int signo, uint64_t handler, uint64_t restorer, uint64_t flags) {
  abi::SigAction action;
  action.handler = handler;
  action.flags = flags | abi::kSaRestorer;
  action.restorer = restorer;
  task.group().ExchangeAction(signo, action);
}
// `ret` of a handler.
SyscallResult ReturnTo(Task& task, uint64_t address) {
  task.regs().rsp += 8;
  task.regs().rip = address;
  return 0;
}
void SendOnceAsleep(RefPtr<ThreadGroup> group, int signo) {
  while (group->leader()->state != 'S') usleep(1000);
  ASSERT_TRUE(group->SendSignal({.signo = signo}).ok());
}

TEST(Guest, ExitsWithItsCode) {
  FakeGuest guest;
  guest.Add([](Task& t) { return ExitGroup(t, 7); });
  const ExitStatus status = guest.Run();
  EXPECT_EQ(status.code, 7);
  EXPECT_EQ(status.signo, 0);
}

TEST(Guest, LeaderWithoutExitGroup) {
  FakeGuest guest;
  guest.Add([](Task& t) { return t.Exit(5); });
  EXPECT_EQ(guest.Run().code, 5);
}

TEST(Guest, ForkAndWait) {
  FakeGuest guest;
  guest.Add([](Task& t) { return t.Clone(ForkArgs()); });
  guest.Add([](Task& t) -> SyscallResult {
    if (t.tid() == 2) return ExitGroup(t, t.group().ppid() == 1 ? 3 : 4);
    auto outcome = t.Wait(WaitAny());
    if (!outcome.ok()) return outcome.error();
    EXPECT_EQ(outcome.value().pid, 2);
    EXPECT_EQ(outcome.value().code, abi::kCldExited);
    EXPECT_EQ(outcome.value().wait_status, 3 << 8);
    auto none = t.Wait(WaitAny());
    EXPECT_TRUE(none.ok() == false && *none.error().errno_if() == Errno::kECHILD);
    return ExitGroup(t, 0);
  });
  EXPECT_EQ(guest.Run().code, 0);
  EXPECT_EQ(guest.kernel->task_count(), 0u);
}

TEST(Guest, VforkWaitsForTheChild) {
  FakeGuest guest;
  static std::atomic<bool> child_done;
  child_done = false;
  guest.Add([](Task& t) {
    Task::CloneArgs args = ForkArgs();
    args.flags = abi::kCloneVm | abi::kCloneVfork;
    return t.Clone(args);
  });
  guest.Add([](Task& t) -> SyscallResult {
    if (t.tid() == 1) return ExitGroup(t, child_done ? 0 : 1);
    usleep(20'000);
    child_done = true;
    return ExitGroup(t, 0);
  });
  EXPECT_EQ(guest.Run().code, 0);
}

TEST(Guest, DiesOfItsFault) {
  FakeGuest guest;
  guest.steps.push_back({.call = nullptr, .event = platform::FaultEvent{.addr = UserAddr(8), .access = kProtRead}});
  const ExitStatus status = guest.Run();
  EXPECT_EQ(status.signo, abi::kSigSegv);  // though it is init
}

TEST(Guest, DeadStubIsSigkill) {
  FakeGuest guest;
  guest.steps.push_back({.call = nullptr, .event = platform::DeadEvent{"test"}});
  EXPECT_EQ(guest.Run().signo, abi::kSigKill);
}

TEST(Guest, KilledWhileItRuns) {
  FakeGuest guest;
  guest.steps.push_back({.call = nullptr, .event = platform::PreemptedEvent{}, .spin = true});
  RefPtr<ThreadGroup> group = guest.Start();
  usleep(5'000);
  // Init: only the runtime can, and by SIGKILL alone.
  ASSERT_TRUE(group->SendSignal({.signo = abi::kSigKill}).ok());
  ASSERT_TRUE(guest.kernel->SignalFromRuntime(*group, abi::kSigTerm).ok());
  usleep(5'000);
  EXPECT_FALSE(group->exiting());
  ASSERT_TRUE(guest.kernel->SignalFromRuntime(*group, abi::kSigKill).ok());
  EXPECT_EQ(guest.kernel->WaitForExit(*group).signo, abi::kSigKill);
}

// Steps: 0 set up, 1 pause, 2 exit, 3 handler, 4 sigreturn.
void AddPauseProgram(FakeGuest& guest, uint64_t flags, Restart how, int* pauses, int* handled) {
  guest.Add([flags](Task& t) -> SyscallResult {
    t.regs().r12 = 1234;
    Handle(t, abi::kSigUsr1, FakeGuest::Address(3), FakeGuest::Address(4), flags);
    return 0;
  });
  guest.Add([how, pauses](Task& t) -> SyscallResult {
    if (++*pauses == 2) return 99;
    return Pause(t, how);
  });
  guest.Add([](Task& t) {
    EXPECT_EQ(t.regs().r12, 1234u);
    EXPECT_TRUE(t.blocked().empty());
    return ExitGroup(t, static_cast<int64_t>(t.regs().rbx) == -4 ? 4 : static_cast<int>(t.regs().rbx));
  });
  guest.Add([handled](Task& t) {
    ++*handled;
    EXPECT_EQ(t.regs().rsp % 16, 8u);
    EXPECT_EQ(t.regs().rdi, static_cast<uint64_t>(abi::kSigUsr1));
    EXPECT_TRUE(t.blocked().Has(abi::kSigUsr1));
    t.regs().r12 = 0;
    return ReturnTo(t, FakeGuest::Address(4));
  });
  guest.Add([](Task& t) -> SyscallResult {
    SyscallResult result = t.ReturnFromSignal();
    // Keep what the call returned where the exit step finds it.
    t.regs().rbx = t.regs().rax;
    return result;
  });
}

TEST(Guest, HandlerEndsTheCall) {
  FakeGuest guest;
  int pauses = 0, handled = 0;
  AddPauseProgram(guest, 0, Restart::kSys, &pauses, &handled);
  RefPtr<ThreadGroup> group = guest.Start();
  SendOnceAsleep(group, abi::kSigUsr1);
  EXPECT_EQ(guest.kernel->WaitForExit(*group).code, 4);  // EINTR
  EXPECT_EQ(pauses, 1);
  EXPECT_EQ(handled, 1);
}

TEST(Guest, HandlerWithRestart) {
  FakeGuest guest;
  int pauses = 0, handled = 0;
  AddPauseProgram(guest, abi::kSaRestart, Restart::kSys, &pauses, &handled);
  RefPtr<ThreadGroup> group = guest.Start();
  SendOnceAsleep(group, abi::kSigUsr1);
  guest.kernel->WaitForExit(*group);
  EXPECT_EQ(pauses, 2);
  EXPECT_EQ(handled, 1);
}

TEST(Guest, TemporaryMaskComesBackWithTheFrame) {
  FakeGuest guest;
  static int handled;
  handled = 0;
  guest.Add([](Task& t) -> SyscallResult {
    Handle(t, abi::kSigUsr1, FakeGuest::Address(3), FakeGuest::Address(4), 0);
    SignalSet set;
    set.Add(abi::kSigUsr1);
    t.SetBlocked(set);
    (void)t.group().SendSignal({.signo = abi::kSigUsr1});
    EXPECT_FALSE(t.interrupted());
    return 0;
  });
  guest.Add([](Task& t) {  // sigsuspend
    t.SetTemporaryMask({});
    return Pause(t, Restart::kNoHand);
  });
  guest.Add([](Task& t) { return ExitGroup(t, handled == 1 && t.blocked().Has(abi::kSigUsr1) ? 0 : 1); });
  guest.Add([](Task& t) {
    ++handled;
    return ReturnTo(t, FakeGuest::Address(4));
  });
  guest.Add([](Task& t) { return t.ReturnFromSignal(); });
  EXPECT_EQ(guest.Run().code, 0);
}

TEST(Guest, StopAndContinue) {
  FakeGuest guest;
  guest.Add([](Task& t) { return t.Clone(ForkArgs()); });
  guest.Add([](Task& t) -> SyscallResult {
    if (t.tid() == 2) return Pause(t, Restart::kNoHand);
    (void)t.FindGroup(2)->SendSignal({.signo = abi::kSigStop});
    auto stopped = t.Wait(WaitAny(abi::kWStopped));
    if (!stopped.ok()) return stopped.error();
    EXPECT_EQ(stopped.value().code, abi::kCldStopped);
    EXPECT_EQ(stopped.value().wait_status, (abi::kSigStop << 8) | 0x7f);
    return 0;
  });
  guest.Add([](Task& t) -> SyscallResult {
    (void)t.FindGroup(2)->SendSignal({.signo = abi::kSigCont});
    auto continued = t.Wait(WaitAny(abi::kWContinued));
    if (!continued.ok()) return continued.error();
    EXPECT_EQ(continued.value().wait_status, 0xffff);
    (void)t.FindGroup(2)->SendSignal({.signo = abi::kSigTerm});
    return 0;
  });
  guest.Add([](Task& t) -> SyscallResult {
    auto killed = t.Wait(WaitAny());
    if (!killed.ok()) return killed.error();
    EXPECT_EQ(killed.value().wait_status, abi::kSigTerm);
    return ExitGroup(t, 0);
  });
  EXPECT_EQ(guest.Run().code, 0);
}

TEST(Guest, FutexBetweenThreads) {
  FakeGuest guest;
  guest.Add([](Task& t) { return t.Clone(ThreadArgs()); });
  guest.Add([](Task& t) -> SyscallResult {
    const UserAddr word(kScratch);
    FutexTable& futexes = t.kernel().futexes();
    if (t.is_leader()) {
      auto waited = futexes.Wait(t, word, FutexScope::kPrivate, 0, UINT32_MAX, std::nullopt);
      if (waited.ok()) return ExitGroup(t, 0);
      return ExitGroup(t, *waited.error().errno_if() == Errno::kEAGAIN ? 0 : 1);
    }
    usleep(10'000);
    EXPECT_TRUE(UserOut<uint32_t>(word).Write(t.mm(), 1).ok());
    EXPECT_EQ(futexes.Wake(t.mm(), word, FutexScope::kPrivate, 1, UINT32_MAX).value(), 1);
    auto late = futexes.Wait(t, word, FutexScope::kPrivate, 1, UINT32_MAX, DeadlineAfter(1'000'000));
    EXPECT_TRUE(!late.ok() && (late.interrupted() || *late.error().errno_if() == Errno::kETIMEDOUT));
    return t.Exit(0);
  });
  EXPECT_EQ(guest.Run().code, 0);
}

TEST(Guest, ExecEndsTheOtherThreads) {
  FakeGuest guest;
  static Path root;
  static std::atomic<int> execs;
  root = guest.root();
  execs = 0;
  guest.Add([](Task& t) -> SyscallResult {
    if (execs > 0) return ExitGroup(t, t.tid() == 1 && t.group().tasks().size() == 1 ? 0 : 1);
    return t.Clone(ThreadArgs());
  });
  guest.Add([](Task& t) -> SyscallResult {
    if (t.is_leader()) return Pause(t, Restart::kNoHand);
    usleep(5'000);
    ++execs;
    return t.Execve(root, "/program", {}, {"program"}, {});
  });
  EXPECT_EQ(guest.Run().code, 0);
  root = Path();
}

TEST(Guest, OrphansGoToInit) {
  FakeGuest guest;
  guest.Add([](Task& t) { return t.Clone(ForkArgs()); });
  guest.Add([](Task& t) -> SyscallResult {
    if (t.tid() == 2) return t.Clone(ForkArgs());
    return 0;
  });
  guest.Add([](Task& t) -> SyscallResult {
    if (t.tid() == 2) return ExitGroup(t, 0);
    if (t.tid() == 3) {
      while (t.group().ppid() != 1) usleep(1000);
      return ExitGroup(t, 9);
    }
    for (int i = 0; i < 2; ++i) {
      auto outcome = t.Wait(WaitAny());
      if (!outcome.ok()) return outcome.error();
      if (outcome.value().pid == 3) {
        EXPECT_EQ(outcome.value().status, 9);
      }
    }
    return ExitGroup(t, 0);
  });
  EXPECT_EQ(guest.Run().code, 0);
}

TEST(Guest, AlarmAndTimer) {
  FakeGuest guest;
  static int handled;
  handled = 0;
  guest.Add([](Task& t) -> SyscallResult {
    Handle(t, abi::kSigAlrm, FakeGuest::Address(3), FakeGuest::Address(4), 0);
    (void)t.group().timers().SetItimer(abi::kItimerReal, {.value = 5'000'000, .interval = 0});
    auto id = t.group().timers().Create(abi::kClockMonotonic, nullptr);
    EXPECT_TRUE(id.ok());
    abi::Itimerspec spec;
    spec.value.nsec = 10'000'000;
    spec.interval.nsec = 1'000'000;
    EXPECT_TRUE(t.group().timers().Set(*id, 0, spec).ok());
    return 0;
  });
  guest.Add([](Task& t) { return Pause(t, Restart::kNoHand); });
  guest.Add([](Task& t) -> SyscallResult {
    if (handled < 5) t.regs().rip = FakeGuest::Address(1);
    if (handled < 5) return 0;
    return ExitGroup(t, 0);
  });
  guest.Add([](Task& t) {
    ++handled;
    return ReturnTo(t, FakeGuest::Address(4));
  });
  guest.Add([](Task& t) { return t.ReturnFromSignal(); });
  EXPECT_EQ(guest.Run().code, 0);
}

}  // namespace
}  // namespace sentry
