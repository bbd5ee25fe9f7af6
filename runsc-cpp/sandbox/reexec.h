// The ways from a clone of this process to the same binary anew, with few descriptors and no environment.
#ifndef RUNSC_CPP_SANDBOX_REEXEC_H_
#define RUNSC_CPP_SANDBOX_REEXEC_H_

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace runsc {

// Numbers for descriptors in the order in which ExecSelf will give them: from 3 on, the configuration's first.
class DescriptorPlan {
 public:
  DescriptorPlan() : fds_{-1} {}
  uint32_t Add(int fd);
  std::vector<uint32_t> AddAll(const std::vector<base::UniqueFd>& list);
  const std::vector<int>& fds() const { return fds_; }

 private:
  std::vector<int> fds_;
};

// clone(2) as fork: the child goes on from here with a copy of this memory. One thread only.
pid_t ForkWith(uint64_t flags);

// For a child that has left the terminal's session: no signal is blocked, ignored or waiting. What the terminal sent
// to all of its job before is the supervisor's business.
void ResetSignals();

// What a re-execution needs of the host's file system; opened before any root is left.
struct SelfFiles {
  base::UniqueFd binary;
  base::UniqueFd null;  // /dev/null
};
absl::StatusOr<SelfFiles> OpenSelf();

// Executes the binary with `title` as its name and `verb` as its argument. It has `config_fd` as kConfigFd, and what
// the plan has; 0 to 2 are /dev/null: ours may be pipes that somebody reads to their end.
[[noreturn]] void ExecSelf(const SelfFiles& self, const char* title, const char* verb, int config_fd,
                           const DescriptorPlan& plan);

}  // namespace runsc

#endif  // RUNSC_CPP_SANDBOX_REEXEC_H_
