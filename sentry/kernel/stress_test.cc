// Races of guests' threads: futexes under contention, forks under signals,
// several execs at once.
#include <atomic>

#include "gtest/gtest.h"
#include "sentry/abi/sched.h"
#include "sentry/kernel/fake_guest.h"
#include "sentry/kernel/futex/futex.h"
#include "sentry/usermem/user_ptr.h"

namespace sentry {
namespace {

constexpr uint64_t kLock = 0x400800, kCounter = 0x400804;
constexpr int kThreads = 6;

Task::CloneArgs ThreadArgs() {
  Task::CloneArgs args;
  args.flags = abi::kCloneVm | abi::kCloneFs | abi::kCloneFiles | abi::kCloneSighand | abi::kCloneThread;
  args.stack = UserAddr(0x400f00);
  return args;
}
// Clones kThreads threads: step 0, r12 counts. A thread's own r13 is 1.
void AddThreads(FakeGuest& guest) {
  guest.Add([](Task& t) -> SyscallResult {
    if (!t.is_leader() || t.regs().r12 == kThreads) return 0;
    SyscallResult result = t.Clone(ThreadArgs());
    if (result.value_if()) {
      ++t.regs().r12;
      t.regs().rip = FakeGuest::Address(0);
    }
    return result;
  });
}

// The mutex of man 7 futex: 0 free, 1 taken, 2 taken and waited for.
TEST(Stress, FutexMutex) {
  constexpr int kRounds = 300;
  FakeGuest guest;
  static std::atomic<int> done;
  done = 0;
  AddThreads(guest);
  guest.Add([](Task& t) -> SyscallResult {
    const UserAddr lock(kLock), counter(kCounter);
    FutexTable& futexes = t.kernel().futexes();
    for (int i = 0; i < kRounds; ++i) {
      uint32_t found = t.mm().CompareExchangeU32(lock, 0, 1).value();
      while (found != 0) {
        if (found == 2 || t.mm().CompareExchangeU32(lock, 1, 2).value() != 0) {
          (void)futexes.Wait(t, lock, FutexScope::kPrivate, 2, UINT32_MAX, std::nullopt);
        }
        found = t.mm().CompareExchangeU32(lock, 0, 2).value();
      }
      const uint32_t n = t.mm().LoadU32(counter).value();
      if (i % 16 == 0) usleep(50);
      EXPECT_TRUE(UserOut<uint32_t>(counter).Write(t.mm(), n + 1).ok());
      const uint32_t held = t.mm().LoadU32(lock).value();
      EXPECT_NE(held, 0u);
      if (t.mm().CompareExchangeU32(lock, 1, 0).value() == 2) {
        EXPECT_TRUE(UserOut<uint32_t>(lock).Write(t.mm(), 0).ok());
        (void)futexes.Wake(t.mm(), lock, FutexScope::kPrivate, 1, UINT32_MAX);
      }
    }
    if (++done < kThreads + 1) return t.Exit(0);
    return ExitGroup(t, t.mm().LoadU32(counter).value() == kRounds * (kThreads + 1) ? 0 : 1);
  });
  const ExitStatus status = guest.Run();
  EXPECT_EQ(status.code, 0);
  EXPECT_EQ(status.signo, 0);
}

// Each thread locks and unlocks a PI word.
TEST(Stress, PiMutex) {
  FakeGuest guest;
  static std::atomic<int> done, inside;
  done = inside = 0;
  AddThreads(guest);
  guest.Add([](Task& t) -> SyscallResult {
    const UserAddr lock(kLock);
    FutexTable& futexes = t.kernel().futexes();
    for (int i = 0; i < 100; ++i) {
      auto locked = futexes.LockPi(t, lock, FutexScope::kPrivate, std::nullopt, 0);
      if (!locked.ok()) return locked.error();
      EXPECT_EQ(++inside, 1);
      if (i % 8 == 0) usleep(50);
      --inside;
      EXPECT_TRUE(futexes.UnlockPi(t, lock, FutexScope::kPrivate).ok());
    }
    if (++done < kThreads + 1) return t.Exit(0);
    return ExitGroup(t, 0);
  });
  EXPECT_EQ(guest.Run().code, 0);
}

TEST(Stress, ForksUnderSignals) {
  FakeGuest guest;
  static std::atomic<int> handled;
  handled = 0;
  guest.Add([](Task& t) -> SyscallResult {
    abi::SigAction action;
    action.handler = FakeGuest::Address(3);
    action.restorer = FakeGuest::Address(4);
    action.flags = abi::kSaRestorer | abi::kSaRestart;
    t.group().ExchangeAction(abi::kSigUsr1, action);
    t.regs().r12 = 0;
    return 0;
  });
  guest.Add([](Task& t) -> SyscallResult {
    Task::CloneArgs args;
    args.exit_signal = abi::kSigChld;
    return t.Clone(args);
  });
  guest.Add([](Task& t) -> SyscallResult {
    if (t.tid() != 1) {
      (void)t.group().parent()->SendSignal({.signo = abi::kSigUsr1});
      return ExitGroup(t, 1);
    }
    auto outcome = t.Wait({.options = abi::kWExited});
    if (!outcome.ok()) return outcome.error();
    EXPECT_EQ(outcome.value().status, 1);
    if (++t.regs().r12 == 100) return ExitGroup(t, 0);
    t.regs().rip = FakeGuest::Address(1);
    return 0;
  });
  guest.Add([](Task& t) -> SyscallResult {
    ++handled;
    t.regs().rsp += 8;
    t.regs().rip = FakeGuest::Address(4);
    return 0;
  });
  guest.Add([](Task& t) { return t.ReturnFromSignal(); });
  EXPECT_EQ(guest.Run().code, 0);
  EXPECT_GT(handled, 0);
  EXPECT_EQ(guest.kernel->task_count(), 0u);
}

TEST(Stress, AllThreadsExec) {
  for (int round = 0; round < 20; ++round) {
    FakeGuest guest;
    static Path root;
    static std::atomic<int> started, execs;
    root = guest.root();
    started = execs = 0;
    guest.Add([](Task& t) -> SyscallResult {
      if (execs > 0 && t.regs().r12 == 0 && t.group().executed_since_fork) {
        return ExitGroup(t, t.tid() == 1 && t.group().tasks().size() == 1 ? 0 : 1);
      }
      if (!t.is_leader() || t.regs().r12 == kThreads) return 0;
      SyscallResult result = t.Clone(ThreadArgs());
      if (result.value_if()) {
        ++t.regs().r12;
        t.regs().rip = FakeGuest::Address(0);
      }
      return result;
    });
    guest.Add([](Task& t) -> SyscallResult {
      ++started;
      while (started < kThreads + 1) usleep(100);
      ++execs;
      return t.Execve(root, "/program", {}, {"program"}, {});
    });
    const ExitStatus status = guest.Run();
    EXPECT_EQ(status.code, 0);
    EXPECT_EQ(status.signo, 0);
    root = Path();
  }
}

}  // namespace
}  // namespace sentry
