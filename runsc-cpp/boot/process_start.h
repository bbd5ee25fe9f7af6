// What runsc-cpp asks to run, as the kernel starts it.
#ifndef RUNSC_CPP_BOOT_PROCESS_START_H_
#define RUNSC_CPP_BOOT_PROCESS_START_H_

#include "absl/status/status.h"
#include "runsc-cpp/boot/container_mounts.h"
#include "runsc-cpp/boot/standard_streams.h"
#include "sentry/control/control.pb.h"
#include "sentry/kernel/kernel.h"

namespace runsc {

// Finds the working directory and the program in the container; fills `response` and returns false where one is
// missing. `streams` stay the caller's: their table goes with the process.
bool DescribeProcess(const sentry::control::Process& process, const ContainerMounts& mounts,
                     const StandardStreams& streams, sentry::Kernel::InitProcess& init,
                     sentry::control::Response& response);

// What an exec's CPU affinity leaves of the container's CPUs must be some.
absl::Status CheckCpus(const sentry::control::Process& process, const sentry::Cgroup& cgroup);

void Refuse(sentry::control::Response& response, const absl::Status& status);
void RefuseProgram(sentry::control::Response& response, base::Errno error);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_PROCESS_START_H_
