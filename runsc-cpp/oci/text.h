// Strings put together. (Debian's absl has a string_view of its own, which
// StrCat does not take std::string_view for.)
#ifndef RUNSC_CPP_OCI_TEXT_H_
#define RUNSC_CPP_OCI_TEXT_H_

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>
#include <system_error>

#include "absl/status/status.h"

namespace runsc::oci {

inline void AppendText(std::string& out, std::string_view text) { out += text; }
template <std::integral T>
requires(!std::same_as<T, char> && !std::same_as<T, bool>) void AppendText(std::string& out, T number) {
  out += std::to_string(number);
}

template <class... T>
std::string Cat(const T&... parts) {
  std::string out;
  (AppendText(out, parts), ...);
  return out;
}

template <class Words>
std::string Join(const Words& words, std::string_view separator = ", ") {
  std::string out;
  for (const auto& word : words) {
    if (!out.empty()) out += separator;
    out += std::string_view(word).empty() ? std::string_view("\"\"") : std::string_view(word);
  }
  return out;
}

// The whole of `text`, in decimal.
template <std::integral T>
bool ParseDecimal(std::string_view text, T& to) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
  return error == std::errc() && end == text.data() + text.size();
}

template <class... T>
absl::Status Invalid(const T&... parts) {
  return absl::InvalidArgumentError(Cat(parts...));
}

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_TEXT_H_
