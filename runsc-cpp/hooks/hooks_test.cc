#include "runsc-cpp/hooks/hooks.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"

namespace runsc {
namespace {

constexpr char kState[] = R"({"ociVersion":"1.2.0","id":"c1","status":"creating","pid":7})";

class HooksTest : public ::testing::Test {
 protected:
  HooksTest() {
    char name[] = "/tmp/hooks_test.XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~HooksTest() override { (void)!system(("rm -rf " + directory_).c_str()); }

  oci::Hook Shell(const std::string& script) {
    oci::Hook hook;
    hook.path = "/bin/sh";
    hook.args = {"sh", "-c", script};
    return hook;
  }
  std::string Out(const std::string& name = "out") {
    std::ifstream in(directory_ + "/" + name);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }
  std::string directory_;
};

TEST_F(HooksTest, GetsTheStateOnStandardInput) {
  const absl::Status s = RunHook(Shell("cat > " + directory_ + "/out"), kState);
  ASSERT_TRUE(s.ok()) << s;
  EXPECT_EQ(Out(), kState);
}

TEST_F(HooksTest, GetsExactlyItsEnvironment) {
  setenv("LEAKED", "yes", 1);
  oci::Hook hook;
  hook.path = "/usr/bin/env";
  hook.args = {"env", "-u", "NONE", "/bin/sh", "-c", "/usr/bin/env > " + directory_ + "/out"};
  hook.env = {"A=1", "B=two words"};
  ASSERT_TRUE(RunHook(hook, kState).ok());
  EXPECT_TRUE(absl::StrContains(Out(), "A=1\nB=two words\n"));
  EXPECT_FALSE(absl::StrContains(Out(), "LEAKED"));
}

TEST_F(HooksTest, GetsNoOtherDescriptor) {
  const base::UniqueFd inherited(open("/", O_RDONLY));  // not close-on-exec
  EXPECT_EQ(RunHook(Shell("ls /proc/$$/fd; exit 1"), kState).message(),
            "error running hook: exit status 1, stdout: 0\n1\n2\n, stderr: ");
}

TEST_F(HooksTest, HasDefaultSignals) {
  signal(SIGUSR1, SIG_IGN);
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  const absl::Status s = RunHook(Shell("grep -E 'Sig(Blk|Ign)' /proc/self/status > " + directory_ + "/out"), kState);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(s.ok()) << s;
  unsigned long long blocked = ~0ull, ignored = ~0ull;
  ASSERT_EQ(sscanf(Out().c_str(), "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2) << Out();
  EXPECT_EQ(blocked, 0u);
  EXPECT_EQ(ignored & 0x7fffffff, 0u);  // 32 and 33 are libc's own
}

TEST_F(HooksTest, ErrorHasExitStatusAndOutput) {
  EXPECT_EQ(RunHook(Shell("echo to-out; echo to-err >&2; exit 3"), kState).message(),
            "error running hook: exit status 3, stdout: to-out\n, stderr: to-err\n");
  EXPECT_EQ(RunHook(Shell("kill -KILL $$"), kState).message(),
            "error running hook: signal: killed, stdout: , stderr: ");
}

TEST_F(HooksTest, MuchOutputIsCutAndDoesNotBlock) {
  const absl::Status s = RunHook(Shell("head -c 1000000 /dev/zero | tr '\\0' x; exit 1"), kState);
  EXPECT_LT(s.message().size(), 20'000u);
  EXPECT_GT(s.message().size(), 16'000u);
}

TEST_F(HooksTest, AProgramThatIsNotThere) {
  oci::Hook hook;
  hook.path = "/nonexistent/hook";
  EXPECT_EQ(RunHook(hook, kState).message(), "fork/exec /nonexistent/hook: no such file or directory");
  hook.path = "/etc/passwd";
  EXPECT_EQ(RunHook(hook, kState).message(), "fork/exec /etc/passwd: permission denied");
  hook.path = "relative";
  EXPECT_FALSE(RunHook(hook, kState).ok());
}

TEST_F(HooksTest, WithoutArgumentsItsNameIsItsPath) {
  oci::Hook hook;
  hook.path = directory_ + "/hook";
  std::ofstream(hook.path) << "#!/bin/sh\necho \"$0 $#\" > " << directory_ << "/out\n";
  chmod(hook.path.c_str(), 0755);
  ASSERT_TRUE(RunHook(hook, kState).ok());
  EXPECT_EQ(Out(), hook.path + " 0\n");
}

TEST_F(HooksTest, IsKilledAtItsTimeout) {
  oci::Hook hook = Shell("exec sleep 60");
  hook.timeout = 1;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(RunHook(hook, kState).message(), "hook ran past specified timeout of 1.0s");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);  // no child is left
  hook.timeout = 0;
  EXPECT_EQ(RunHook(hook, kState).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(HooksTest, AChildThatHoldsThePipesIsNotWaitedFor) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(RunHook(Shell("sleep 60 & exit 0"), kState).ok());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

TEST_F(HooksTest, StopsAtTheFirstErrorAndNamesIt) {
  const std::vector<oci::Hook> hooks = {Shell("true"), Shell("exit 1"), Shell("touch " + directory_ + "/out")};
  EXPECT_EQ(RunHooks("createRuntime", hooks, kState).message(),
            "error running createRuntime hook #1: error running hook: exit status 1, stdout: , stderr: ");
  EXPECT_NE(access((directory_ + "/out").c_str(), F_OK), 0);
  EXPECT_EQ(RunEveryHook("poststop", hooks, kState).size(), 1u);
  EXPECT_EQ(access((directory_ + "/out").c_str(), F_OK), 0);
}

TEST_F(HooksTest, RunsInTheDirectoryThatItIsGiven) {
  ASSERT_TRUE(RunHook(Shell("/bin/pwd > out"), kState, OnHost({.namespaces = {}, .directory = directory_})).ok());
  EXPECT_EQ(Out(), directory_ + "\n");
}

TEST_F(HooksTest, EntersNamespaces) {
  // A process in a UTS namespace of its own shows the way in.
  int ready[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    const bool done = unshare(CLONE_NEWUTS) == 0 && sethostname("inside", 6) == 0;
    (void)!write(ready[1], done ? "y" : "n", 1);
    while (true) pause();
  }
  char answer = 'n';
  (void)!read(ready[0], &answer, 1);
  const std::string path = absl::StrCat("/proc/", pid, "/ns/uts");
  const base::UniqueFd uts(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const HookStarter inside = OnHost({.namespaces = {uts.get()}, .directory = ""});
  const absl::Status s = RunHook(Shell("cat /proc/sys/kernel/hostname > " + directory_ + "/out"), kState, inside);
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  if (answer != 'y') GTEST_SKIP() << "no right to make a namespace";
  ASSERT_TRUE(s.ok()) << s;
  EXPECT_EQ(Out(), "inside\n");
  const HookStarter nowhere = OnHost({.namespaces = {0}, .directory = ""});
  EXPECT_TRUE(
      absl::StartsWith(RunHook(Shell("true"), kState, nowhere).message(), "enter a namespace for hook /bin/sh: "));
}

}  // namespace
}  // namespace runsc
