// Whether a platform works on this host, found out by trying.
#ifndef RUNSC_CPP_SELECTION_TRIAL_H_
#define RUNSC_CPP_SELECTION_TRIAL_H_

#include <chrono>
#include <cstdint>

#include "absl/status/statusor.h"
#include "runsc-cpp/boot/platforms.h"

namespace runsc {

// All that one candidate may take.
inline constexpr std::chrono::milliseconds kTrialLimit{1000};
// On a host so loaded that none has answered.
inline constexpr std::chrono::milliseconds kPatientTrialLimit{5000};

// Probes the candidate (probe.h) in a child with rights like the sentry's: the
// user nobody if we are root, no capability, where possible a pid namespace of
// its own, so that its end takes everything along. No host seccomp filter: the
// sentry's own is installed after its platform has started, too. The caller has
// one thread. Returns nanoseconds per system call, or in words why it does not
// work; kDeadlineExceeded and kUnavailable: another time it might. `remark`, if any: the
// platform's.
absl::StatusOr<uint64_t> TryPlatform(const PlatformChoice& candidate, std::chrono::milliseconds limit = kTrialLimit,
                                     std::string* remark = nullptr);

}  // namespace runsc

#endif  // RUNSC_CPP_SELECTION_TRIAL_H_
