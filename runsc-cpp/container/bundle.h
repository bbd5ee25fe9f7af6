// A bundle's config.json, read and checked.
#ifndef RUNSC_CPP_CONTAINER_BUNDLE_H_
#define RUNSC_CPP_CONTAINER_BUNDLE_H_

#include <string>

#include "absl/status/statusor.h"
#include "runsc-cpp/container/runtime_options.h"
#include "runsc-cpp/oci/lower.h"
#include "runsc-cpp/oci/spec.h"

namespace runsc {

struct Bundle {
  std::string text;  // as it was
  oci::Spec spec;
  oci::ContainerPlan plan;
};

// Notes and warnings go to the log.
absl::StatusOr<Bundle> ReadBundle(const std::string& directory, const RuntimeOptions& runtime);
// The copy that was made at create.
absl::StatusOr<Bundle> ReadStoredBundle(const RuntimeOptions& runtime, const ContainerRecord& record);

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_BUNDLE_H_
