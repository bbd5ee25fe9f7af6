// The words that the specification allows where a string is one of a set.
#ifndef RUNSC_CPP_OCI_WORDS_H_
#define RUNSC_CPP_OCI_WORDS_H_

#include <string_view>

namespace runsc::oci {

inline constexpr std::string_view kNamespaceTypes[] = {"pid", "network", "mount",  "ipc",
                                                       "uts", "user",    "cgroup", "time"};
inline constexpr std::string_view kDeviceTypes[] = {"c", "b", "u", "p"};
inline constexpr std::string_view kDeviceRuleTypes[] = {"", "a", "b", "c"};
inline constexpr std::string_view kPropagations[] = {"",       "rprivate", "private",    "rslave",     "slave",
                                                     "shared", "rshared",  "unbindable", "runbindable"};
inline constexpr std::string_view kSchedulerPolicies[] = {"SCHED_OTHER", "SCHED_FIFO", "SCHED_RR",      "SCHED_BATCH",
                                                          "SCHED_ISO",   "SCHED_IDLE", "SCHED_DEADLINE"};
// Without utilization clamps, which not every Linux has either.
inline constexpr std::string_view kSchedulerFlags[] = {"SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM",
                                                       "SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_KEEP_POLICY",
                                                       "SCHED_FLAG_KEEP_PARAMS"};
inline constexpr std::string_view kIoClasses[] = {"IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"};
inline constexpr std::string_view kPersonalityDomains[] = {"LINUX", "LINUX32"};

inline constexpr std::string_view kSeccompActions[] = {
    "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO",  "SCMP_ACT_KILL",  "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",   "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"};
// An empty default action with no rule means: no filter, as with runc.
inline constexpr std::string_view kSeccompDefaultActions[] = {
    "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO",  "SCMP_ACT_KILL",  "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",   "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",         ""};
inline constexpr std::string_view kSeccompOperators[] = {
    "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"};
inline constexpr std::string_view kSeccompFlags[] = {"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
                                                     "SECCOMP_FILTER_FLAG_LOG",
                                                     "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"};
inline constexpr std::string_view kSeccompArchs[] = {
    "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM",       "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K",     "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",  "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL",      "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PARISC",  "SCMP_ARCH_PARISC64",  "SCMP_ARCH_PPC",         "SCMP_ARCH_PPC64",    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_RISCV64", "SCMP_ARCH_S390",      "SCMP_ARCH_S390X",       "SCMP_ARCH_SH",       "SCMP_ARCH_SHEB",
    "SCMP_ARCH_X32",     "SCMP_ARCH_X86",       "SCMP_ARCH_X86_64"};

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_WORDS_H_
