#include "runsc-cpp/install/docker.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/oci/json.h"

namespace runsc {
namespace {

using oci::JsonMember;
using oci::JsonValue;
using Kind = oci::JsonValue::Kind;

constexpr char kRuntimes[] = "runtimes";
constexpr char kDefaultRuntime[] = "default-runtime";
constexpr size_t kIndent = 4;

JsonValue String(const std::string& text) {
  JsonValue value;
  value.kind = Kind::kString;
  value.text = text;
  return value;
}

JsonValue* Find(JsonValue& object, std::string_view name) {
  for (JsonMember& member : object.members) {
    if (member.name == name) return &member.value;
  }
  return nullptr;
}

void Remove(JsonValue& object, std::string_view name) {
  std::erase_if(object.members, [&](const JsonMember& member) { return member.name == name; });
}

// Depth is bounded by the parser.
void Write(const JsonValue& value, size_t depth, std::string& out) {
  const auto line = [&](size_t at) { absl::StrAppend(&out, "\n", std::string(at * kIndent, ' ')); };
  switch (value.kind) {
    case Kind::kNull:
      out += "null";
      return;
    case Kind::kBool:
      out += value.boolean ? "true" : "false";
      return;
    case Kind::kNumber:
      out += value.text;
      return;
    case Kind::kString:
      out += oci::QuoteJson(value.text);
      return;
    case Kind::kArray:
      out += "[";
      for (size_t i = 0; i < value.items.size(); ++i) {
        if (i != 0) out += ",";
        line(depth + 1);
        Write(value.items[i], depth + 1, out);
      }
      if (!value.items.empty()) line(depth);
      out += "]";
      return;
    case Kind::kObject:
      out += "{";
      for (size_t i = 0; i < value.members.size(); ++i) {
        if (i != 0) out += ",";
        line(depth + 1);
        absl::StrAppend(&out, oci::QuoteJson(value.members[i].name), ": ");
        Write(value.members[i].value, depth + 1, out);
      }
      if (!value.members.empty()) line(depth);
      out += "}";
      return;
  }
}

std::string ToText(const JsonValue& value) {
  std::string out;
  Write(value, 0, out);
  return out + "\n";
}

absl::StatusOr<JsonValue> Parse(absl::string_view text, absl::string_view file) {
  JsonValue empty;
  empty.kind = Kind::kObject;
  if (absl::StripAsciiWhitespace(text).empty()) return empty;  // as dockerd takes it
  auto root = oci::ParseJson(std::string_view(text.data(), text.size()), std::string_view(file.data(), file.size()));
  if (!root.ok()) return root.status();
  if (root->kind != Kind::kObject) return absl::InvalidArgumentError(absl::StrCat(file, ": not a JSON object"));
  if (const JsonValue* runtimes = Find(*root, kRuntimes); runtimes != nullptr && runtimes->kind != Kind::kObject) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": runtimes is not an object"));
  }
  return root;
}

JsonValue ToJson(const RuntimeEntry& entry) {
  JsonValue value;
  value.kind = Kind::kObject;
  value.members.push_back({"path", String(entry.binary)});
  if (entry.args.empty()) return value;
  JsonValue args;
  args.kind = Kind::kArray;
  for (const std::string& arg : entry.args) args.items.push_back(String(arg));
  value.members.push_back({"runtimeArgs", std::move(args)});
  return value;
}

}  // namespace

absl::StatusOr<std::string> AddToDocker(absl::string_view text, absl::string_view file, const RuntimeEntry& entry) {
  auto root = Parse(text, file);
  if (!root.ok()) return root.status();
  const std::string before = ToText(*root);
  if (Find(*root, kRuntimes) == nullptr) {
    JsonValue runtimes;
    runtimes.kind = Kind::kObject;
    root->members.push_back({kRuntimes, std::move(runtimes)});
  }
  JsonValue& runtimes = *Find(*root, kRuntimes);
  if (JsonValue* const old = Find(runtimes, entry.name)) {
    *old = ToJson(entry);
  } else {
    runtimes.members.push_back({entry.name, ToJson(entry)});
  }
  std::string after = ToText(*root);
  return after == before ? std::string(text) : after;
}

absl::StatusOr<std::string> RemoveFromDocker(absl::string_view text, absl::string_view file, absl::string_view name) {
  auto root = Parse(text, file);
  if (!root.ok()) return root.status();
  JsonValue* const runtimes = Find(*root, kRuntimes);
  const std::string_view wanted(name.data(), name.size());
  if (runtimes == nullptr || Find(*runtimes, wanted) == nullptr) return std::string(text);
  // dockerd would not start any more.
  const JsonValue* const chosen = Find(*root, kDefaultRuntime);
  if (chosen != nullptr && chosen->kind == Kind::kString && chosen->text == wanted) {
    return absl::FailedPreconditionError(
        absl::StrCat(file, ": default-runtime is \"", name, "\": choose another one first"));
  }
  Remove(*runtimes, wanted);
  if (runtimes->members.empty()) Remove(*root, kRuntimes);
  return ToText(*root);
}

}  // namespace runsc
