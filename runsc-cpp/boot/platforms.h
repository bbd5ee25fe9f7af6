// The platforms by name; the one place that knows them all.
#ifndef RUNSC_CPP_BOOT_PLATFORMS_H_
#define RUNSC_CPP_BOOT_PLATFORMS_H_

#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"
#include "platform/platform.h"
#include "platform/stub/stub_platform.h"

namespace runsc {

struct PlatformChoice {
  std::string_view name;
  base::Result<std::unique_ptr<platform::Platform>> (*create)(platform::stub::Options options);
};

// The fastest first.
std::span<const PlatformChoice> Platforms();
// Null: there is none of that name.
const PlatformChoice* FindPlatform(std::string_view name);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_PLATFORMS_H_
