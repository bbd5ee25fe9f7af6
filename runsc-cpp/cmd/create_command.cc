// create, run: from a bundle to a container.
#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/cmd/oci_command.h"
#include "runsc-cpp/cmd/raw_terminal.h"
#include "runsc-cpp/container/create.h"
#include "runsc-cpp/container/operations.h"
#include "runsc-cpp/sandbox/supervise.h"

namespace runsc {
namespace {

std::vector<FlagRule> CreateFlags() {
  return {{"bundle", "b", FlagKind::kValue},     {"console-socket", "", FlagKind::kValue},
          {"pid-file", "", FlagKind::kValue},    {"pidfd-socket", "", FlagKind::kValue},
          {"no-pivot", "", FlagKind::kSwitch},   {"no-new-keyring", "", FlagKind::kSwitch},
          {"preserve-fds", "", FlagKind::kValue}};
}

absl::StatusOr<CreateOptions> ReadOptions(const ParsedFlags& flags) {
  CreateOptions options;
  options.id = flags.words()[0];
  const std::string bundle = flags.Value("bundle", ".");
  char resolved[PATH_MAX];
  if (realpath(bundle.c_str(), resolved) == nullptr) {
    return absl::ErrnoToStatus(errno, absl::StrCat("--bundle ", bundle));
  }
  options.bundle = resolved;
  options.pid_file = flags.Value("pid-file");
  options.console_socket = flags.Value("console-socket");
  const absl::StatusOr<uint32_t> preserve_fds = PreserveFds(flags);
  if (!preserve_fds.ok()) return preserve_fds.status();
  options.preserve_fds = *preserve_fds;
  return options;
}

absl::StatusOr<int> Create(const RuntimeOptions& runtime, const ParsedFlags& flags) {
  const absl::StatusOr<CreateOptions> options = ReadOptions(flags);
  if (!options.ok()) return options.status();
  const absl::StatusOr<ContainerRecord> record = CreateContainer(runtime, *options);
  if (!record.ok()) return record.status();
  return 0;
}

absl::StatusOr<int> Run(const RuntimeOptions& runtime, const ParsedFlags& flags) {
  absl::StatusOr<CreateOptions> options = ReadOptions(flags);
  if (!options.ok()) return options.status();
  const bool detach = flags.Switch("detach");
  options->foreground = !detach;
  if (!detach) BlockSignals();
  const RawTerminal terminal;
  const absl::StatusOr<ContainerRecord> record = CreateContainer(runtime, *options);
  if (!record.ok()) return record.status();
  const absl::Status started = StartContainer(runtime, options->id);
  if (!started.ok()) {
    (void)DeleteContainer(runtime, options->id, DeleteMode::kForce);
    return started;
  }
  if (detach) return 0;
  const int code = AwaitAnchor(record->anchor().pid());
  if (!flags.Switch("keep")) (void)DeleteContainer(runtime, options->id, DeleteMode::kForce);
  return code;
}

}  // namespace

OciCommand CreateOciCommand() {
  return {.name = "create",
          .flags = CreateFlags(),
          .least_words = 1,
          .most_words = 1,
          .usage = "[--bundle DIR] [--pid-file FILE] [--console-socket SOCKET] [--preserve-fds N] ID",
          .run = Create,
          .failure = 1,
          .error_prefix = "runc create failed: ",
          .starts = true};
}

OciCommand RunOciCommand() {
  std::vector<FlagRule> flags = CreateFlags();
  flags.push_back({"detach", "d", FlagKind::kSwitch});
  flags.push_back({"keep", "", FlagKind::kSwitch});
  flags.push_back({"no-subreaper", "", FlagKind::kSwitch});
  return {.name = "run",
          .flags = std::move(flags),
          .least_words = 1,
          .most_words = 1,
          .usage = "[--bundle DIR] [--detach] [--keep] [--pid-file FILE] [--console-socket SOCKET] ID",
          .run = Run,
          .failure = 1,
          .error_prefix = "runc run failed: ",
          .starts = true};
}

}  // namespace runsc
