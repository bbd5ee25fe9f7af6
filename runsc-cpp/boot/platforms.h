// The platforms by name; the one place that knows them all.
#ifndef RUNSC_CPP_BOOT_PLATFORMS_H_
#define RUNSC_CPP_BOOT_PLATFORMS_H_

#include <linux/filter.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "platform/kvm/kvm.h"
#include "platform/platform.h"
#include "platform/stub/stub_platform.h"

namespace runsc {

// What platforms are made of; each takes what it needs.
struct PlatformParts {
  std::vector<platform::kvm::MemoryView> memory;      // the memory files; the one of small pages first
  int device = -1;                                    // PlatformChoice::device; borrowed
  platform::stub::TemplateHandle stub_template = {};  // where `stubs`
  std::function<void(std::string cause)> on_template_death = {};
  std::function<void()> on_stub_death = {};
};

struct PlatformChoice {
  absl::string_view name;
  // FAILED_PRECONDITION: this host can't, and will not be able to; the message says why.
  absl::StatusOr<std::unique_ptr<platform::Platform>> (*create)(PlatformParts parts);
  std::span<const sock_filter> (*filter)();  // the sentry's under this platform
  bool stubs = true;                         // guests run in processes made from a template
  const char* device = nullptr;              // to be opened by who still may
};

// The choice's device; none where it needs none. FAILED_PRECONDITION, in words.
absl::StatusOr<base::UniqueFd> OpenDevice(const PlatformChoice& choice);

// An error of the platform's making, in words; one that may pass is UNAVAILABLE.
absl::Status PlatformError(absl::string_view step, base::Errno error);

// Stands for the fastest that works (runsc-cpp/selection), where a user names one.
inline constexpr absl::string_view kAutoPlatform = "auto";

// The fastest first.
std::span<const PlatformChoice> Platforms();
// Null: there is none of that name.
const PlatformChoice* FindPlatform(absl::string_view name);
// "auto, systrap, kvm or ptrace"
std::string PlatformNames();

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_PLATFORMS_H_
