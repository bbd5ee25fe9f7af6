// Freezes, thaws and kills all processes of a cgroup.
#ifndef RUNSC_CPP_CGROUP_FREEZER_H_
#define RUNSC_CPP_CGROUP_FREEZER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace runsc::cgroup {

enum class FreezerState { kUndefined, kThawed, kFrozen };

// Return once the state is reached. A freeze that fails thaws again.
absl::Status FreezeV1(const std::string& dir);
absl::Status ThawV1(const std::string& dir);
absl::StatusOr<FreezerState> FreezerStateV1(const std::string& dir);

absl::Status FreezeV2(const std::string& dir);
absl::Status ThawV2(const std::string& dir);
absl::StatusOr<FreezerState> FreezerStateV2(const std::string& dir);

}  // namespace runsc::cgroup

#endif  // RUNSC_CPP_CGROUP_FREEZER_H_
