#include "runsc-cpp/cmd/ram_size.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace runsc {

std::optional<int64_t> ParseRamSize(absl::string_view text) {
  const size_t end = text.find_last_of("0123456789.");
  if (end == text.npos) return std::nullopt;
  absl::string_view number = text.substr(0, end + 1);
  absl::string_view rest = text.substr(end + 1);
  if (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  const std::string unit = absl::AsciiStrToLower(rest);
  double scale = 1;
  if (!unit.empty() && unit != "b") {
    const size_t power = std::string("kmgtp").find(unit[0]);
    if (power == std::string::npos || (unit.size() > 1 && unit.substr(1) != "b" && unit.substr(1) != "ib")) {
      return std::nullopt;
    }
    for (size_t i = 0; i <= power; ++i) scale *= 1024;
  }
  // Only digits and a point: neither signs nor exponents nor "inf".
  if (number.find_first_not_of("0123456789.") != number.npos) return std::nullopt;
  double count;
  if (!absl::SimpleAtod(number, &count)) return std::nullopt;
  constexpr double kMost = 9223372036854774784.0;  // the last double below 2^63
  if (count * scale > kMost) return std::nullopt;
  return static_cast<int64_t>(count * scale);
}

}  // namespace runsc
