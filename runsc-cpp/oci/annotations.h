// Annotations of ours. A container's annotations come from its tenant, flags
// and the configuration from the operator; so an annotation may only narrow
// what the operator gave.
#ifndef RUNSC_CPP_OCI_ANNOTATIONS_H_
#define RUNSC_CPP_OCI_ANNOTATIONS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace runsc::oci {

inline constexpr std::string_view kAnnotationPrefix = "dev.runsc-cpp.";

struct SandboxSettings {
  bool overlay = false;  // writes to the root file system stay inside
  std::string network = "passthrough";
  std::string platform = "auto";
  std::optional<std::vector<std::string>> annotations;  // those that a tenant may use at all; nothing: each
  std::vector<std::string> tenant_platforms;            // those that a tenant may choose
  bool strace = false;
  bool debug = false;
  bool tenant_logs = false;   // a tenant may switch strace and debug
  uint64_t memory_limit = 0;  // bytes; 0: none
  uint32_t cpus = 0;          // 0: no limit
};

struct AnnotatedSettings {
  SandboxSettings settings;
  std::vector<std::string> refusals;  // a line for the log for each annotation that had no effect, and why
};

AnnotatedSettings ApplyAnnotations(const SandboxSettings& given, const std::map<std::string, std::string>& annotations);

// Name (without the prefix) and rule, a line each, for the documentation.
std::vector<std::pair<std::string_view, std::string_view>> AnnotationRules();

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_ANNOTATIONS_H_
