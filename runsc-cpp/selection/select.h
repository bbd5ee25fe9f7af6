// --platform=auto: the fastest platform that works here.
#ifndef RUNSC_CPP_SELECTION_SELECT_H_
#define RUNSC_CPP_SELECTION_SELECT_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runsc-cpp/boot/platforms.h"

namespace runsc {

struct Measurement {
  absl::string_view platform;
  absl::StatusOr<uint64_t> ns_per_call;  // an error says why it does not work (trial.h)
  std::string remark = {};               // PlatformInfo's
};

// Puts each candidate to its self-test; a second at most for each.
std::vector<Measurement> MeasurePlatforms(std::span<const PlatformChoice> candidates);
// Null: none works.
const Measurement* Fastest(std::span<const Measurement> all);
// Whether the same question would be answered in the same way later, as far as can
// be known: no candidate failed for want of time or memory.
bool Lasting(std::span<const Measurement> all);

// What the cache says, if it names one of the candidates.
std::optional<std::string> RememberedPlatform(const std::string& cache_parent,
                                              std::span<const PlatformChoice> candidates);
// False: it can't be remembered, or should not; then what was before is forgotten.
bool RememberFastest(const std::string& cache_parent, std::span<const Measurement> all);

// The name of the fastest: remembered, or measured now; where all were too slow, of
// one that was. An error has the reason of each candidate. The caller has one thread.
absl::StatusOr<std::string> SelectPlatform(const std::string& cache_parent, std::span<const PlatformChoice> candidates);

}  // namespace runsc

#endif  // RUNSC_CPP_SELECTION_SELECT_H_
