// Control connections: the one that the sandbox was made with, and those of a listening socket. A thread each.
#ifndef RUNSC_CPP_BOOT_CONTROL_SERVER_H_
#define RUNSC_CPP_BOOT_CONTROL_SERVER_H_

#include "base/result.h"
#include "base/unique_fd.h"
#include "runsc-cpp/boot/containers.h"

namespace runsc {

// `containers` outlives the process's threads. `listener` may be invalid.
base::Result<void> ServeControl(Containers& containers, base::UniqueFd first, base::UniqueFd listener);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_CONTROL_SERVER_H_
