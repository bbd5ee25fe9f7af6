// Parts of lower.h's work, a file each. Each gets the path of what it lowers.
#ifndef RUNSC_CPP_OCI_LOWERING_H_
#define RUNSC_CPP_OCI_LOWERING_H_

#include <string>
#include <string_view>
#include <vector>

#include "runsc-cpp/oci/json.h"
#include "runsc-cpp/oci/lower.h"
#include "runsc-cpp/oci/text.h"

namespace runsc::oci {

struct LowerContext {
  std::string_view file;
  std::vector<std::string>& warnings;

  template <class... T>
  absl::Status Refuse(const T&... parts) const {
    return Invalid(file, ": ", parts...);
  }
  template <class... T>
  void Warn(const T&... parts) const {
    warnings.push_back(Cat(file, ": ", parts...));
  }
};

absl::Status LowerProcess(const LowerContext& context, const Process& from, const std::string& path, ProcessPlan& to);
absl::Status LowerMounts(const LowerContext& context, const Spec& spec, const std::string& bundle, ContainerPlan& to);
// Namespaces, mappings, devices, paths, sysctls, seccomp, personality.
absl::Status LowerLinux(const LowerContext& context, const Linux& from, ContainerPlan& to);
absl::Status LowerSysctls(const LowerContext& context, const Linux& from, ContainerPlan& to);
absl::Status LowerResources(const LowerContext& context, const LinuxResources& from, const std::string& path,
                            LinuxResources& to);
absl::Status CheckMappings(const LowerContext& context, const std::vector<LinuxIDMapping>& mappings,
                           const std::string& path);

inline bool IsAbsolute(std::string_view path) { return path.starts_with('/'); }

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_LOWERING_H_
