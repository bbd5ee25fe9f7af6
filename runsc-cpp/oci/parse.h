// config.json, process.json (exec --process) and resources JSON (update
// --resources): text to structs and back.
#ifndef RUNSC_CPP_OCI_PARSE_H_
#define RUNSC_CPP_OCI_PARSE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cpp/oci/spec.h"

namespace runsc::oci {

// Strict: "config.json: linux.namespaces[2].type: "foo" is not one of pid, ...".
// What has no effect comes back beside the result.
template <class T>
struct Parsed {
  T value;
  std::vector<std::string> unknown;  // paths, for the debug log
  std::vector<std::string> noted;    // lines for the log: accepted without effect, and why
};

absl::StatusOr<Parsed<Spec>> ParseSpec(std::string_view text, std::string_view file = "config.json");
absl::StatusOr<Parsed<Process>> ParseProcess(std::string_view text, std::string_view file = "process.json");
absl::StatusOr<Parsed<LinuxResources>> ParseResources(std::string_view text, std::string_view file = "resources");

// Canonical: equal structs give equal text, and parsing it gives them again.
std::string SpecToJson(const Spec& spec, std::string_view indent = "\t");
std::string ProcessToJson(const Process& process, std::string_view indent = "\t");
std::string ResourcesToJson(const LinuxResources& resources, std::string_view indent = "\t");

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_PARSE_H_
