// Gives up what the sentry was executed with.
#ifndef RUNSC_CPP_BOOT_RIGHTS_H_
#define RUNSC_CPP_BOOT_RIGHTS_H_

#include "absl/status/status.h"

namespace runsc {

// Every capability, for ever: bounding, ambient, inheritable, permitted and
// effective sets, and no_new_privs.
absl::Status DropAllCapabilities();

// For both processes, before their filters: has malloc ask the host now what it
// would ask later. It fixes how many heaps there are (glibc would count CPUs).
void SetUpMalloc();

// Names the process, as ps(1) shows it.
void SetProcessName(const char* name);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_RIGHTS_H_
