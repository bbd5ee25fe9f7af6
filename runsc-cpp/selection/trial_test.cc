#include "runsc-cpp/selection/trial.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstddef>
#include <string>

#include "runsc-cpp/selection/fake_platform.h"

namespace runsc {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kShort{200};

class TrialTest : public testing::Test {
 protected:
  // Nothing may be left: no child of any kind.
  void TearDown() override {
    EXPECT_EQ(waitpid(-1, nullptr, __WALL | WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
  }

  static void Expect(const PlatformChoice& candidate, absl::StatusCode code, const std::string& words) {
    const absl::StatusOr<uint64_t> answer = TryPlatform(candidate, milliseconds(5000));
    EXPECT_EQ(answer.status().code(), code) << answer.status();
    EXPECT_NE(answer.status().message().find(words), absl::string_view::npos) << answer.status();
  }
  static void ExpectFailure(const PlatformChoice& candidate, const std::string& words) {
    Expect(candidate, absl::StatusCode::kFailedPrecondition, words);
  }
  static void ExpectTimeout(const PlatformChoice& candidate) {
    const Clock::time_point start = Clock::now();
    const absl::StatusOr<uint64_t> answer = TryPlatform(candidate, kShort);
    EXPECT_TRUE(absl::IsDeadlineExceeded(answer.status())) << answer.status();
    EXPECT_EQ(answer.status().message(), "no answer within 0.2 s");
    EXPECT_LT(Clock::now() - start, kShort + milliseconds(300));  // a busy machine's due
  }
};

TEST_F(TrialTest, AHangIsEnded) { ExpectTimeout(kFake<Fault::kHangs>); }
TEST_F(TrialTest, AHangWithAllSignalsBlockedIsEnded) { ExpectTimeout(kFake<Fault::kHangsDeaf>); }

TEST_F(TrialTest, WhatIsWrongIsSaid) {
  ExpectFailure(kFake<Fault::kCrashes>, "died of signal 4");
  ExpectFailure(kFake<Fault::kExits>, "without an answer");
  ExpectFailure(kFake<Fault::kWrongRegisters>, "wrong registers");
  ExpectFailure(kFake<Fault::kFaultInstead>, "a page fault came where a system call should");
  ExpectFailure(kFake<Fault::kGuestDies>, "the guest fell over");
  ExpectFailure(kFake<Fault::kNoCreate>, "the host lacks a flux capacitor");
}

TEST_F(TrialTest, WantOfMemoryPasses) {
  Expect(kFake<Fault::kNoMemory>, absl::StatusCode::kUnavailable, "Cannot allocate memory");
}

TEST_F(TrialTest, AnIgnoredSigchldIsNoMatter) {
  signal(SIGCHLD, SIG_IGN);
  ExpectFailure(kFake<Fault::kCrashes>, "died of signal 4");
  EXPECT_EQ(signal(SIGCHLD, SIG_DFL), SIG_IGN);
}

// The host of the tests runs the conformance tests too.
TEST_F(TrialTest, EveryPlatformOfTheTableWorks) {
  for (const PlatformChoice& candidate : Platforms()) {
    const absl::StatusOr<uint64_t> answer = TryPlatform(candidate, milliseconds(10000));
    ASSERT_TRUE(answer.ok()) << candidate.name << ": " << answer.status();
    EXPECT_GT(*answer, 100u);
    EXPECT_LT(*answer, 10'000'000u);
  }
}

// In a child: a filter is for ever.
TEST_F(TrialTest, AHostThatForbidsPtrace) {
  const pid_t child = fork();
  if (child == 0) {
    sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ptrace, 0, 1),
                          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const sock_fprog program = {std::size(code), code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(1);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) _exit(1);
    const absl::Status status = TryPlatform(*FindPlatform("ptrace")).status();
    _exit(status.message() == "ptrace is not permitted here" ? 0 : 2);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace runsc
