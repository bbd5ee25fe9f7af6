#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "runsc-cpp/boot/platforms.h"
#include "runsc-cpp/cmd/command.h"
#include "runsc-cpp/selection/cache.h"
#include "runsc-cpp/selection/select.h"

namespace runsc {
namespace {

constexpr char kRow[] = "%-8s %s\n";

std::string Describe(const Measurement& one) {
  if (!one.ns_per_call.ok()) return absl::StrCat("no: ", one.ns_per_call.status().message());
  const double us = static_cast<double>(*one.ns_per_call) / 1000;
  return absl::StrFormat("yes, %.1f us per system call%s", us, one.remark.empty() ? "" : "; " + one.remark);
}

std::string DescribeCache(bool remembered, const std::optional<std::string>& before) {
  std::string text = remembered ? "remembered until the next boot" : "not remembered: each start measures anew";
  if (before) absl::StrAppend(&text, "; it was ", *before, " before");
  return text;
}

}  // namespace

int PlatformsCommand(int argc, char**) {
  if (argc != 0) return Fail("platforms", "takes no arguments");
  const std::string cache = CacheParent();
  const std::optional<std::string> before = RememberedPlatform(cache, Platforms());
  const std::vector<Measurement> all = MeasurePlatforms(Platforms());
  for (const Measurement& one : all) Print(absl::StrFormat(kRow, one.platform, Describe(one)));
  const Measurement* const fastest = Fastest(all);
  if (fastest == nullptr) {
    Print(absl::StrFormat(kRow, kAutoPlatform, "none"));
    return kExitFailure;
  }
  const std::string rest = DescribeCache(RememberFastest(cache, all), before);
  Print(absl::StrFormat(kRow, kAutoPlatform, absl::StrCat("takes ", fastest->platform, " (", rest, ")")));
  return 0;
}

}  // namespace runsc
