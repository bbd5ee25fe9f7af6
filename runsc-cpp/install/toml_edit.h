// Edits a TOML file as text: what is not ours stays byte for byte.
#ifndef RUNSC_CPP_INSTALL_TOML_EDIT_H_
#define RUNSC_CPP_INSTALL_TOML_EDIT_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace runsc {

using TomlKey = std::vector<std::string>;

// A file cut into what matters for an edit: the headers of tables, and the
// keys that are given values. Values are only skipped, not understood.
class TomlOutline {
 public:
  // An error names the line.
  static absl::StatusOr<TomlOutline> Of(absl::string_view text);

  struct Table {
    TomlKey key;
    size_t begin = 0, end = 0;  // in the text, from the header's line to the next header's
  };
  struct Assignment {
    TomlKey key;  // whole: the table's and its own
    size_t value_begin = 0, value_end = 0;
  };

  const std::vector<Table>& tables() const { return tables_; }
  const std::vector<Assignment>& assignments() const { return assignments_; }
  const Assignment* Find(const TomlKey& key) const;

 private:
  std::vector<Table> tables_;
  std::vector<Assignment> assignments_;
};

bool IsPrefix(const TomlKey& prefix, const TomlKey& key);
// a."b.c".d
std::string FormatTomlKey(const TomlKey& key);
// A basic string, quotes included.
std::string QuoteToml(absl::string_view text);

// `text` without the tables `key` and below. A line `mark` right before one
// goes too, with an empty line above it.
std::string RemoveTables(absl::string_view text, const TomlOutline& outline, const TomlKey& key,
                         absl::string_view mark);

}  // namespace runsc

#endif  // RUNSC_CPP_INSTALL_TOML_EDIT_H_
