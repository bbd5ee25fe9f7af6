// What `features` prints.
#ifndef RUNSC_CPP_OCI_FEATURES_REPORT_H_
#define RUNSC_CPP_OCI_FEATURES_REPORT_H_

#include <string>
#include <string_view>

#include "runsc-cpp/oci/features.h"

namespace runsc::oci {

// From the same tables that parser and lowering go by. Which cgroup drivers
// there are is known where cgroups are written.
Features OurFeatures(std::string_view version, const CgroupFeatures& cgroup);

std::string FeaturesToJson(const Features& features);

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_FEATURES_REPORT_H_
