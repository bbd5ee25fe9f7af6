// What a platform is asked in its self-test, and how long a call takes it.
#ifndef RUNSC_CPP_SELECTION_PROBE_H_
#define RUNSC_CPP_SELECTION_PROBE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "runsc-cpp/boot/platforms.h"

namespace runsc {

// Runs a tiny guest: a system call with all its registers, a page fault, a kick;
// then some thousand calls. Returns nanoseconds per call, or in words what went
// wrong: kFailedPrecondition for what will not change, kUnavailable for what might
// (out of memory and the like). Starts processes and threads, and may hang as
// long as the platform does: for a child that can be killed (trial.h). `device`:
// OpenDevice.
// `remark`: the platform's.
absl::StatusOr<uint64_t> ProbePlatform(const PlatformChoice& candidate, int device, std::string& remark);

}  // namespace runsc

#endif  // RUNSC_CPP_SELECTION_PROBE_H_
