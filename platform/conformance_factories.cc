// The platforms under test, and how each is made.
#include "platform/conformance.h"
#include "platform/ptrace/ptrace.h"
#include "platform/stub/template.h"
#include "platform/systrap/systrap.h"

namespace platform {
namespace {

using Create = base::Result<std::unique_ptr<Platform>> (*)(stub::Options);

template <Create kCreate>
std::unique_ptr<Platform> Make(int small_fd, std::function<void(std::string)> on_death, pid_t* template_pid) {
  base::Result<stub::TemplateHandle> handle = stub::StartTemplate(small_fd, -1);
  if (!handle.ok()) return nullptr;
  *template_pid = handle->pid;
  base::Result<std::unique_ptr<Platform>> platform = kCreate({small_fd, -1, std::move(*handle), std::move(on_death)});
  return platform.ok() ? std::move(*platform) : nullptr;
}

// A platform takes part by a line here.
constexpr Factory kPtrace = {"ptrace", Make<ptrace::Create>}, kSystrap = {"systrap", Make<systrap::Create>};
const Factory kFactories[] = {kPtrace, kSystrap};
const Factory kRewritingFactories[] = {kSystrap};

INSTANTIATE_TEST_SUITE_P(Conformance, PlatformTest, testing::ValuesIn(kFactories),
                         [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(Conformance, CallSitesTest, testing::ValuesIn(kRewritingFactories),
                         [](const auto& info) { return info.param.name; });

}  // namespace

}  // namespace platform
