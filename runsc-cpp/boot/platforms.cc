#include "runsc-cpp/boot/platforms.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "platform/ptrace/ptrace.h"
#include "platform/systrap/systrap.h"
#include "runsc-cpp/filter/filter.h"

namespace runsc {
namespace {

constexpr PlatformChoice kPlatforms[] = {
    {"systrap", platform::systrap::Create, SentryFilter, "FSGSBASE (of the processor and the host's kernel)"},
    {"ptrace", platform::ptrace::Create, TracingSentryFilter, "PTRACE_SYSEMU"},
};

}  // namespace

std::span<const PlatformChoice> Platforms() { return kPlatforms; }

const PlatformChoice* FindPlatform(absl::string_view name) {
  for (const PlatformChoice& choice : kPlatforms) {
    if (choice.name == name) return &choice;
  }
  return nullptr;
}

std::string PlatformNames() {
  std::string names(kAutoPlatform);
  for (const PlatformChoice& choice : kPlatforms) {
    absl::StrAppend(&names, &choice == std::end(kPlatforms) - 1 ? " or " : ", ", choice.name);
  }
  return names;
}

}  // namespace runsc
