#include "runsc-cpp/boot/platforms.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "platform/ptrace/ptrace.h"
#include "platform/systrap/systrap.h"
#include "runsc-cpp/filter/filter.h"

namespace runsc {
namespace {

using MadePlatform = base::Result<std::unique_ptr<platform::Platform>>;

absl::StatusOr<std::unique_ptr<platform::Platform>> Answer(MadePlatform made, absl::string_view lacks) {
  if (made.ok()) return *std::move(made);
  if (made.error() != base::Errno::kENOSYS) return PlatformError("start it", made.error());
  return absl::FailedPreconditionError(lacks);
}

platform::stub::Options StubOptions(PlatformParts parts) {
  return {.small_fd = parts.memory[0].fd,
          .large_fd = parts.memory.size() > 1 ? parts.memory[1].fd : -1,
          .stub_template = std::move(parts.stub_template),
          .on_template_death = std::move(parts.on_template_death),
          .on_stub_death = std::move(parts.on_stub_death)};
}

absl::StatusOr<std::unique_ptr<platform::Platform>> CreateSystrap(PlatformParts parts) {
  return Answer(platform::systrap::Create(StubOptions(std::move(parts))),
                "the host lacks FSGSBASE (of the processor and the host's kernel)");
}

absl::StatusOr<std::unique_ptr<platform::Platform>> CreatePtrace(PlatformParts parts) {
  return Answer(platform::ptrace::Create(StubOptions(std::move(parts))), "the host lacks PTRACE_SYSEMU");
}

absl::StatusOr<std::unique_ptr<platform::Platform>> CreateKvm(PlatformParts parts) {
  std::string why;
  MadePlatform made = platform::kvm::Create({.device = parts.device, .memory = std::move(parts.memory)}, why);
  return Answer(std::move(made), why);
}

constexpr PlatformChoice kPlatforms[] = {
    {"systrap", CreateSystrap, SentryFilter},
    {"kvm", CreateKvm, KvmSentryFilter, false, "/dev/kvm"},
    {"ptrace", CreatePtrace, TracingSentryFilter},
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

absl::StatusOr<base::UniqueFd> OpenDevice(const PlatformChoice& choice) {
  if (choice.device == nullptr) return base::UniqueFd();
  base::UniqueFd fd(open(choice.device, O_RDWR | O_CLOEXEC));
  if (fd.valid()) return fd;
  const int error = errno;
  const char* const remedy = error == EACCES || error == EPERM ? " (who may is usually the group kvm)"
                             : error == ENOENT || error == ENODEV || error == ENXIO
                                 ? " (no virtualisation here, or its module is not loaded)"
                                 : "";
  return absl::FailedPreconditionError(absl::StrCat("open ", choice.device, ": ", strerror(error), remedy));
}

absl::Status PlatformError(absl::string_view step, base::Errno error) {
  const std::string words = absl::StrCat(step, ": ", strerror(static_cast<int>(error)));
  const bool passes = error == base::Errno::kENOMEM || error == base::Errno::kEAGAIN || error == base::Errno::kEMFILE;
  return passes ? absl::UnavailableError(words) : absl::FailedPreconditionError(words);
}

}  // namespace runsc
