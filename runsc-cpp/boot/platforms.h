// The platforms by name; the one place that knows them all.
#ifndef RUNSC_CPP_BOOT_PLATFORMS_H_
#define RUNSC_CPP_BOOT_PLATFORMS_H_

#include <linux/filter.h>

#include <memory>
#include <span>
#include <string>

#include "absl/strings/string_view.h"
#include "base/result.h"
#include "platform/platform.h"
#include "platform/stub/stub_platform.h"

namespace runsc {

struct PlatformChoice {
  absl::string_view name;
  base::Result<std::unique_ptr<platform::Platform>> (*create)(platform::stub::Options options);
  std::span<const sock_filter> (*filter)();  // the sentry's under this platform
  absl::string_view needs;                   // what the host lacks if `create` answers ENOSYS
};

// Stands for the fastest that works (runsc-cpp/selection), where a user names one.
inline constexpr absl::string_view kAutoPlatform = "auto";

// The fastest first.
std::span<const PlatformChoice> Platforms();
// Null: there is none of that name.
const PlatformChoice* FindPlatform(absl::string_view name);
// "auto, systrap or ptrace"
std::string PlatformNames();

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_PLATFORMS_H_
