// The host's kernel: limits that hurt, namespaces, cgroups, /dev/kvm. Only reads.
#ifndef RUNSC_CPP_DOCTOR_HOST_H_
#define RUNSC_CPP_DOCTOR_HOST_H_

#include <string>

#include "runsc-cpp/doctor/finding.h"

namespace runsc {

// `proc_sys` is /proc/sys, or a test's.
Findings LookAtLimits(const std::string& proc_sys);
Findings LookAtCgroups();
Findings LookAtKvm(const std::string& device);

}  // namespace runsc

#endif  // RUNSC_CPP_DOCTOR_HOST_H_
