#include "platform/conformance_factories.h"
#include "base/unique_fd.h"

#include <fcntl.h>
#include <stdio.h>

#include "platform/kvm/kvm.h"
#include "platform/ptrace/ptrace.h"
#include "platform/stub/template.h"
#include "platform/systrap/systrap.h"
#include "sentry/usermem/safe_copy.h"

namespace platform {
namespace {

using Create = base::Result<std::unique_ptr<Platform>> (*)(stub::Options);

template <Create kCreate>
std::unique_ptr<Platform> Make(int small_fd, std::span<std::byte>, std::function<void(std::string)> on_death,
                               pid_t* template_pid) {
  base::Result<stub::TemplateHandle> handle = stub::StartTemplate(small_fd, -1);
  if (!handle.ok()) return nullptr;
  *template_pid = handle->pid;
  base::Result<std::unique_ptr<Platform>> platform = kCreate({small_fd, -1, std::move(*handle), std::move(on_death)});
  return platform.ok() ? std::move(*platform) : nullptr;
}

std::unique_ptr<Platform> MakeKvm(int small_fd, std::span<std::byte> view, std::function<void(std::string)>,
                                  pid_t* template_pid) {
  *template_pid = -1;
  static const bool handles_faults = (sentry::InstallSafeCopyHandler(), true);
  (void)handles_faults;
  const base::UniqueFd device(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  std::string why;
  base::Result<std::unique_ptr<Platform>> platform =
      kvm::Create({.device = device.get(), .memory = {{small_fd, view}}}, why);
  if (!platform.ok()) fprintf(stderr, "%d %s\n", static_cast<int>(platform.error()), why.c_str());
  return platform.ok() ? std::move(*platform) : nullptr;
}

// A platform takes part by a line here.
constexpr Factory kPtrace = {"ptrace", Make<ptrace::Create>}, kSystrap = {"systrap", Make<systrap::Create>},
                  kKvm = {"kvm", MakeKvm};
const Factory kFactories[] = {kPtrace, kSystrap, kKvm};
const Factory kRewritingFactories[] = {kSystrap};

}  // namespace

std::span<const Factory> Factories() { return kFactories; }
std::span<const Factory> RewritingFactories() { return kRewritingFactories; }

}  // namespace platform
