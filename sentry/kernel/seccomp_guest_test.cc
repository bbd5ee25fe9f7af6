// Filters on guests that are lists of steps: a step's number is its system call's.
#include <atomic>

#include "gtest/gtest.h"
#include "sentry/kernel/fake_guest.h"

namespace sentry {
namespace {

// `answer` for one step; all others are allowed.
std::vector<abi::SockFilter> Rule(uint32_t step, uint32_t answer) {
  return {{abi::kBpfLd | abi::kBpfW | abi::kBpfAbs, 0, 0, 0},
          {abi::kBpfJmp | abi::kBpfJeq, 0, 1, step},
          {abi::kBpfRet, 0, 0, answer},
          {abi::kBpfRet, 0, 0, abi::kSeccompRetAllow}};
}

// What the runtime does for a container.
void InstallAtStart(FakeGuest& guest, std::vector<abi::SockFilter> program) {
  guest.before_start = [program = std::move(program)](Task& task) {
    EXPECT_TRUE(InstallSeccompProgram(task, program, abi::kSeccompFilterLog).ok());
    const Task::SeccompStatus status = task.seccomp_status();
    EXPECT_EQ(status.mode, TaskSeccomp::Mode::kFilter);
    EXPECT_EQ(status.filters, 1);
  };
}

TEST(SeccompGuest, InstalledBeforeTheFirstCall) {
  FakeGuest guest;
  std::atomic<int> made{0};
  InstallAtStart(guest, Rule(0, abi::kSeccompRetErrno | 33));
  guest.Add([&](Task&) -> SyscallResult { return ++made; });
  guest.Add([](Task& t) { return ExitGroup(t, 5); });
  EXPECT_EQ(guest.Run().code, 5);
  EXPECT_EQ(made, 0);
}

TEST(SeccompGuest, KillsTheProcess) {
  FakeGuest guest;
  InstallAtStart(guest, Rule(1, abi::kSeccompRetKillProcess));
  guest.Add([](Task&) { return 0; });
  guest.Add([](Task& t) { return ExitGroup(t, 5); });
  EXPECT_EQ(guest.Run().signo, abi::kSigSys);
}

TEST(SeccompGuest, AnswersStandOnlyWhereFiltersAlwaysAllow) {
  FakeGuest guest;
  InstallAtStart(guest, Rule(1, abi::kSeccompRetErrno));
  guest.Add([](Task& t) {
    EXPECT_TRUE(t.seccomp_state().AnswersStand(0));
    EXPECT_FALSE(t.seccomp_state().AnswersStand(1));
    return ExitGroup(t, 5);
  });
  EXPECT_EQ(guest.Run().code, 5);
}

TEST(SeccompGuest, StrictModeAllowsReadAndWriteOnly) {
  FakeGuest guest;
  std::atomic<int> made{0};
  guest.Add([](Task& t) -> SyscallResult { return t.SetSeccompStrict(); });
  guest.Add([&](Task&) -> SyscallResult { return ++made; });  // 1: write
  guest.Add([&](Task&) -> SyscallResult { return ++made; });  // 2: open
  EXPECT_EQ(guest.Run().signo, abi::kSigKill);
  EXPECT_EQ(made, 1);
}

TEST(SeccompGuest, RuntimeCannotAskForMoreThanItCanHave) {
  FakeGuest guest;
  guest.before_start = [](Task& task) {
    EXPECT_TRUE(InstallSeccompProgram(task, Rule(0, 0), abi::kSeccompFilterTsync).Is(Errno::kEINVAL));
    EXPECT_TRUE(InstallSeccompProgram(task, Rule(0, 0), abi::kSeccompFilterNewListener).Is(Errno::kEINVAL));
    EXPECT_TRUE(InstallSeccompProgram(task, {}, 0).Is(Errno::kEINVAL));
  };
  guest.Add([](Task& t) {
    EXPECT_FALSE(t.seccomp_state().active());
    return ExitGroup(t, 0);
  });
  EXPECT_EQ(guest.Run().code, 0);
}

}  // namespace
}  // namespace sentry
