#include "runsc-cpp/oci/names.h"

#include <linux/capability.h>
#include <linux/sched.h>
#include <sys/resource.h>

#include <iterator>
#include <span>

namespace runsc::oci {
namespace {

template <class T>
struct Named {
  std::string_view name;
  T value;
};

template <class T, size_t N>
std::optional<T> Find(const Named<T> (&rows)[N], std::string_view name) {
  for (const Named<T>& row : rows) {
    if (row.name == name) return row.value;
  }
  return std::nullopt;
}

constexpr std::string_view kCapabilities[] = {"CAP_CHOWN",
                                              "CAP_DAC_OVERRIDE",
                                              "CAP_DAC_READ_SEARCH",
                                              "CAP_FOWNER",
                                              "CAP_FSETID",
                                              "CAP_KILL",
                                              "CAP_SETGID",
                                              "CAP_SETUID",
                                              "CAP_SETPCAP",
                                              "CAP_LINUX_IMMUTABLE",
                                              "CAP_NET_BIND_SERVICE",
                                              "CAP_NET_BROADCAST",
                                              "CAP_NET_ADMIN",
                                              "CAP_NET_RAW",
                                              "CAP_IPC_LOCK",
                                              "CAP_IPC_OWNER",
                                              "CAP_SYS_MODULE",
                                              "CAP_SYS_RAWIO",
                                              "CAP_SYS_CHROOT",
                                              "CAP_SYS_PTRACE",
                                              "CAP_SYS_PACCT",
                                              "CAP_SYS_ADMIN",
                                              "CAP_SYS_BOOT",
                                              "CAP_SYS_NICE",
                                              "CAP_SYS_RESOURCE",
                                              "CAP_SYS_TIME",
                                              "CAP_SYS_TTY_CONFIG",
                                              "CAP_MKNOD",
                                              "CAP_LEASE",
                                              "CAP_AUDIT_WRITE",
                                              "CAP_AUDIT_CONTROL",
                                              "CAP_SETFCAP",
                                              "CAP_MAC_OVERRIDE",
                                              "CAP_MAC_ADMIN",
                                              "CAP_SYSLOG",
                                              "CAP_WAKE_ALARM",
                                              "CAP_BLOCK_SUSPEND",
                                              "CAP_AUDIT_READ",
                                              "CAP_PERFMON",
                                              "CAP_BPF",
                                              "CAP_CHECKPOINT_RESTORE"};
static_assert(std::size(kCapabilities) == CAP_LAST_CAP + 1);

constexpr Named<int> kRlimits[] = {
    {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},         {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_FSIZE", RLIMIT_FSIZE},       {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},   {"RLIMIT_NPROC", RLIMIT_NPROC},       {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK}};

// SCHED_ISO is reserved, never implemented by Linux.
constexpr Named<uint32_t> kPolicies[] = {{"SCHED_OTHER", 0}, {"SCHED_FIFO", 1}, {"SCHED_RR", 2},
                                         {"SCHED_BATCH", 3}, {"SCHED_IDLE", 5}, {"SCHED_DEADLINE", 6}};

constexpr Named<uint64_t> kSchedulerFlagBits[] = {{"SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK},
                                                  {"SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM},
                                                  {"SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN},
                                                  {"SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY},
                                                  {"SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS}};

constexpr Named<int> kIoPriorityClasses[] = {{"IOPRIO_CLASS_RT", 1}, {"IOPRIO_CLASS_BE", 2}, {"IOPRIO_CLASS_IDLE", 3}};

}  // namespace

std::optional<int> CapabilityNumber(std::string_view name) {
  for (size_t i = 0; i < std::size(kCapabilities); ++i) {
    if (kCapabilities[i] == name) return static_cast<int>(i);
  }
  return std::nullopt;
}

std::optional<int> RlimitNumber(std::string_view name) { return Find(kRlimits, name); }
std::optional<uint32_t> SchedulerPolicy(std::string_view name) { return Find(kPolicies, name); }
std::optional<uint64_t> SchedulerFlag(std::string_view name) { return Find(kSchedulerFlagBits, name); }
std::optional<int> IoPriorityClass(std::string_view name) { return Find(kIoPriorityClasses, name); }

std::vector<std::string> KnownCapabilities() { return {std::begin(kCapabilities), std::end(kCapabilities)}; }

}  // namespace runsc::oci
