#include <algorithm>

#include "sentry/fs/cgroup/cgroup_files.h"

namespace sentry {
namespace {

Result<uint64_t> ParseNumber(std::string_view text) {
  if (text.empty()) return Errno::kEINVAL;
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return Errno::kEINVAL;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (value > (UINT64_MAX - digit) / 10) return Errno::kEINVAL;
    value = value * 10 + digit;
  }
  return value;
}

}  // namespace

Result<uint64_t> ParseCgroupCount(std::string_view text) {
  if (text == "max") return kCgroupNoLimit;
  return ParseNumber(text);
}

Result<uint64_t> ParseCgroupSize(std::string_view text) {
  if (text == "max") return kCgroupNoLimit;
  int shift = 0;
  if (!text.empty()) {
    const size_t unit = std::string_view("kmgt").find(static_cast<char>(text.back() | 0x20));
    if (unit != std::string_view::npos) {
      shift = 10 * (static_cast<int>(unit) + 1);
      text.remove_suffix(1);
    }
  }
  const uint64_t value = TRY(ParseNumber(text));
  // As Linux's page counters: whole pages, and no more than there can be.
  constexpr uint64_t kLargest = static_cast<uint64_t>(INT64_MAX) & ~kPageMask;
  if (value > UINT64_MAX >> shift) return kCgroupNoLimit;
  const uint64_t bytes = (value << shift) & ~kPageMask;
  return bytes >= kLargest ? kCgroupNoLimit : bytes;
}

Result<uint64_t> ParseCpuList(std::string_view text) {
  uint64_t mask = 0;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const std::string_view first_text = part.substr(0, part.find('-'));
    const uint64_t first = TRY(ParseNumber(first_text));
    const uint64_t last =
        first_text.size() == part.size() ? first : TRY(ParseNumber(part.substr(first_text.size() + 1)));
    if (last < first || last > 63) return Errno::kEINVAL;
    for (uint64_t cpu = first; cpu <= last; ++cpu) mask |= uint64_t{1} << cpu;
  }
  return mask;
}

std::string CpuListOf(uint64_t mask) {
  std::string out;
  for (uint32_t cpu = 0; cpu < 64; ++cpu) {
    if ((mask >> cpu & 1) == 0) continue;
    uint32_t last = cpu;
    while (last + 1 < 64 && (mask >> (last + 1) & 1) != 0) ++last;
    out += (out.empty() ? "" : ",") + std::to_string(cpu);
    if (last > cpu) out += "-" + std::to_string(last);
    cpu = last;
  }
  return out;
}

Result<CgroupLimits> ParseCpuMax(std::string_view text, int64_t old_period_us) {
  constexpr uint64_t kShortest = 1000, kLongest = 1'000'000;  // of a period; the shortest quota, too
  const std::string_view quota_text = text.substr(0, text.find(' '));
  uint64_t period = static_cast<uint64_t>(old_period_us);
  if (quota_text.size() < text.size()) period = TRY(ParseNumber(text.substr(quota_text.size() + 1)));
  if (period < kShortest || period > kLongest) return Errno::kEINVAL;
  const uint64_t quota = TRY(ParseCgroupCount(quota_text));
  constexpr uint64_t kMostQuota = uint64_t{1} << 44;  // Linux's max_cfs_runtime
  if (quota != kCgroupNoLimit && (quota < kShortest || quota > kMostQuota)) return Errno::kEINVAL;
  CgroupLimits limits;
  limits.cpu_quota_us = quota == kCgroupNoLimit ? INT64_MAX : static_cast<int64_t>(quota);
  limits.cpu_period_us = static_cast<int64_t>(period);
  return limits;
}

}  // namespace sentry
