#include "runsc-cpp/oci/reader.h"

#include <algorithm>

#include "runsc-cpp/oci/text.h"

namespace runsc::oci {
namespace {

constexpr size_t kMaxShown = 80;  // of a value in a message

const char* Name(JsonValue::Kind kind) {
  switch (kind) {
    case JsonValue::Kind::kNull:
      return "null";
    case JsonValue::Kind::kBool:
      return "a boolean";
    case JsonValue::Kind::kNumber:
      return "a number";
    case JsonValue::Kind::kString:
      return "a string";
    case JsonValue::Kind::kArray:
      return "an array";
    case JsonValue::Kind::kObject:
      return "an object";
  }
  return "";
}

std::string Show(const JsonValue& value) {
  switch (value.kind) {
    case JsonValue::Kind::kBool:
      return value.boolean ? "true" : "false";
    case JsonValue::Kind::kNumber:
      return value.text.substr(0, kMaxShown);
    case JsonValue::Kind::kString:
      return QuoteJson(std::string_view(value.text).substr(0, kMaxShown));
    default:
      return Name(value.kind);
  }
}

bool SameButCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

struct Integer {
  bool negative = false;
  uint64_t magnitude = 0;
};

bool ParseExponent(std::string_view text, int& to) {
  if (text.starts_with('+')) text.remove_prefix(1);
  return ParseDecimal(text, to);
}

// Of a number as JSON has it. Nothing if it is not whole or has more than 64 bits.
std::optional<Integer> Whole(std::string_view text) {
  Integer result;
  result.negative = text.starts_with('-');
  if (result.negative) text.remove_prefix(1);
  const size_t e = text.find_first_of("eE");
  int exponent = 0;
  if (e != std::string_view::npos && !ParseExponent(text.substr(e + 1), exponent)) return std::nullopt;
  if (exponent < -1000 || exponent > 1000) return std::nullopt;
  text = text.substr(0, e);
  const size_t dot = text.find('.');
  std::string digits(text.substr(0, dot));
  if (dot != std::string_view::npos) {
    digits.append(text.substr(dot + 1));
    exponent -= static_cast<int>(text.size() - dot - 1);
  }
  for (; exponent < 0 && digits.size() > 1 && digits.back() == '0'; ++exponent) digits.pop_back();
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  if (digits.empty()) return result;
  if (exponent < 0 || digits.size() + static_cast<size_t>(exponent) > 20) return std::nullopt;
  digits.append(static_cast<size_t>(exponent), '0');
  if (!ParseDecimal(digits, result.magnitude)) return std::nullopt;
  return result;
}

}  // namespace

void ReadContext::Fail(std::string_view path, std::string_view what) {
  if (!status_.ok()) return;
  status_ = Invalid(file_, ": ", path, path.empty() ? "" : ": ", what);
}

void ReadContext::Unknown(std::string path) { notes_.unknown.push_back(std::move(path)); }

void ReadContext::Noted(std::string_view path, std::string_view why) {
  notes_.noted.push_back(Cat(path, ": accepted without effect: ", why));
}

namespace internal {

bool Expect(ReadContext& context, const std::string& path, const JsonValue& from, JsonValue::Kind kind) {
  if (from.kind == kind) return true;
  context.Fail(path, Cat(Show(from), " is not ", Name(kind)));
  return false;
}

void ReadBool(ReadContext& context, const std::string& path, const JsonValue& from, bool& to) {
  if (Expect(context, path, from, JsonValue::Kind::kBool)) to = from.boolean;
}

void ReadString(ReadContext& context, const std::string& path, const JsonValue& from, const Rule& rule,
                std::string& to) {
  if (!Expect(context, path, from, JsonValue::Kind::kString)) return;
  if (!rule.words.empty() && std::find(rule.words.begin(), rule.words.end(), from.text) == rule.words.end()) {
    return context.Fail(path, Cat(Show(from), " is not one of ", Join(rule.words)));
  }
  to = from.text;
}

uint64_t ReadInteger(ReadContext& context, const std::string& path, const JsonValue& from, const Rule& rule,
                     int64_t least, uint64_t most) {
  if (!Expect(context, path, from, JsonValue::Kind::kNumber)) return 0;
  least = std::max(least, rule.least);
  if (rule.most != INT64_MAX) most = std::min(most, static_cast<uint64_t>(rule.most));
  const std::optional<Integer> whole = Whole(from.text);
  const bool fits = whole.has_value() && (whole->negative && whole->magnitude != 0
                                              ? least < 0 && whole->magnitude <= 0 - static_cast<uint64_t>(least)
                                              : whole->magnitude <= most &&
                                                    (least <= 0 || whole->magnitude >= static_cast<uint64_t>(least)));
  if (!fits) {
    context.Fail(path, Cat(Show(from), " is not a whole number from ", least, " to ", most));
    return 0;
  }
  return whole->negative ? 0 - whole->magnitude : whole->magnitude;
}

bool IsZero(const JsonValue& value) {
  switch (value.kind) {
    case JsonValue::Kind::kNull:
      return true;
    case JsonValue::Kind::kBool:
      return !value.boolean;
    case JsonValue::Kind::kNumber: {
      const std::optional<Integer> whole = Whole(value.text);
      return whole.has_value() && whole->magnitude == 0;
    }
    case JsonValue::Kind::kString:
      return value.text.empty();
    case JsonValue::Kind::kArray:
      return value.items.empty();
    case JsonValue::Kind::kObject:
      return value.members.empty();
  }
  return false;
}

}  // namespace internal

const JsonValue* ObjectReader::Find(std::string_view name) {
  names_.push_back(name);
  for (size_t i = 0; i < object_.members.size(); ++i) {
    if (object_.members[i].name != name) continue;
    known_[i] = true;
    const JsonValue& value = object_.members[i].value;
    return value.kind == JsonValue::Kind::kNull ? nullptr : &value;
  }
  return nullptr;
}

void ObjectReader::Refused(std::string_view name, std::string_view why) {
  const JsonValue* from = Find(name);
  if (from == nullptr || internal::IsZero(*from)) return;
  context_.Fail(MemberPath(path_, name), Cat("is refused: ", why));
}

// runc matches names without regard to case, so what we would ignore as
// "Seccomp" its author saw at work. That must not pass in silence.
void ObjectReader::Finish() {
  for (size_t i = 0; i < known_.size() && context_.ok(); ++i) {
    if (known_[i]) continue;
    const std::string& name = object_.members[i].name;
    const auto meant =
        std::find_if(names_.begin(), names_.end(), [&](std::string_view known) { return SameButCase(known, name); });
    if (meant != names_.end()) {
      return context_.Fail(MemberPath(path_, name), Cat("is not a property; write ", *meant));
    }
    context_.Unknown(MemberPath(path_, name));
  }
}

}  // namespace runsc::oci
