// linux.sysctl of a container: what its namespaces have in /proc/sys.
#ifndef RUNSC_CPP_BOOT_SYSCTLS_H_
#define RUNSC_CPP_BOOT_SYSCTLS_H_

#include "runsc-cpp/boot/container_mounts.h"

namespace runsc {

// Writes them as the container's root would to a /proc of `pid_ns`. The caller acts in the container's namespaces
// (kernel/acting_namespaces.h).
absl::Status SetSysctls(const sentry::control::Container& container, const FileSystemParts& parts,
                        sentry::PidNamespace* pid_ns, const sentry::RefPtr<sentry::MountNamespace>& mounts);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_SYSCTLS_H_
