#include "runsc-cpp/hooks/child.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace runsc {
namespace {

[[noreturn]] void Fail(int trouble, HookStep step) {
  const HookTrouble why = {step, errno};
  (void)!write(trouble, &why, sizeof why);
  _exit(127);
}

// Ours may be blocked or ignored, which execve would keep.
void ResetSignals() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (int signo = 1; signo < NSIG; ++signo) sigaction(signo, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

HookChild::HookChild(const oci::Hook& hook, const HookPlace& place)
    : place_(place), path_(hook.path.c_str()), program_(open(path_, O_PATH | O_CLOEXEC)) {
  for (const std::string& arg : hook.args) args_.push_back(const_cast<char*>(arg.c_str()));
  if (args_.empty()) args_.push_back(const_cast<char*>(path_));
  args_.push_back(nullptr);
  for (const std::string& variable : hook.env) env_.push_back(const_cast<char*>(variable.c_str()));
  env_.push_back(nullptr);
}

void HookChild::Run(std::array<int, 3> standard, int trouble) const {
  ResetSignals();
  // None of them is below 3: the caller has 0 to 2 open.
  for (int fd = 0; fd < 3; ++fd) {
    if (dup2(standard[fd], fd) < 0) Fail(trouble, HookStep::kDescriptors);
  }
  if (syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) != 0) Fail(trouble, HookStep::kDescriptors);
  for (const int fd : place_.namespaces) {
    if (setns(fd, 0) != 0) Fail(trouble, HookStep::kNamespace);
  }
  if (!place_.directory.empty() && chdir(place_.directory.c_str()) != 0) Fail(trouble, HookStep::kDirectory);
  execve(path_, args_.data(), env_.data());
  if (errno == ENOENT && program_) {
    syscall(SYS_execveat, program_.get(), "", args_.data(), env_.data(), AT_EMPTY_PATH);
  }
  Fail(trouble, HookStep::kExec);
}

}  // namespace runsc
