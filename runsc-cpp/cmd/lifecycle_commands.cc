// start, kill, delete, pause, resume, update.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runsc-cpp/cmd/oci_command.h"
#include "runsc-cpp/container/ending.h"
#include "runsc-cpp/container/operations.h"
#include "runsc-cpp/oci/lower.h"
#include "runsc-cpp/oci/parse.h"

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

absl::StatusOr<std::string> ReadResources(const std::string& path) {
  const base::UniqueFd file(path == "-" ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                        : open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("--resources ", path));
  return ReadText(file.get(), kMaxStateFile);
}

absl::Status Number(const ParsedFlags& flags, absl::string_view name, auto store) {
  if (!flags.Has(name)) return absl::OkStatus();
  int64_t value;
  if (!absl::SimpleAtoi(flags.Value(name), &value)) {
    return absl::InvalidArgumentError(absl::StrCat("--", name, ": \"", flags.Value(name), "\" is not a number"));
  }
  store(value);
  return absl::OkStatus();
}

absl::Status FromFlags(const ParsedFlags& flags, oci::LinuxResources& out) {
  absl::Status status;
  const auto cpu = [&]() -> oci::LinuxCPU& { return out.cpu ? *out.cpu : out.cpu.emplace(); };
  const auto memory = [&]() -> oci::LinuxMemory& { return out.memory ? *out.memory : out.memory.emplace(); };
  status.Update(Number(flags, "cpu-period", [&](int64_t v) { cpu().period = static_cast<uint64_t>(v); }));
  status.Update(Number(flags, "cpu-quota", [&](int64_t v) { cpu().quota = v; }));
  status.Update(Number(flags, "cpu-share", [&](int64_t v) { cpu().shares = static_cast<uint64_t>(v); }));
  status.Update(Number(flags, "memory", [&](int64_t v) { memory().limit = v; }));
  status.Update(Number(flags, "memory-reservation", [&](int64_t v) { memory().reservation = v; }));
  status.Update(Number(flags, "memory-swap", [&](int64_t v) { memory().swap = v; }));
  status.Update(Number(flags, "pids-limit", [&](int64_t v) { out.pids.emplace().limit = v; }));
  status.Update(Number(flags, "cpu-rt-runtime", [&](int64_t v) { cpu().realtime_runtime = v; }));
  status.Update(Number(flags, "cpu-rt-period", [&](int64_t v) { cpu().realtime_period = static_cast<uint64_t>(v); }));
  status.Update(
      Number(flags, "blkio-weight", [&](int64_t v) { out.block_io.emplace().weight = static_cast<uint16_t>(v); }));
  if (flags.Has("cpuset-cpus")) cpu().cpus = flags.Value("cpuset-cpus");
  if (flags.Has("cpuset-mems")) cpu().mems = flags.Value("cpuset-mems");
  return status;
}

absl::StatusOr<int> Update(const RuntimeOptions& runtime, const ParsedFlags& flags) {
  oci::LinuxResources resources;
  if (flags.Has("resources")) {
    const absl::StatusOr<std::string> text = ReadResources(flags.Value("resources"));
    if (!text.ok()) return text.status();
    absl::StatusOr<oci::Parsed<oci::LinuxResources>> parsed = oci::ParseResources(*text);
    if (!parsed.ok()) return parsed.status();
    resources = std::move(parsed->value);
  } else if (absl::Status s = FromFlags(flags, resources); !s.ok()) {
    return s;
  }
  absl::StatusOr<oci::LinuxResources> lowered = oci::LowerResources(resources, "resources");
  if (!lowered.ok()) return lowered.status();
  return Done(UpdateContainer(runtime, flags.words()[0], *lowered));
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

std::vector<FlagRule> CheckpointFlags() {
  std::vector<FlagRule> flags;
  for (const char* name : {"image-path", "work-path", "parent-path", "page-server", "manage-cgroups-mode", "empty-ns",
                           "bundle", "console-socket", "pid-file", "lsm-profile", "lsm-mount-context"}) {
    flags.push_back({name, "", FlagKind::kValue});
  }
  for (const char* name : {"leave-running", "tcp-established", "ext-unix-sk", "shell-job", "lazy-pages", "file-locks",
                           "pre-dump", "auto-dedup", "detach", "no-subreaper", "no-pivot"}) {
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
  std::vector<FlagRule> update = {{"resources", "r", FlagKind::kValue}};
  for (const char* name : {"blkio-weight", "cpu-period", "cpu-quota", "cpu-share", "cpu-rt-period", "cpu-rt-runtime",
                           "cpuset-cpus", "cpuset-mems", "memory", "memory-reservation", "memory-swap", "pids-limit"}) {
    update.push_back({name, "", FlagKind::kValue});
  }
  commands.push_back({.name = "update",
                      .flags = std::move(update),
                      .least_words = 1,
                      .most_words = 1,
                      .usage = "[--resources FILE|-] [--memory BYTES] [--cpu-quota N] [--pids-limit N] ... ID",
                      .run = Update});
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
