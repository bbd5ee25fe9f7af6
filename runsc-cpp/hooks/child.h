// The child that becomes a hook, between fork and execve.
#ifndef RUNSC_CPP_HOOKS_CHILD_H_
#define RUNSC_CPP_HOOKS_CHILD_H_

#include <array>
#include <cstdint>
#include <vector>

#include "base/unique_fd.h"
#include "runsc-cpp/hooks/hooks.h"

namespace runsc {

enum class HookStep : int32_t { kDescriptors, kNamespace, kDirectory, kExec };

// What the child says if it does not get as far as its program.
struct HookTrouble {
  HookStep step;
  int32_t error;  // errno
};

// Made before the fork, so that the child allocates nothing.
class HookChild {
 public:
  HookChild(const oci::Hook& hook, const HookPlace& place);

  // `standard` become descriptors 0 to 2; `trouble` gets a HookTrouble.
  [[noreturn]] void Run(std::array<int, 3> standard, int trouble) const;

 private:
  const HookPlace& place_;
  const char* const path_;
  base::UniqueFd program_;  // the same, for a mount namespace that lacks it
  std::vector<char*> args_, env_;
};

}  // namespace runsc

#endif  // RUNSC_CPP_HOOKS_CHILD_H_
