// Prints the structs of spec.h, and those of others that have Fields, as Go's
// encoding/json would.
#ifndef RUNSC_CPP_OCI_WRITER_H_
#define RUNSC_CPP_OCI_WRITER_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runsc-cpp/oci/json.h"

namespace runsc::oci {

// Commas, line breaks and indentation. An empty indent: all on one line.
class JsonWriter {
 public:
  explicit JsonWriter(std::string_view indent) : indent_(indent) {}

  void Open(char bracket);
  void Close(char bracket);
  void Key(std::string_view name);
  void Item();                                       // before each item of an array
  void Raw(std::string_view text) { out_ += text; }  // a number, a literal, a quoted string

  std::string Take() { return std::move(out_); }

 private:
  void Line();

  const std::string indent_;
  std::string out_;
  size_t depth_ = 0;
  bool empty_ = true;  // nothing written yet in the innermost open bracket
};

template <class T>
void WriteValue(JsonWriter& out, const T& value);

template <class T>
bool IsEmpty(const T& value) {
  if constexpr (requires { value.has_value(); }) {
    return !value.has_value();
  } else if constexpr (requires { value.empty(); }) {
    return value.empty();
  } else if constexpr (std::is_arithmetic_v<T>) {
    return value == T{};
  } else {
    return false;
  }
}

// The visitor of one object.
class ObjectWriter {
 public:
  explicit ObjectWriter(JsonWriter& out) : out_(out) {}

  template <class T, class... Rule>
  void Required(std::string_view name, const T& value, const Rule&...) {
    out_.Key(name);
    WriteValue(out_, value);
  }
  template <class T, class... Rule>
  void Always(std::string_view name, const T& value, const Rule&...) {
    Required(name, value);
  }
  template <class T, class... Rule>
  void Optional(std::string_view name, const T& value, const Rule&...) {
    if (!IsEmpty(value)) Required(name, value);
  }
  template <class T>
  void Noted(std::string_view name, const T& value, std::string_view) {
    Optional(name, value);
  }
  void Refused(std::string_view, std::string_view) {}
  // `text` is JSON already.
  void Literal(std::string_view name, std::string_view text) {
    out_.Key(name);
    out_.Raw(text);
  }

 private:
  JsonWriter& out_;
};

template <class T>
void WriteItems(JsonWriter& out, const std::vector<T>& value) {
  out.Open('[');
  for (const T& item : value) {
    out.Item();
    WriteValue(out, item);
  }
  out.Close(']');
}

template <class T>
void WriteItems(JsonWriter& out, const std::map<std::string, T>& value) {
  out.Open('{');
  for (const auto& [name, item] : value) {
    out.Key(name);
    WriteValue(out, item);
  }
  out.Close('}');
}

template <class T>
void WriteValue(JsonWriter& out, const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    out.Raw(value ? "true" : "false");
  } else if constexpr (std::is_integral_v<T>) {
    out.Raw(std::to_string(value));
  } else if constexpr (std::is_same_v<T, std::string>) {
    out.Raw(QuoteJson(value));
  } else if constexpr (requires { value.has_value(); }) {
    if (!value.has_value()) return out.Raw("null");
    WriteValue(out, *value);
  } else if constexpr (requires { WriteItems(out, value); }) {
    WriteItems(out, value);
  } else {
    out.Open('{');
    ObjectWriter writer(out);
    Fields(writer, value);
    out.Close('}');
  }
}

template <class T>
std::string ToJson(const T& value, std::string_view indent) {
  JsonWriter out(indent);
  WriteValue(out, value);
  return out.Take();
}

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_WRITER_H_
