// linux.seccomp, compiled into a classic BPF program for the guest's own
// seccomp (the host never sees it). What a rule means is what libseccomp makes
// of it for runc:
//  - a rule whose action is the default action says nothing;
//  - of rules without arguments for a call the first counts, and it overrides
//    those with arguments;
//  - an argument that is named twice makes alternatives of all of the rule's arguments;
//  - names that x86-64 does not have are passed over; its architecture is always filtered;
//  - calls newer than the newest that the profile names get ENOSYS, unless the
//    default action lets them through.
// Of rules with arguments that both match the stricter one counts (libseccomp
// takes the one with the higher argument number, or refuses).
#ifndef RUNSC_CPP_OCI_SECCOMP_H_
#define RUNSC_CPP_OCI_SECCOMP_H_

#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cpp/oci/spec.h"

namespace runsc::oci {

struct SeccompProgram {
  std::vector<sock_filter> instructions;  // at most BPF_MAXINSNS; empty: no filter
  bool log = false;                       // SECCOMP_FILTER_FLAG_LOG
};

// Errors begin with `path`, that of the seccomp object. Names that were passed
// over are added to `unknown_names`.
absl::StatusOr<SeccompProgram> CompileSeccomp(const LinuxSeccomp& seccomp, std::string_view path,
                                              std::vector<std::string>* unknown_names);

// Of x86-64.
std::optional<uint32_t> SyscallNumber(std::string_view name);

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_SECCOMP_H_
