// The list of every property of config.json and what becomes of it: made of
// the same table (fields.h) as the parser, printed into PROPERTIES.md.
#ifndef RUNSC_CPP_OCI_PROPERTIES_H_
#define RUNSC_CPP_OCI_PROPERTIES_H_

#include <string>
#include <string_view>
#include <vector>

namespace runsc::oci {

enum class Support { kHonoured, kNoted, kRefused };

struct Property {
  std::string path;  // "mounts[].options", "annotations{}"
  Support support = Support::kHonoured;
  std::string note;     // why it has no effect or is refused
  std::string allowed;  // "one of ...", "0 to 7"; empty: what its type says
  bool required = false;
};

std::vector<Property> Properties();

// A Markdown table.
std::string PropertiesToMarkdown();

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_PROPERTIES_H_
