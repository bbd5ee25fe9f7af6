#include "runsc-cpp/container/placing.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace runsc {
namespace {

// What a template does; exits with 0 once it was let go on.
pid_t StartTemplate(int place, int flags = 0) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  if (flags != 0 && (unshare(flags) != 0 || fork() != 0)) {
    wait(nullptr);
    _exit(0);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  char byte = 0;
  _exit(send(place, &byte, 1, MSG_NOSIGNAL) == 1 && recv(place, &byte, 1, 0) == 1 ? 0 : 1);
}

int ExitCode(pid_t pid) {
  int status = -1;
  waitpid(pid, &status, 0);
  return status;
}

class PlacingTest : public testing::Test {
 protected:
  PlacingTest() {
    char name[] = "/tmp/placing_test.XXXXXX";
    directory_ = mkdtemp(name);
    std::ofstream(directory_ + "/cgroup.procs").put('\n');
  }
  ~PlacingTest() override { (void)!system(("rm -rf " + directory_).c_str()); }

  absl::Status Finish(Placing& placing, pid_t sentry) {
    cgroup::Cgroup cgroup =
        cgroup::Cgroup::Of({}, {.mode = cgroup::Mode::kUnified, .location = {}, .paths = {{"", directory_}}});
    return placing.Finish(cgroup, sentry);
  }
  std::string Joined() const {
    std::string line;
    std::getline(std::ifstream(directory_ + "/cgroup.procs"), line);
    return line;
  }

  std::string directory_;
};

TEST_F(PlacingTest, WhoeverSendsJoins) {
  absl::StatusOr<Placing> placing = Placing::Make();
  ASSERT_TRUE(placing.ok()) << placing.status();
  const pid_t pid = StartTemplate(placing->theirs());
  const absl::Status status = Finish(*placing, getpid());
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(Joined(), std::to_string(pid));
  EXPECT_EQ(ExitCode(pid), 0);
}

TEST_F(PlacingTest, NobodyJoinsWhereNothingIsSent) {
  absl::StatusOr<Placing> placing = Placing::Make();
  ASSERT_TRUE(placing.ok()) << placing.status();
  EXPECT_TRUE(Finish(*placing, getpid()).ok());
  EXPECT_EQ(Joined(), "");
}

TEST_F(PlacingTest, AProcessOfAnotherPidNamespaceIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  absl::StatusOr<Placing> placing = Placing::Make();
  ASSERT_TRUE(placing.ok()) << placing.status();
  const pid_t pid = StartTemplate(placing->theirs(), CLONE_NEWPID);
  EXPECT_FALSE(Finish(*placing, getpid()).ok());
  EXPECT_EQ(Joined(), "");
  kill(pid, SIGKILL);
  ExitCode(pid);
}

}  // namespace
}  // namespace runsc
