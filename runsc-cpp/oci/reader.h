// Fills the structs of spec.h from a JsonValue by their Fields.
#ifndef RUNSC_CPP_OCI_READER_H_
#define RUNSC_CPP_OCI_READER_H_

#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "runsc-cpp/oci/fields.h"
#include "runsc-cpp/oci/json.h"

namespace runsc::oci {

// What a document had that has no effect.
struct ReadNotes {
  std::vector<std::string> unknown;  // paths of properties we do not know, for the debug log
  std::vector<std::string> noted;    // "path: accepted without effect: why"
};

// State of one document; the first error stays.
class ReadContext {
 public:
  ReadContext(std::string_view file, ReadNotes& notes) : file_(file), notes_(notes) {}

  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }
  void Fail(std::string_view path, std::string_view what);
  void Unknown(std::string path);
  void Noted(std::string_view path, std::string_view why);

 private:
  const std::string file_;
  ReadNotes& notes_;
  absl::Status status_;
};

namespace internal {

void ReadBool(ReadContext& context, const std::string& path, const JsonValue& from, bool& to);
void ReadString(ReadContext& context, const std::string& path, const JsonValue& from, const Rule& rule,
                std::string& to);
// A whole number within [least, most] (and the rule's bounds), as its two's
// complement. "1e3" and "2.0" are whole, as some programs print them.
uint64_t ReadInteger(ReadContext& context, const std::string& path, const JsonValue& from, const Rule& rule,
                     int64_t least, uint64_t most);
bool Expect(ReadContext& context, const std::string& path, const JsonValue& from, JsonValue::Kind kind);
bool IsZero(const JsonValue& value);

}  // namespace internal

// The visitor of one object.
class ObjectReader {
 public:
  ObjectReader(ReadContext& context, std::string path, const JsonValue& object)
      : context_(context), path_(std::move(path)), object_(object), known_(object.members.size()) {}

  template <class T>
  void Required(std::string_view name, T& to, const Rule& rule = {}) {
    const JsonValue* from = Find(name);
    if (from != nullptr) return Read(name, *from, to, rule);
    context_.Fail(MemberPath(path_, name), "is required");
  }
  template <class T>
  void Always(std::string_view name, T& to, const Rule& rule = {}) {
    if (const JsonValue* from = Find(name)) Read(name, *from, to, rule);
  }
  template <class T>
  void Optional(std::string_view name, T& to, const Rule& rule = {}) {
    Always(name, to, rule);
  }
  template <class T>
  void Noted(std::string_view name, T& to, std::string_view why) {
    const JsonValue* from = Find(name);
    if (from == nullptr) return;
    Read(name, *from, to, {});
    if (!internal::IsZero(*from)) context_.Noted(MemberPath(path_, name), why);
  }
  void Refused(std::string_view name, std::string_view why);

  // After the last field: what is left is unknown.
  void Finish();

 private:
  // Null is absence. Marks the member as known.
  const JsonValue* Find(std::string_view name);

  template <class T>
  void Read(std::string_view name, const JsonValue& from, T& to, const Rule& rule);

  ReadContext& context_;
  const std::string path_;
  const JsonValue& object_;
  std::vector<bool> known_;
  std::vector<std::string_view> names_;
};

template <class T>
void ReadValue(ReadContext& context, const std::string& path, const JsonValue& from, T& to, const Rule& rule);

template <class T>
void ReadItems(ReadContext& context, const std::string& path, const JsonValue& from, std::vector<T>& to,
               const Rule& rule) {
  if (!internal::Expect(context, path, from, JsonValue::Kind::kArray)) return;
  to.resize(from.items.size());
  for (size_t i = 0; i < to.size() && context.ok(); ++i) {
    ReadValue(context, ItemPath(path, i), from.items[i], to[i], rule);
  }
}

template <class T>
void ReadItems(ReadContext& context, const std::string& path, const JsonValue& from, std::map<std::string, T>& to,
               const Rule& rule) {
  if (!internal::Expect(context, path, from, JsonValue::Kind::kObject)) return;
  for (const JsonMember& member : from.members) {
    ReadValue(context, MemberPath(path, member.name), member.value, to[member.name], rule);
    if (!context.ok()) return;
  }
}

template <class T>
struct OptionalValue {
  static constexpr bool kIs = false;
};
template <class T>
struct OptionalValue<std::optional<T>> {
  static constexpr bool kIs = true;
};

template <class T>
void ReadValue(ReadContext& context, const std::string& path, const JsonValue& from, T& to, const Rule& rule) {
  if constexpr (std::is_same_v<T, bool>) {
    internal::ReadBool(context, path, from, to);
  } else if constexpr (std::is_integral_v<T>) {
    constexpr T kMost = std::numeric_limits<T>::max(), kLeast = std::numeric_limits<T>::min();
    to = static_cast<T>(internal::ReadInteger(context, path, from, rule, static_cast<int64_t>(kLeast), kMost));
  } else if constexpr (std::is_same_v<T, std::string>) {
    internal::ReadString(context, path, from, rule, to);
  } else if constexpr (OptionalValue<T>::kIs) {
    ReadValue(context, path, from, to.emplace(), rule);
  } else if constexpr (requires { ReadItems(context, path, from, to, rule); }) {
    ReadItems(context, path, from, to, rule);
  } else {
    if (!internal::Expect(context, path, from, JsonValue::Kind::kObject)) return;
    ObjectReader reader(context, path, from);
    Fields(reader, to);
    reader.Finish();
  }
}

template <class T>
void ObjectReader::Read(std::string_view name, const JsonValue& from, T& to, const Rule& rule) {
  if (context_.ok()) ReadValue(context_, MemberPath(path_, name), from, to, rule);
}

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_READER_H_
