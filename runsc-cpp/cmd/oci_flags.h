// Flags as runc takes them: global ones before the command, the command's behind it, then words. "--name value",
// "--name=value", "-name", and single letters.
#ifndef RUNSC_CPP_CMD_OCI_FLAGS_H_
#define RUNSC_CPP_CMD_OCI_FLAGS_H_

#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace runsc {

enum class FlagKind : uint8_t { kSwitch, kValue, kList };

struct FlagRule {
  absl::string_view name;    // long, without dashes
  absl::string_view letter;  // or empty
  FlagKind kind;
};

class ParsedFlags {
 public:
  bool Has(absl::string_view name) const { return values_.find(name) != values_.end(); }
  bool Switch(absl::string_view name) const;
  // The last one given; `missing` if none was.
  std::string Value(absl::string_view name, absl::string_view missing = "") const;
  std::vector<std::string> List(absl::string_view name) const;
  const std::vector<std::string>& words() const { return words_; }

 private:
  friend absl::StatusOr<ParsedFlags> ParseFlags(const std::vector<std::string>&, const std::vector<FlagRule>&);
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
  std::vector<std::string> words_;
};

// Stops at the first word that is no flag, or behind "--". Errors name the flag.
absl::StatusOr<ParsedFlags> ParseFlags(const std::vector<std::string>& args, const std::vector<FlagRule>& rules);

// --preserve-fds; 0 if it was not given.
absl::StatusOr<uint32_t> PreserveFds(const ParsedFlags& flags);

// What a flag's file holds, to its end or to a little more than `limit` bytes; `fd` is borrowed.
std::string ReadText(int fd, size_t limit);

}  // namespace runsc

#endif  // RUNSC_CPP_CMD_OCI_FLAGS_H_
