// JSON as a tree that keeps what a strict reader needs: numbers as written,
// members in order. Text is hostile: size, depth and count are bounded.
#ifndef RUNSC_CPP_OCI_JSON_H_
#define RUNSC_CPP_OCI_JSON_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cpp/oci/quote.h"

namespace runsc::oci {

struct JsonMember;

struct JsonValue {
  enum class Kind : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  bool boolean = false;
  std::string text;  // of a string, unescaped; of a number, as written
  std::vector<JsonValue> items;
  std::vector<JsonMember> members;
};

struct JsonMember {
  std::string name;
  JsonValue value;
};

inline constexpr size_t kMaxJsonBytes = 8 << 20;
inline constexpr size_t kMaxJsonDepth = 64;
inline constexpr size_t kMaxJsonValues = 500'000;

// Errors begin with `file` and name line and column, or the path of the value.
// Refused beyond RFC 8259: duplicate keys, NUL characters (a C string would end
// there), invalid UTF-8.
absl::StatusOr<JsonValue> ParseJson(std::string_view text, std::string_view file);

// The path of a member or an item below `path`: a.b, a["x.y"], a[3].
std::string MemberPath(std::string_view path, std::string_view name);
std::string ItemPath(std::string_view path, size_t index);

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_JSON_H_
