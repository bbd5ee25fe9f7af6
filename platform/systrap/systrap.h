// The systrap platform: stubs whose system calls and faults come to a handler of
// their own by seccomp and signals, and from there to the sentry through shared
// memory. Needs no virtualisation; README.md tells how.
#ifndef PLATFORM_SYSTRAP_SYSTRAP_H_
#define PLATFORM_SYSTRAP_SYSTRAP_H_

#include <memory>

#include "base/result.h"
#include "platform/platform.h"
#include "platform/stub/stub_platform.h"

namespace platform::systrap {

using stub::Options;

// Starts a thread and the first stubs, opens nothing. The platform must outlive its
// address spaces and contexts. ENOSYS: the processor or the host kernel lacks
// FSGSBASE.
base::Result<std::unique_ptr<Platform>> Create(Options options);

}  // namespace platform::systrap

#endif  // PLATFORM_SYSTRAP_SYSTRAP_H_
