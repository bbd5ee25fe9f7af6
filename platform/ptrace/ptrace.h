// The ptrace platform: stubs under PTRACE_SYSEMU. Works everywhere, slowly; the
// reference for the others. README.md tells how.
#ifndef PLATFORM_PTRACE_PTRACE_H_
#define PLATFORM_PTRACE_PTRACE_H_

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "platform/platform.h"
#include "platform/stub/template.h"

namespace platform::ptrace {

struct Options {
  // The memory files, as given to StartTemplate; borrowed. -1: none.
  int small_fd = -1;
  int large_fd = -1;
  stub::TemplateHandle stub_template;
  // Called once, on the platform's own thread, with what happened. No stub can be
  // made any more: the sandbox should end.
  std::function<void(std::string cause)> on_template_death;
  // Called on the same thread when a stub has died by itself, and perhaps when none
  // has: AddressSpace::Lost tells. Guests that are blocked would not notice.
  std::function<void()> on_stub_death = {};
};

// Starts a thread and the first stubs, opens nothing. The platform must outlive
// its address spaces and contexts. A context's first Switch (and each that moves
// it) makes the calling host thread the tracer: that thread must call all of
// Switch, GetFpState and Release, and Release before it ends, or the host kills
// the stub process (PTRACE_O_EXITKILL).
base::Result<std::unique_ptr<Platform>> Create(Options options);

}  // namespace platform::ptrace

#endif  // PLATFORM_PTRACE_PTRACE_H_
