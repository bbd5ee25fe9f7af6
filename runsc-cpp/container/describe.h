// From what config.json comes to (oci/lower.h) to what a sentry is asked to make.
#ifndef RUNSC_CPP_CONTAINER_DESCRIBE_H_
#define RUNSC_CPP_CONTAINER_DESCRIBE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cpp/oci/lower.h"
#include "runsc-cpp/sandbox/launch.h"
#include "sentry/control/control.pb.h"

namespace runsc {

struct ContainerDescription {
  sentry::control::Container container;  // without descriptors
  std::vector<GoferExport> exports;      // the root first
};

// `overlay`: writes to the root stay in the sandbox. Errors name path and cause.
absl::StatusOr<ContainerDescription> DescribeContainer(const std::string& id, const oci::ContainerPlan& plan,
                                                       bool overlay);

void DescribeProcess(const oci::ProcessPlan& plan, sentry::control::Process& process);
// What an exec's process.json says or, as runc has it, config.json does: the final CPUs, or else the initial ones, as
// nothing ever moves between the two here.
void DescribeAffinity(const oci::ProcessPlan& plan, sentry::control::Process& process);
void DescribeSeccomp(const oci::SeccompProgram& program, sentry::control::Process& process);

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_DESCRIBE_H_
