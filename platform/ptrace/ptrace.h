// The ptrace platform: stubs under PTRACE_SYSEMU. Works everywhere, slowly; the
// reference for the others. README.md tells how.
#ifndef PLATFORM_PTRACE_PTRACE_H_
#define PLATFORM_PTRACE_PTRACE_H_

#include <memory>

#include "base/result.h"
#include "platform/platform.h"
#include "platform/stub/stub_platform.h"

namespace platform::ptrace {

using stub::Options;

// Starts a thread and the first stubs, opens nothing. The platform must outlive
// its address spaces and contexts. A context's first Switch (and each that moves
// it) makes the calling host thread the tracer: that thread must call all of
// Switch, GetFpState and Release, and Release before it ends, or the host kills
// the stub process (PTRACE_O_EXITKILL).
base::Result<std::unique_ptr<Platform>> Create(Options options);

}  // namespace platform::ptrace

#endif  // PLATFORM_PTRACE_PTRACE_H_
