#include "runsc-cpp/container/unified.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runsc-cpp/cgroup/convert.h"

namespace runsc {
namespace {

constexpr int64_t kMinPeriod = 1000, kMaxPeriod = 1'000'000;  // Linux's, of quotas too
constexpr uint64_t kMaxWeight = 10'000;

absl::Status Bad(absl::string_view file, absl::string_view value, absl::string_view allowed) {
  return absl::InvalidArgumentError(
      absl::StrCat("linux.resources.unified[\"", file, "\"]: \"", value, "\" is not ", allowed));
}

// Linux's memparse: a number, perhaps of KiB, MiB, ...
std::optional<int64_t> Bytes(absl::string_view text) {
  constexpr absl::string_view kUnits = "kmgtpe";
  int shift = 0;
  if (!text.empty()) {
    const size_t unit = kUnits.find(absl::ascii_tolower(static_cast<unsigned char>(text.back())));
    if (unit != kUnits.npos) {
      shift = 10 * (static_cast<int>(unit) + 1);
      text.remove_suffix(1);
    }
  }
  int64_t number;
  if (!absl::SimpleAtoi(text, &number) || number < 0 || number > INT64_MAX >> shift) return std::nullopt;
  return number << shift;
}

absl::Status ParseBytes(absl::string_view file, absl::string_view text, std::optional<int64_t>& to) {
  to = text == "max" ? -1 : Bytes(text);
  return to ? absl::OkStatus() : Bad(file, text, "\"max\" or a number of bytes");
}

absl::Status ParsePids(absl::string_view text, UnifiedLimits& to) {
  int64_t number = -1;
  if (text != "max" && (!absl::SimpleAtoi(text, &number) || number < 0))
    return Bad("pids.max", text, "\"max\" or a number");
  to.pids_max = number;
  return absl::OkStatus();
}

absl::Status ParseWeight(absl::string_view text, UnifiedLimits& to) {
  uint64_t weight;
  if (!absl::SimpleAtoi(text, &weight) || weight == 0 || weight > kMaxWeight)
    return Bad("cpu.weight", text, "one of 1 to 10000");
  to.cpu_weight = weight;
  return absl::OkStatus();
}

absl::Status ParseCpuMax(absl::string_view text, UnifiedLimits& to) {
  const std::vector<absl::string_view> words = absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  const auto in_range = [](int64_t us, int64_t most) { return us >= kMinPeriod && us <= most; };
  int64_t quota = -1, period = 0;
  const bool has_period = words.size() == 2;
  const bool good = (words.size() == 1 || has_period) &&
                    (words[0] == "max" || (absl::SimpleAtoi(words[0], &quota) && in_range(quota, INT64_MAX))) &&
                    (!has_period || (absl::SimpleAtoi(words[1], &period) && in_range(period, kMaxPeriod)));
  if (!good)
    return Bad("cpu.max", text, "\"max\" or microseconds from 1000 on, perhaps with a period of up to 1000000");
  to.cpu_quota_us = quota;
  if (has_period) to.cpu_period_us = static_cast<uint64_t>(period);
  return absl::OkStatus();
}

absl::Status ParseCpus(absl::string_view text, UnifiedLimits& to) {
  if (!text.empty() && !cgroup::CpuListToMask(text).ok()) return Bad("cpuset.cpus", text, "a list of processors");
  to.cpus = std::string(text);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UnifiedLimits> ParseUnified(const std::map<std::string, std::string>& unified) {
  UnifiedLimits limits;
  for (const auto& [file, value] : unified) {
    const absl::string_view text = absl::StripAsciiWhitespace(value);
    absl::Status s;
    if (file == "memory.max") s = ParseBytes(file, text, limits.memory_max);
    if (file == "memory.high") s = ParseBytes(file, text, limits.memory_high);
    if (file == "pids.max") s = ParsePids(text, limits);
    if (file == "cpu.max") s = ParseCpuMax(text, limits);
    if (file == "cpu.weight") s = ParseWeight(text, limits);
    if (file == "cpuset.cpus") s = ParseCpus(text, limits);
    if (!s.ok()) return s;
  }
  return limits;
}

std::string CpuMaxText(int64_t quota_us, uint64_t period_us) {
  return absl::StrCat(cgroup::LimitWord(quota_us), " ", period_us);
}

}  // namespace runsc
