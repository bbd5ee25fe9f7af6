// Gives up what the sentry was executed with.
#ifndef RUNSC_CPP_BOOT_RIGHTS_H_
#define RUNSC_CPP_BOOT_RIGHTS_H_

#include "absl/status/status.h"

namespace runsc {

// Every capability, for ever: bounding, ambient, inheritable, permitted and
// effective sets, and no_new_privs.
absl::Status DropAllCapabilities();

// Fixes how many heaps malloc uses: else glibc counts CPUs at some thread's
// first allocation, by opening a file in /sys, which the filter forbids.
void SetUpMalloc();

// Names the process, as ps(1) shows it.
void SetProcessName(const char* name);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_RIGHTS_H_
