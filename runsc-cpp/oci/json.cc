#include "runsc-cpp/oci/json.h"

#include <algorithm>

#include "rapidjson/error/en.h"
#include "rapidjson/reader.h"
#include "runsc-cpp/oci/text.h"

namespace runsc::oci {
namespace {

// Builds the tree. Only the last child of an open container is open, so the
// pointers in open_ stay valid: no vector that holds one of them grows.
class TreeBuilder {
 public:
  bool Null() { return Add(JsonValue::Kind::kNull) != nullptr; }
  bool Bool(bool b) { return Add(JsonValue::Kind::kBool, {}, b) != nullptr; }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    return Add(JsonValue::Kind::kNumber, {text, size}) != nullptr;
  }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    if (!NoNul({text, size})) return false;
    return Add(JsonValue::Kind::kString, {text, size}) != nullptr;
  }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    key_.assign(text, size);
    return NoNul(key_);
  }
  bool StartObject() { return Open(JsonValue::Kind::kObject); }
  bool StartArray() { return Open(JsonValue::Kind::kArray); }
  bool EndObject(rapidjson::SizeType) { return NoDuplicates() && Close(); }
  bool EndArray(rapidjson::SizeType) { return Close(); }

  // The reader asks for numbers as text; these are never called.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(int64_t) { return false; }
  bool Uint64(uint64_t) { return false; }
  bool Double(double) { return false; }

  const std::string& error() const { return error_; }
  JsonValue TakeRoot() { return std::move(root_); }

 private:
  struct OpenValue {
    JsonValue* value;
    std::string path;
  };

  JsonValue* Add(JsonValue::Kind kind, std::string_view text = {}, bool boolean = false) {
    if (++values_ > kMaxJsonValues) {
      Stop(Cat("more than ", kMaxJsonValues, " values"));
      return nullptr;
    }
    JsonValue value;
    value.kind = kind;
    value.text = text;
    value.boolean = boolean;
    if (open_.empty()) return &(root_ = std::move(value));
    JsonValue& parent = *open_.back().value;
    if (parent.kind == JsonValue::Kind::kArray) return &parent.items.emplace_back(std::move(value));
    return &parent.members.emplace_back(JsonMember{std::move(key_), std::move(value)}).value;
  }

  bool Open(JsonValue::Kind kind) {
    if (open_.size() == kMaxJsonDepth) return Stop(Cat("nested deeper than ", kMaxJsonDepth));
    std::string path;
    if (!open_.empty()) {
      const OpenValue& parent = open_.back();
      path = parent.value->kind == JsonValue::Kind::kArray ? ItemPath(parent.path, parent.value->items.size())
                                                           : MemberPath(parent.path, key_);
    }
    JsonValue* value = Add(kind);
    if (value != nullptr) open_.push_back({value, std::move(path)});
    return value != nullptr;
  }

  bool Close() {
    open_.pop_back();
    return true;
  }

  bool NoDuplicates() {
    std::vector<std::string_view> names;
    for (const JsonMember& member : open_.back().value->members) names.push_back(member.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice == names.end()) return true;
    return Stop(Cat(MemberPath(open_.back().path, *twice), ": is there twice"));
  }

  bool NoNul(std::string_view text) {
    if (text.find('\0') == std::string_view::npos) return true;
    return Stop("a string holds a NUL character");
  }

  bool Stop(std::string why) {
    error_ = std::move(why);
    return false;
  }

  JsonValue root_;
  std::vector<OpenValue> open_;
  std::string key_;
  std::string error_;
  size_t values_ = 0;
};

std::string Position(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const size_t line_start = before.rfind('\n');
  const size_t column = line_start == std::string_view::npos ? offset : offset - line_start - 1;
  return Cat("line ", std::count(before.begin(), before.end(), '\n') + 1, " column ", column + 1);
}

}  // namespace

absl::StatusOr<JsonValue> ParseJson(std::string_view text, std::string_view file) {
  const auto refuse = [&](std::string_view why) { return Invalid(file, ": ", why); };
  if (text.size() > kMaxJsonBytes) return refuse(Cat("larger than ", kMaxJsonBytes >> 20, " MiB"));
  // To the reader a NUL is the end of its input.
  const size_t nul = text.find('\0');
  if (nul != std::string_view::npos) return refuse(Cat(Position(text, nul), ": a NUL byte"));
  const std::string terminated(text);
  rapidjson::StringStream stream(terminated.c_str());
  rapidjson::Reader reader;
  TreeBuilder builder;
  constexpr unsigned kFlags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag | rapidjson::kParseNumbersAsStringsFlag;
  const rapidjson::ParseResult result = reader.Parse<kFlags>(stream, builder);
  if (!builder.error().empty()) return refuse(builder.error());
  if (result.IsError()) {
    return refuse(
        Cat(Position(text, std::min(result.Offset(), text.size())), ": ", rapidjson::GetParseError_En(result.Code())));
  }
  return builder.TakeRoot();
}

std::string MemberPath(std::string_view path, std::string_view name) {
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (!plain) return Cat(path, "[", QuoteJson(name), "]");
  return Cat(path, path.empty() ? "" : ".", name);
}

std::string ItemPath(std::string_view path, size_t index) { return Cat(path, "[", index, "]"); }

}  // namespace runsc::oci
