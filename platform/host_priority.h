// How a thread of the host gives way to others. Nothing here raises one above where the sandbox began.
#ifndef PLATFORM_HOST_PRIORITY_H_
#define PLATFORM_HOST_PRIORITY_H_

#include <sys/types.h>

#include <cstdint>

namespace platform {

struct HostPriority {
  int32_t policy = 0;  // SCHED_OTHER, SCHED_BATCH or SCHED_IDLE
  int32_t nice = 0;    // 0 to 19, from the sandbox's own on
  friend bool operator==(const HostPriority&, const HostPriority&) = default;
};

// Remembers the nice of the calling thread as the sandbox's. Before the host filter.
void LearnHostNice();

// Of the thread `tid`; 0: the calling one. A host that lets nobody come back (RLIMIT_NICE) leaves it where it is.
void SetHostPriority(pid_t tid, HostPriority priority);

}  // namespace platform

#endif  // PLATFORM_HOST_PRIORITY_H_
