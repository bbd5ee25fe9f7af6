// How `runsc-cpp debug` finds running sandboxes: an abstract socket each, named
// after the runsc-cpp process that supervises it. Nothing is left on disk.
#ifndef RUNSC_CPP_SANDBOX_DEBUG_SOCKET_H_
#define RUNSC_CPP_SANDBOX_DEBUG_SOCKET_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace runsc {

class DebugSocket {
 public:
  // Without one (no network namespace allows it) a sandbox just can't be asked.
  static DebugSocket Listen();
  int fd() const { return listener_.valid() ? listener_.get() : -1; }
  // Takes a caller of our own user (or root) and gives it what `report` says.
  void Serve(const std::function<std::string()>& report);

 private:
  base::UniqueFd listener_;
};

// The supervisors that run now, of any user.
std::vector<pid_t> ListSandboxes();
// Asks one what system calls its guests missed.
absl::StatusOr<std::string> AskUnimplemented(pid_t supervisor);

}  // namespace runsc

#endif  // RUNSC_CPP_SANDBOX_DEBUG_SOCKET_H_
