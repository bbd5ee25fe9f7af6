#include "runsc-cpp/cgroup/convert.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace runsc::cgroup {

uint64_t SharesToWeight(uint64_t shares) {
  constexpr uint64_t kMin = 2, kMax = 262144;
  if (shares == 0) return 0;
  if (shares <= kMin) return 1;
  if (shares >= kMax) return 10000;
  // The quadratic through (2, 1), (1024, 100) and (262144, 10000) in logarithms.
  const double l = std::log2(static_cast<double>(shares));
  return static_cast<uint64_t>(std::ceil(std::pow(10, (l * l + 125 * l) / 612.0 - 7.0 / 34.0)));
}

uint64_t BlkioToIoWeight(uint16_t weight) {
  if (weight == 0) return 0;
  return 1 + (std::max<uint64_t>(weight, 10) - 10) * 9999 / 990;
}

absl::StatusOr<SwapLimit> SwapOfBoth(int64_t memory_and_swap, int64_t memory) {
  if (memory_and_swap == 0) return memory == -1 ? SwapLimit{.set = true, .bytes = -1} : SwapLimit{};
  if (memory_and_swap == -1 || memory == -1) return SwapLimit{.set = true, .bytes = memory_and_swap};
  if (memory == 0) return absl::InvalidArgumentError("unable to set swap limit without memory limit");
  if (memory < 0) return absl::InvalidArgumentError(absl::StrCat("invalid memory value: ", memory));
  if (memory_and_swap < memory) return absl::InvalidArgumentError("memory+swap limit should be >= memory limit");
  return SwapLimit{.set = true, .bytes = memory_and_swap - memory};
}

std::string LimitWord(int64_t limit) { return limit == -1 ? "max" : absl::StrCat(limit); }

absl::StatusOr<std::string> CpuListToMask(absl::string_view list) {
  constexpr uint32_t kMaxBit = 8191;  // more than the kernel's NR_CPUS and MAX_NUMNODES
  std::string mask;
  for (absl::string_view range : absl::StrSplit(list, ',')) {
    range = absl::StripAsciiWhitespace(range);
    if (range.empty()) continue;
    const std::pair<absl::string_view, absl::string_view> ends = absl::StrSplit(range, absl::MaxSplits('-', 1));
    uint32_t from, to;
    const bool numbers = absl::SimpleAtoi(ends.first, &from) &&
                         (range.find('-') == range.npos ? (to = from, true) : absl::SimpleAtoi(ends.second, &to));
    if (!numbers || from > to || to > kMaxBit) {
      return absl::InvalidArgumentError(absl::StrCat("\"", range, "\" is not a range of numbers"));
    }
    if (mask.size() < to / 8 + 1) mask.resize(to / 8 + 1);
    for (uint32_t bit = from; bit <= to; ++bit) mask[bit / 8] |= static_cast<char>(1 << bit % 8);
  }
  if (mask.empty()) return absl::InvalidArgumentError("empty value");
  return mask;
}

}  // namespace runsc::cgroup
