// For tests: documents that are taken apart and put together again.
#ifndef RUNSC_CPP_OCI_TEST_JSON_H_
#define RUNSC_CPP_OCI_TEST_JSON_H_

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "runsc-cpp/oci/json.h"

namespace runsc::oci {

inline std::string ReadTestFile(std::string_view name) {
  std::ifstream file("runsc-cpp/oci/testdata/" + std::string(name));
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::string Print(const JsonValue& value) {
  std::string out;
  switch (value.kind) {
    case JsonValue::Kind::kNull:
      return "null";
    case JsonValue::Kind::kBool:
      return value.boolean ? "true" : "false";
    case JsonValue::Kind::kNumber:
      return value.text;
    case JsonValue::Kind::kString:
      return QuoteJson(value.text);
    case JsonValue::Kind::kArray:
      for (const JsonValue& item : value.items) out += (out.empty() ? "" : ",") + Print(item);
      return "[" + out + "]";
    case JsonValue::Kind::kObject:
      for (const JsonMember& member : value.members) {
        out += (out.empty() ? "" : ",") + QuoteJson(member.name) + ":" + Print(member.value);
      }
      return "{" + out + "}";
  }
  return out;
}

// A value of one line of JSON.
inline JsonValue Json(std::string_view text) { return *ParseJson(text, "test"); }

inline JsonMember* FindMember(JsonValue& object, std::string_view name) {
  for (JsonMember& member : object.members) {
    if (member.name == name) return &member;
  }
  return nullptr;
}

// The object that holds the property, by a path of properties.h: [] is the
// first item, {} the first member. `last` becomes the property's own name, and
// `shown` the path as messages write it.
inline JsonValue* Holder(JsonValue& root, std::string_view path, std::string* last, std::string* shown) {
  JsonValue* at = &root;
  shown->clear();
  for (size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.')) {
    std::string name(path.substr(0, dot));
    path.remove_prefix(dot + 1);
    const std::string step = name.ends_with("[]") || name.ends_with("{}") ? name.substr(name.size() - 2) : "";
    name.resize(name.size() - step.size());
    JsonMember* member = FindMember(*at, name);
    if (member == nullptr) return nullptr;
    *shown = MemberPath(*shown, name);
    at = &member->value;
    if (step == "[]") {
      if (at->items.empty()) return nullptr;
      *shown = ItemPath(*shown, 0);
      at = &at->items[0];
    } else if (step == "{}") {
      if (at->members.empty()) return nullptr;
      *shown = MemberPath(*shown, at->members[0].name);
      at = &at->members[0].value;
    }
  }
  *last = path;
  *shown = MemberPath(*shown, path);
  return at;
}

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_TEST_JSON_H_
