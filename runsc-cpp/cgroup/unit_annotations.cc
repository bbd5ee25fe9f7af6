// Annotations "org.systemd.property.NAME" and GVariant's text form.
#include <cmath>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runsc-cpp/cgroup/unit_properties.h"

namespace runsc::cgroup {
namespace {

constexpr absl::string_view kPrefix = "org.systemd.property.";
constexpr double kUsPerSecond = 1e6;

// Takes a quoted string from the front of `text`.
bool ConsumeString(absl::string_view* text, std::string& out) {
  if (text->empty() || ((*text)[0] != '\'' && (*text)[0] != '"')) return false;
  const char quote = (*text)[0];
  for (size_t i = 1; i < text->size(); ++i) {
    char c = (*text)[i];
    if (c == quote) {
      text->remove_prefix(i + 1);
      return true;
    }
    if (c == '\\') {
      if (++i == text->size()) return false;
      c = (*text)[i];
      if (c == 'n') c = '\n';
      if (c == 't') c = '\t';
    }
    if (c == '\0') return false;
    out.push_back(c);
  }
  return false;
}

bool ParseStrings(absl::string_view text, std::vector<std::string>& out) {
  if (!absl::ConsumePrefix(&text, "[") || !absl::ConsumeSuffix(&text, "]")) return false;
  while (true) {
    text = absl::StripAsciiWhitespace(text);
    std::string one;
    if (!ConsumeString(&text, one)) return text.empty() && out.empty();
    out.push_back(std::move(one));
    text = absl::StripAsciiWhitespace(text);
    if (text.empty()) return true;
    if (!absl::ConsumePrefix(&text, ",")) return false;
  }
}

template <typename T>
bool ParseNumber(absl::string_view text, dbus::Value& out) {
  T number;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &number)) return false;
  out = number;
  return true;
}

bool Parse(absl::string_view text, dbus::Value& out) {
  if (text == "true" || text == "false") {
    out = text == "true";
    return true;
  }
  std::string string;
  absl::string_view rest = text;
  if (ConsumeString(&rest, string)) {
    out = string;
    return rest.empty();
  }
  if (absl::StartsWith(text, "[") || absl::ConsumePrefix(&rest, "@as ")) {
    std::vector<std::string> strings;
    if (!ParseStrings(absl::StripAsciiWhitespace(rest), strings)) return false;
    out = std::move(strings);
    return true;
  }
  if (absl::ConsumePrefix(&rest, "uint64 ")) return ParseNumber<uint64_t>(rest, out);
  if (absl::ConsumePrefix(&rest, "int64 ")) return ParseNumber<int64_t>(rest, out);
  if (absl::ConsumePrefix(&rest, "uint32 ")) return ParseNumber<uint32_t>(rest, out);
  if (absl::ConsumePrefix(&rest, "int32 ")) return ParseNumber<int32_t>(rest, out);
  if (ParseNumber<int32_t>(text, out)) return true;  // what a number without a type is
  double real;
  if (text.find('.') == text.npos || !absl::SimpleAtod(text, &real)) return false;
  out = real;
  return true;
}

struct NumberVisitor {
  std::optional<double> operator()(bool) const { return std::nullopt; }
  std::optional<double> operator()(int32_t v) const { return v; }
  std::optional<double> operator()(uint32_t v) const { return v; }
  std::optional<double> operator()(int64_t v) const { return static_cast<double>(v); }
  std::optional<double> operator()(uint64_t v) const { return static_cast<double>(v); }
  std::optional<double> operator()(double v) const { return v; }
  template <typename Other>
  std::optional<double> operator()(const Other&) const {
    return std::nullopt;
  }
};

// "TimeoutStopSec" is what people write; over D-Bus it is "TimeoutStopUSec".
bool SecondsToMicroseconds(dbus::Value& value) {
  const std::optional<double> seconds = std::visit(NumberVisitor{}, value);
  if (!seconds || !(*seconds >= 0) || *seconds > 1e12) return false;
  value = static_cast<uint64_t>(std::llround(*seconds * kUsPerSecond));
  return true;
}

bool IsPropertyName(absl::string_view name) {
  if (name.size() < 3) return false;
  for (const char c : name) {
    if (!absl::ascii_isalpha(c)) return false;
  }
  return absl::ascii_isupper(name[0]);
}

}  // namespace

absl::StatusOr<dbus::Value> ParseVariantText(absl::string_view text) {
  dbus::Value value;
  if (Parse(absl::StripAsciiWhitespace(text), value)) return value;
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is not a value in GVariant's text form, of a type ",
                                                 "that is supported: true, 5, uint64 5, 1.5, 'text', ['a', 'b']"));
}

absl::StatusOr<Properties> AnnotationProperties(const std::map<std::string, std::string>& annotations) {
  Properties properties;
  for (const auto& [key, text] : annotations) {
    absl::string_view name = key;
    if (!absl::ConsumePrefix(&name, kPrefix)) continue;
    const auto error = [&, annotation = key](absl::string_view why) {
      return absl::InvalidArgumentError(absl::StrCat("annotation ", annotation, ": ", why));
    };
    if (!IsPropertyName(name)) return error("not the name of a systemd property");
    auto value = ParseVariantText(text);
    if (!value.ok()) return error(value.status().message());
    std::string property(name);
    if (absl::EndsWith(property, "Sec") && !absl::EndsWith(property, "USec")) {
      if (!SecondsToMicroseconds(*value)) return error(absl::StrCat("\"", text, "\" is not a number of seconds"));
      property = absl::StrCat(property.substr(0, property.size() - 3), "USec");
    }
    properties.emplace_back(std::move(property), *std::move(value));
  }
  return properties;
}

}  // namespace runsc::cgroup
