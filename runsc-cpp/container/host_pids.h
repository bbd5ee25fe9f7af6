// Host processes by which `ps` names those of a guest, so that ps(1) on the host is right about name, words and user.
#ifndef RUNSC_CPP_CONTAINER_HOST_PIDS_H_
#define RUNSC_CPP_CONTAINER_HOST_PIDS_H_

#include <sys/types.h>

#include <vector>

#include "runsc-cpp/container/record.pb.h"
#include "sentry/control/control.pb.h"

namespace runsc {

// One for each, of kMostHostPids at most: its anchor, or a stand-in made for the purpose. A stand-in looks like the
// process, does nothing, and ends after kStandInMs, or with the container; who kills it kills nothing else. The caller
// has one thread.
std::vector<pid_t> HostPidsOf(const ContainerRecord& record,
                              const std::vector<sentry::control::ProcessInfo>& processes);
inline constexpr size_t kMostHostPids = 512;
inline constexpr int kStandInMs = 5000;

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_HOST_PIDS_H_
