// start, kill, delete, pause, resume.
#include <signal.h>

#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runsc-cpp/cmd/oci_command.h"
#include "runsc-cpp/container/ending.h"
#include "runsc-cpp/container/operations.h"

namespace runsc {
namespace {

absl::StatusOr<int> ParseSignal(const std::string& text) {
  int number;
  if (absl::SimpleAtoi(text, &number) && number >= 1 && number <= 64) return number;
  const std::string upper = absl::AsciiStrToUpper(text);
  const absl::string_view name = absl::StripPrefix(upper, "SIG");
  for (int signo = 1; signo < 32; ++signo) {
    if (const char* known = sigabbrev_np(signo); known != nullptr && name == known) return signo;
  }
  for (int i = 0; i <= 15; ++i) {
    if (name == absl::StrCat("RTMIN+", i)) return 34 + i;
    if (i < 15 && name == absl::StrCat("RTMAX-", i)) return 64 - i;
  }
  if (name == "RTMIN") return 34;
  if (name == "RTMAX") return 64;
  return absl::InvalidArgumentError(absl::StrCat("unknown signal \"", text, "\""));
}

absl::StatusOr<int> Done(const absl::Status& status) {
  if (!status.ok()) return status;
  return 0;
}

absl::StatusOr<int> Kill(const RuntimeOptions& runtime, const ParsedFlags& flags) {
  const absl::StatusOr<int> signo = ParseSignal(flags.words().size() > 1 ? flags.words()[1] : "SIGTERM");
  if (!signo.ok()) return signo.status();
  const KillReach reach = flags.Switch("all") ? KillReach::kAll : KillReach::kFirst;
  return Done(KillContainer(runtime, flags.words()[0], *signo, reach));
}

absl::StatusOr<int> Delete(const RuntimeOptions& runtime, const ParsedFlags& flags) {
  const DeleteMode mode = flags.Switch("force") ? DeleteMode::kForce : DeleteMode::kStopped;
  return Done(DeleteContainer(runtime, flags.words()[0], mode));
}

// One that ended before its start has a reason, which engines are to show.
absl::Status Start(const RuntimeOptions& runtime, const std::string& id) {
  const absl::Status status = StartContainer(runtime, id);
  if (status.ok()) return status;
  const absl::StatusOr<PostMortem> end = FindEnd(runtime, id);
  if (!end.ok() || end->cause() == PostMortem::NOT_STARTED) return status;
  return absl::Status(status.code(), absl::StrCat(status.message(), ": ", WhyLine(*end)));
}

OciCommand OneWord(absl::string_view name, absl::Status (*act)(const RuntimeOptions&, const std::string&)) {
  return {.name = name,
          .flags = {},
          .least_words = 1,
          .most_words = 1,
          .usage = "ID",
          .run = [act](const RuntimeOptions& runtime, const ParsedFlags& flags) {
            return Done(act(runtime, flags.words()[0]));
          }};
}

absl::StatusOr<int> NotYet(const RuntimeOptions&, const ParsedFlags&) {
  return absl::UnimplementedError("not yet: this version makes no checkpoints");
}

// Those of both commands, as runc takes them.
std::vector<FlagRule> CheckpointFlags() {
  std::vector<FlagRule> flags = {{"bundle", "b", FlagKind::kValue}, {"detach", "d", FlagKind::kSwitch}};
  for (const char* name : {"image-path", "work-path", "parent-path", "page-server", "status-fd", "manage-cgroups-mode",
                           "empty-ns", "console-socket", "pid-file", "lsm-profile", "lsm-mount-context"}) {
    flags.push_back({name, "", FlagKind::kValue});
  }
  for (const char* name :
       {"leave-running", "tcp-established", "tcp-skip-in-flight", "tcp-close", "link-remap", "ext-unix-sk", "shell-job",
        "lazy-pages", "file-locks", "pre-dump", "auto-dedup", "no-subreaper", "no-pivot"}) {
    flags.push_back({name, "", FlagKind::kSwitch});
  }
  return flags;
}

}  // namespace

std::vector<OciCommand> LifecycleOciCommands() {
  std::vector<OciCommand> commands = {OneWord("start", Start), OneWord("pause", PauseContainer),
                                      OneWord("resume", ResumeContainer)};
  commands.push_back({.name = "kill",
                      .flags = {{"all", "a", FlagKind::kSwitch}},
                      .least_words = 1,
                      .most_words = 2,
                      .usage = "[--all] ID [SIGNAL]",
                      .run = Kill});
  commands.push_back({.name = "delete",
                      .flags = {{"force", "f", FlagKind::kSwitch}},
                      .least_words = 1,
                      .most_words = 1,
                      .usage = "[--force] ID",
                      .run = Delete});
  commands.push_back(UpdateOciCommand());
  for (const char* name : {"checkpoint", "restore"}) {
    commands.push_back({.name = name,
                        .flags = CheckpointFlags(),
                        .least_words = 1,
                        .most_words = 1,
                        .usage = "[FLAGS] ID",
                        .run = NotYet});
  }
  return commands;
}

}  // namespace runsc
