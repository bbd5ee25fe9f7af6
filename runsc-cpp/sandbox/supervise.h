// runsc-cpp's life while a sandbox of `do` runs: signals and window sizes go in, the
// exit code comes out, and the death of any part ends all of it with a cause.
#ifndef RUNSC_CPP_SANDBOX_SUPERVISE_H_
#define RUNSC_CPP_SANDBOX_SUPERVISE_H_

#include "runsc-cpp/sandbox/control_client.h"
#include "runsc-cpp/sandbox/launch.h"

namespace runsc {

// Signals are blocked by BlockSignals before the launch, so that none is lost.
void BlockSignals();

struct SandboxRun {
  SentryProcess sentry;
  GoferProcess gofer;
  pid_t netgofer = -1;
  // Container and process lack only their descriptors; `fds` has those of the process's streams already.
  sentry::control::Container container;
  RequestDescriptors fds;
};

// Until the guest's first process ends. The exit code for main: the guest's, or
// 125, 126, 127 after one line on stderr.
int Supervise(SandboxRun run);

}  // namespace runsc

#endif  // RUNSC_CPP_SANDBOX_SUPERVISE_H_
