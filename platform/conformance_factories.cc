// How each platform is made in a test.
#include "platform/conformance.h"
#include "platform/ptrace/ptrace.h"
#include "platform/stub/template.h"

namespace platform {
namespace {

std::unique_ptr<Platform> CreatePtrace(int small_fd, std::function<void(std::string)> on_death, pid_t* template_pid) {
  base::Result<stub::TemplateHandle> handle = stub::StartTemplate(small_fd, -1);
  if (!handle.ok()) return nullptr;
  *template_pid = handle->pid;
  base::Result<std::unique_ptr<Platform>> platform =
      ptrace::Create({small_fd, -1, std::move(*handle), std::move(on_death)});
  return platform.ok() ? std::move(*platform) : nullptr;
}

}  // namespace

const Factory kPtrace = {"ptrace", CreatePtrace};

}  // namespace platform
