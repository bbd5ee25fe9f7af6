// exec: one more process in a container, from --process or from flags.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runsc-cpp/cmd/oci_command.h"
#include "runsc-cpp/cmd/raw_terminal.h"
#include "runsc-cpp/container/bundle.h"
#include "runsc-cpp/container/operations.h"
#include "runsc-cpp/oci/parse.h"
#include "runsc-cpp/sandbox/supervise.h"

namespace runsc {
namespace {

absl::Status SetUser(const std::string& text, oci::User& user) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  const bool good = parts.size() <= 2 && absl::SimpleAtoi(parts[0], &user.uid) &&
                    (parts.size() == 1 || absl::SimpleAtoi(parts[1], &user.gid));
  return good ? absl::OkStatus()
              : absl::InvalidArgumentError(absl::StrCat("--user: \"", text, "\" is not UID or UID:GID"));
}

// The container's own process, changed by flags.
absl::StatusOr<oci::Process> FromFlags(const RuntimeOptions& runtime, const ParsedFlags& flags) {
  if (flags.words().size() < 2) return absl::InvalidArgumentError("exec: a command, or --process, must be given");
  const absl::StatusOr<ContainerRecord> record = runtime.root.Load(flags.words()[0]);
  if (!record.ok()) return record.status();
  const absl::StatusOr<Bundle> bundle = ReadStoredBundle(runtime, *record);
  if (!bundle.ok()) return bundle.status();
  oci::Process process = *bundle->spec.process;
  process.args.assign(flags.words().begin() + 1, flags.words().end());
  process.terminal = flags.Switch("tty");
  process.console_size.reset();
  if (flags.Has("cwd")) process.cwd = flags.Value("cwd");
  if (flags.Switch("no-new-privs")) process.no_new_privileges = true;
  for (const std::string& entry : flags.List("env")) process.env.push_back(entry);
  for (const std::string& text : flags.List("additional-gids")) {
    uint32_t gid;
    if (!absl::SimpleAtoi(text, &gid)) {
      return absl::InvalidArgumentError(absl::StrCat("--additional-gids: \"", text, "\" is not a number"));
    }
    process.user.additional_gids.push_back(gid);
  }
  for (const std::string& name : flags.List("cap")) {
    if (!process.capabilities) process.capabilities.emplace();
    for (auto* set :
         {&process.capabilities->bounding, &process.capabilities->effective, &process.capabilities->permitted}) {
      set->push_back(name);
    }
  }
  if (flags.Has("user")) {
    if (absl::Status s = SetUser(flags.Value("user"), process.user); !s.ok()) return s;
  }
  return process;
}

absl::StatusOr<oci::Process> ReadProcess(const RuntimeOptions& runtime, const ParsedFlags& flags) {
  if (!flags.Has("process")) return FromFlags(runtime, flags);
  const std::string path = flags.Value("process");
  const base::UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("open ", path));
  absl::StatusOr<oci::Parsed<oci::Process>> parsed =
      oci::ParseProcess(ReadText(file.get(), kMaxStateFile), "process.json");
  if (!parsed.ok()) return parsed.status();
  for (const std::string& line : parsed->noted) runtime.debug(line);
  return std::move(parsed->value);
}

absl::StatusOr<int> Exec(const RuntimeOptions& runtime, const ParsedFlags& flags) {
  absl::StatusOr<oci::Process> process = ReadProcess(runtime, flags);
  if (!process.ok()) return process.status();
  if (flags.Has("tty")) process->terminal = flags.Switch("tty");
  ExecOptions options;
  options.id = flags.words()[0];
  options.process = *std::move(process);
  options.pid_file = flags.Value("pid-file");
  options.console_socket = flags.Value("console-socket");
  options.ignore_paused = flags.Switch("ignore-paused");
  options.foreground = !flags.Switch("detach");
  const absl::StatusOr<uint32_t> preserve_fds = PreserveFds(flags);
  if (!preserve_fds.ok()) return preserve_fds.status();
  options.preserve_fds = *preserve_fds;
  if (options.foreground) BlockSignals();
  const RawTerminal terminal;
  const absl::StatusOr<pid_t> anchor = ExecInContainer(runtime, options);
  if (!anchor.ok()) return anchor.status();
  return options.foreground ? AwaitAnchor(*anchor) : 0;
}

}  // namespace

OciCommand ExecOciCommand() {
  return {.name = "exec",
          .flags = {{"console-socket", "", FlagKind::kValue},
                    {"pidfd-socket", "", FlagKind::kValue},
                    {"cwd", "", FlagKind::kValue},
                    {"env", "e", FlagKind::kList},
                    {"tty", "t", FlagKind::kSwitch},
                    {"user", "u", FlagKind::kValue},
                    {"additional-gids", "g", FlagKind::kList},
                    {"process", "p", FlagKind::kValue},
                    {"detach", "d", FlagKind::kSwitch},
                    {"pid-file", "", FlagKind::kValue},
                    {"process-label", "", FlagKind::kValue},
                    {"apparmor", "", FlagKind::kValue},
                    {"no-new-privs", "", FlagKind::kSwitch},
                    {"cap", "c", FlagKind::kList},
                    {"preserve-fds", "", FlagKind::kValue},
                    {"cgroup", "", FlagKind::kList},
                    {"ignore-paused", "", FlagKind::kSwitch}},
          .least_words = 1,
          .most_words = SIZE_MAX,
          .usage = "[FLAGS] ID COMMAND [ARG...]  or  exec --process FILE ID",
          .run = Exec,
          .failure = 255,
          .error_prefix = "exec failed: "};
}

}  // namespace runsc
