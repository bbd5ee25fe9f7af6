#include "runsc-cpp/selection/select.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/selection/cache.h"
#include "runsc-cpp/selection/trial.h"

namespace runsc {

namespace {

bool WasLate(const Measurement& one) { return absl::IsDeadlineExceeded(one.ns_per_call.status()); }

// None has answered in time. Slow is not broken: those that were late are asked again with more patience, and the last
// of them, which asks the least of the host, is taken unseen.
std::optional<std::string> OneThatWasLate(std::span<const PlatformChoice> candidates,
                                          std::span<const Measurement> all) {
  std::optional<std::string> last;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!WasLate(all[i])) continue;
    last = std::string(all[i].platform);
    if (TryPlatform(candidates[i], kPatientTrialLimit).ok()) break;
  }
  return last;
}

}  // namespace

std::vector<Measurement> MeasurePlatforms(std::span<const PlatformChoice> candidates) {
  std::vector<Measurement> all;
  // In turn: side by side they would slow each other.
  for (const PlatformChoice& candidate : candidates) {
    std::string remark;
    absl::StatusOr<uint64_t> speed = TryPlatform(candidate, kTrialLimit, &remark);
    all.push_back({candidate.name, std::move(speed), std::move(remark)});
  }
  return all;
}

const Measurement* Fastest(std::span<const Measurement> all) {
  const Measurement* best = nullptr;
  for (const Measurement& one : all) {
    if (!one.ns_per_call.ok()) continue;
    if (best == nullptr || *one.ns_per_call < *best->ns_per_call) best = &one;
  }
  return best;
}

bool Lasting(std::span<const Measurement> all) {
  return std::ranges::all_of(all, [](const Measurement& one) {
    return one.ns_per_call.ok() || absl::IsFailedPrecondition(one.ns_per_call.status());
  });
}

std::optional<std::string> RememberedPlatform(const std::string& cache_parent,
                                              std::span<const PlatformChoice> candidates) {
  std::optional<std::string> name = ReadChoice(cache_parent, ChoiceKey());
  const bool known = name && std::ranges::any_of(candidates, [&](const auto& one) { return one.name == *name; });
  return known ? name : std::nullopt;
}

bool RememberFastest(const std::string& cache_parent, std::span<const Measurement> all) {
  const Measurement* const fastest = Fastest(all);
  if (fastest != nullptr && Lasting(all)) return WriteChoice(cache_parent, ChoiceKey(), fastest->platform);
  ForgetChoice(cache_parent);
  return false;
}

absl::StatusOr<std::string> SelectPlatform(const std::string& cache_parent,
                                           std::span<const PlatformChoice> candidates) {
  if (std::optional<std::string> name = RememberedPlatform(cache_parent, candidates)) return *std::move(name);
  const std::vector<Measurement> all = MeasurePlatforms(candidates);
  if (const Measurement* fastest = Fastest(all)) {
    RememberFastest(cache_parent, all);
    return std::string(fastest->platform);
  }
  if (std::optional<std::string> late = OneThatWasLate(candidates, all)) return *std::move(late);
  std::string text = "no platform works here";
  for (const Measurement& one : all) {
    absl::StrAppend(&text, "; ", one.platform, ": ", one.ns_per_call.status().message());
  }
  return absl::FailedPreconditionError(text);
}

}  // namespace runsc
