// Whose children have ended. The shim is the subreaper of what the runtime leaves behind, so some of them are unknown
// when they end: a process may end before the command that started it.
#ifndef RUNSC_CPP_SHIM_REAPER_H_
#define RUNSC_CPP_SHIM_REAPER_H_

#include <sys/types.h>

#include <functional>
#include <map>

#include "absl/status/status.h"
#include "base/unique_fd.h"
#include "runsc-cpp/shim/loop.h"

namespace runsc::shim {

class Reaper {
 public:
  using OnEnd = std::function<void(int wait_status)>;

  explicit Reaper(Loop& loop) : loop_(loop) {}
  ~Reaper() { loop_.Forget(signals_.get()); }
  // Blocks SIGCHLD; all children that end are reaped from now on.
  absl::Status Start();

  // Calls once, never before it returns.
  void Watch(pid_t pid, OnEnd on_end);

  // While a hold lives, ends of unknown processes are remembered for Watch.
  void Hold() { ++holds_; }
  Loop& loop() { return loop_; }
  void Release() {
    if (--holds_ == 0) early_.clear();
  }

 private:
  void ReapAll();

  Loop& loop_;
  base::UniqueFd signals_;
  std::map<pid_t, OnEnd> watched_;
  std::map<pid_t, int> early_;
  int holds_ = 0;
};

// 0 to 255; 128 and the number of a signal, as shells have it.
uint32_t ExitStatusOf(int wait_status);

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_REAPER_H_
