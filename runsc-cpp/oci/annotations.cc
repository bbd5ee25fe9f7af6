#include "runsc-cpp/oci/annotations.h"

#include <algorithm>
#include <optional>

#include "runsc-cpp/oci/json.h"
#include "runsc-cpp/oci/text.h"

namespace runsc::oci {
namespace {

// From the least that a sandbox may reach to the most.
constexpr std::string_view kNetworks[] = {"none", "sandbox", "passthrough"};

std::optional<bool> Boolean(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

// Each sets what `value` says, or tells why not (empty: done).
using Apply = std::string (*)(std::string_view value, SandboxSettings& settings);

std::string Overlay(std::string_view value, SandboxSettings& settings) {
  const std::optional<bool> wanted = Boolean(value);
  if (!wanted.has_value()) return "is not true or false";
  if (settings.overlay && !*wanted) return "would let writes through to the host's files";
  settings.overlay = *wanted;
  return "";
}

std::string Network(std::string_view value, SandboxSettings& settings) {
  const auto rank = [](std::string_view name) {
    return std::find(std::begin(kNetworks), std::end(kNetworks), name) - std::begin(kNetworks);
  };
  if (rank(value) == std::ssize(kNetworks)) return Cat("is not one of ", Join(kNetworks));
  if (rank(value) > rank(settings.network)) return Cat("would reach more than ", settings.network);
  settings.network = value;
  return "";
}

std::string Platform(std::string_view value, SandboxSettings& settings) {
  const auto& allowed = settings.tenant_platforms;
  if (value == settings.platform) return "";
  if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
    return "is not a platform that the operator lets containers choose";
  }
  settings.platform = value;
  return "";
}

// Switched on they fill the host's disk, switched off they hide from the operator.
std::string Log(std::string_view value, bool& setting, const SandboxSettings& settings) {
  const std::optional<bool> wanted = Boolean(value);
  if (!wanted.has_value()) return "is not true or false";
  if (*wanted != setting && !settings.tenant_logs) return "the operator does not let containers switch logs";
  setting = *wanted;
  return "";
}

std::string Strace(std::string_view value, SandboxSettings& settings) { return Log(value, settings.strace, settings); }
std::string Debug(std::string_view value, SandboxSettings& settings) { return Log(value, settings.debug, settings); }

template <class T>
std::string Least(std::string_view value, T& setting) {
  T wanted = 0;
  if (!ParseDecimal(value, wanted) || wanted == 0) return "is not a whole number above 0";
  if (setting != 0 && wanted > setting) return Cat("is more than the ", setting, " of the operator");
  setting = wanted;
  return "";
}

std::string Memory(std::string_view value, SandboxSettings& settings) { return Least(value, settings.memory_limit); }
std::string Cpus(std::string_view value, SandboxSettings& settings) { return Least(value, settings.cpus); }

struct Annotation {
  std::string_view name;
  std::string_view rule;
  Apply apply;
};

constexpr Annotation kAnnotations[] = {
    {"overlay", "`true`; `false` only where it is not on", &Overlay},
    {"network", "`none`, `sandbox`, `passthrough`; never one behind the operator's", &Network},
    {"platform", "one of those that the operator lists", &Platform},
    {"strace", "`true` or `false`, where the operator allows it", &Strace},
    {"debug", "`true` or `false`, where the operator allows it", &Debug},
    {"memory", "bytes; never more than the operator's", &Memory},
    {"cpus", "a number; never more than the operator's", &Cpus},
};

}  // namespace

AnnotatedSettings ApplyAnnotations(const SandboxSettings& given,
                                   const std::map<std::string, std::string>& annotations) {
  AnnotatedSettings result = {given, {}};
  for (const auto& [name, value] : annotations) {
    if (!name.starts_with(kAnnotationPrefix)) continue;
    const std::string_view ours = std::string_view(name).substr(kAnnotationPrefix.size());
    const Annotation* found = std::find_if(std::begin(kAnnotations), std::end(kAnnotations),
                                           [&](const Annotation& a) { return a.name == ours; });
    const bool allowed = !given.annotations || std::find(given.annotations->begin(), given.annotations->end(), ours) !=
                                                   given.annotations->end();
    const std::string why = found == std::end(kAnnotations) ? "is not known"
                            : !allowed                      ? "is not allowed by the operator"
                                                            : found->apply(value, result.settings);
    if (!why.empty()) result.refusals.push_back(Cat("annotation ", name, ": ", QuoteJson(value), " ", why));
  }
  return result;
}

std::vector<std::pair<std::string_view, std::string_view>> AnnotationRules() {
  std::vector<std::pair<std::string_view, std::string_view>> rules;
  for (const Annotation& a : kAnnotations) rules.emplace_back(a.name, a.rule);
  return rules;
}

}  // namespace runsc::oci
