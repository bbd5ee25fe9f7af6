#include "runsc-cpp/boot/platforms.h"

#include "platform/ptrace/ptrace.h"
#include "platform/systrap/systrap.h"

namespace runsc {
namespace {

constexpr PlatformChoice kPlatforms[] = {
    {"systrap", platform::systrap::Create},
    {"ptrace", platform::ptrace::Create},
};

}  // namespace

std::span<const PlatformChoice> Platforms() { return kPlatforms; }

const PlatformChoice* FindPlatform(std::string_view name) {
  for (const PlatformChoice& choice : kPlatforms) {
    if (choice.name == name) return &choice;
  }
  return nullptr;
}

}  // namespace runsc
