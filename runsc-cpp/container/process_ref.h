// A process by its number and start time, so that a later one of the same number is not taken for it.
#ifndef RUNSC_CPP_CONTAINER_PROCESS_REF_H_
#define RUNSC_CPP_CONTAINER_PROCESS_REF_H_

#include <sys/types.h>

#include <string>

#include "runsc-cpp/container/record.pb.h"

namespace runsc {

// pid 0: it is gone already.
ProcessRef RefTo(pid_t pid);
// Neither gone nor a zombie.
bool IsAlive(const ProcessRef& ref);
// SIGKILL, to that very process.
void KillProcess(const ProcessRef& ref);
// Waits until it is gone or a zombie. False: `timeout_ms` are over.
bool AwaitEnd(const ProcessRef& ref, int timeout_ms);

// /proc/sys/kernel/random/boot_id; empty if it can't be read.
std::string BootId();

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_PROCESS_REF_H_
