// From what config.json says to what a sandbox does: checked, numbers instead
// of names, defaults filled in. Whatever the specification allows and we do not
// honour is an error here or in the parser (PROPERTIES.md).
#ifndef RUNSC_CPP_OCI_LOWER_H_
#define RUNSC_CPP_OCI_LOWER_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cpp/oci/mount_options.h"
#include "runsc-cpp/oci/seccomp.h"
#include "runsc-cpp/oci/spec.h"

namespace runsc::oci {

struct CapabilityPlan {  // bit N: capability N
  uint64_t bounding = 0, effective = 0, inheritable = 0, permitted = 0, ambient = 0;
};

struct RlimitPlan {
  int resource = 0;  // RLIMIT_*
  uint64_t soft = 0, hard = 0;
};

struct SchedulerPlan {  // the fields of struct sched_attr
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0, deadline = 0, period = 0;
};

struct ProcessPlan {
  std::vector<std::string> argv, envp;
  std::string cwd;
  uint32_t uid = 0, gid = 0, umask = 022;
  std::vector<uint32_t> groups;
  bool terminal = false;
  uint16_t rows = 0, columns = 0;  // 0: the console's own
  // Absent: none for a container's first process, the container's for exec.
  std::optional<CapabilityPlan> capabilities;
  std::vector<RlimitPlan> rlimits;  // one a resource
  bool no_new_privileges = false;
  std::optional<int32_t> oom_score_adj;
  std::optional<SchedulerPlan> scheduler;
  std::optional<uint16_t> io_priority;             // as ioprio_set(2) takes it
  std::vector<uint32_t> initial_cpus, final_cpus;  // of exec; empty: unchanged
};

struct MountPlan {
  std::string destination;  // absolute
  std::string type;         // "bind" for a bind mount, whatever the file said
  std::string source;       // of a bind mount: absolute
  MountOptions options;
  std::vector<LinuxIDMapping> uid_mappings, gid_mappings;  // both empty: not mapped
};

struct DevicePlan {
  std::string path;
  uint32_t mode = 0;  // S_IFCHR, S_IFBLK or S_IFIFO, and permissions
  uint32_t major = 0, minor = 0;
  uint32_t uid = 0, gid = 0;
};

// In the order of kNamespaceTypes (words.h).
enum class NamespaceKind { kPid, kNetwork, kMount, kIpc, kUts, kUser, kCgroup };

struct NamespacePlan {
  bool wanted = false;  // false: the sandbox's, which is never the host's
  std::string path;     // to be joined; empty: a new one
};

struct ContainerPlan {
  std::optional<ProcessPlan> process;
  std::string root;  // absolute
  bool root_readonly = false;
  uint64_t root_propagation = 0;  // MS_*; 0: not given
  std::string hostname, domainname;
  std::vector<MountPlan> mounts;
  std::vector<DevicePlan> devices;  // the default ones included
  std::vector<std::string> masked_paths, readonly_paths;
  std::array<NamespacePlan, 7> namespaces;
  std::vector<LinuxIDMapping> uid_mappings, gid_mappings;
  std::vector<std::pair<std::string, std::string>> sysctls;          // path below /proc/sys, value
  std::vector<std::pair<std::string, std::string>> network_sysctls;  // of the network namespace
  SeccompProgram seccomp;
  std::optional<uint32_t> personality;
  std::string cgroups_path;
  LinuxResources resources;
  Hooks hooks;

  const NamespacePlan& Namespace(NamespaceKind kind) const { return namespaces[static_cast<size_t>(kind)]; }
};

struct LowerOptions {
  std::string bundle;                // absolute; relative paths are below it
  std::string file = "config.json";  // how errors begin
};

// Warnings are added to `warnings`, a line each.
absl::StatusOr<ContainerPlan> Lower(const Spec& spec, const LowerOptions& options, std::vector<std::string>& warnings);

// Of exec --process.
absl::StatusOr<ProcessPlan> LowerProcess(const Process& process, std::string_view file,
                                         std::vector<std::string>& warnings);

// Of update --resources.
absl::StatusOr<LinuxResources> LowerResources(const LinuxResources& resources, std::string_view file);

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_LOWER_H_
