#include "runsc-cpp/cmd/oci_command.h"

#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/boot/platforms.h"
#include "runsc-cpp/cmd/command.h"
#include "runsc-cpp/cmd/log_file.h"
#include "runsc-cpp/container/ending.h"
#include "runsc-cpp/operator/operator_config.h"
#include "runsc-cpp/selection/cache.h"
#include "runsc-cpp/selection/select.h"

namespace runsc {
namespace {

const std::vector<FlagRule>& GlobalFlags() {
  static const std::vector<FlagRule> flags = {{"root", "", FlagKind::kValue},
                                              {"log", "", FlagKind::kValue},
                                              {"log-format", "", FlagKind::kValue},
                                              {"systemd-cgroup", "", FlagKind::kSwitch},
                                              {"debug", "", FlagKind::kSwitch},
                                              {"rootless", "", FlagKind::kValue},
                                              {"criu", "", FlagKind::kValue},
                                              // Our own: what the operator allows.
                                              {"platform", "", FlagKind::kValue},
                                              {"network", "", FlagKind::kValue},
                                              {"overlay", "", FlagKind::kSwitch},
                                              {"strace", "", FlagKind::kSwitch},
                                              {"config", "", FlagKind::kValue}};
  return flags;
}

std::vector<OciCommand> Commands() {
  std::vector<OciCommand> commands = {CreateOciCommand(), RunOciCommand(), ExecOciCommand()};
  for (OciCommand& command : LifecycleOciCommands()) commands.push_back(std::move(command));
  for (OciCommand& command : InspectOciCommands()) commands.push_back(std::move(command));
  for (OciCommand& command : EndingOciCommands()) commands.push_back(std::move(command));
  commands.push_back(EventsOciCommand());
  return commands;
}

absl::StatusOr<PlatformChosen> ChoosePlatform(const std::string& wanted) {
  PlatformChosen chosen;
  chosen.name = wanted;
  if (wanted == kAutoPlatform) {
    absl::StatusOr<std::string> platform = SelectPlatform(CacheParent(), Platforms());
    if (!platform.ok()) return platform.status();
    chosen.name = *std::move(platform);
  }
  const PlatformChoice* choice = FindPlatform(chosen.name);
  if (choice == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("--platform ", chosen.name, " is unknown; use ", PlatformNames()));
  }
  absl::StatusOr<base::UniqueFd> device = OpenDevice(*choice);
  if (!device.ok()) {
    return absl::Status(device.status().code(),
                        absl::StrCat("--platform=", chosen.name, ": ", device.status().message()));
  }
  chosen.device = *std::move(device);
  return chosen;
}

std::string DefaultRoot() {
  const char* runtime = getenv("XDG_RUNTIME_DIR");
  if (geteuid() == 0 || runtime == nullptr || *runtime == '\0') return kDefaultRoot;
  return absl::StrCat(runtime, "/runsc-cpp");
}

absl::StatusOr<LogFile> OpenLog(const ParsedFlags& global) {
  const absl::StatusOr<LogFormat> format = ParseLogFormat(global.Value("log-format"));
  if (!format.ok()) return format.status();
  return LogFile::Open(global.Value("log"), *format, global.Switch("debug") ? LogLevel::kDebug : LogLevel::kInfo);
}

absl::StatusOr<OperatorConfig> ReadConfig(const ParsedFlags& global) {
  const bool given = global.Has("config");
  return ReadOperatorConfig(global.Value("config", kOperatorConfig), given ? Presence::kRequired : Presence::kOptional);
}

RuntimeOptions MakeOptions(const ParsedFlags& global, const OperatorConfig& config, LogFile& log) {
  const auto on = [&](const char* flag, std::optional<bool> configured) {
    return global.Has(flag) ? global.Switch(flag) : configured.value_or(false);
  };
  const bool debug = on("debug", config.debug);
  RuntimeOptions runtime;
  runtime.root = StateRoot(global.Value("root", DefaultRoot()));
  runtime.root_given = global.Has("root");
  runtime.systemd_cgroup = on("systemd-cgroup", config.systemd_cgroup);
  runtime.post_mortems = config.post_mortems;
  runtime.rootless = geteuid() != 0;
  runtime.log_level = debug ? 0 : 1;
  oci::SandboxSettings& settings = runtime.settings;
  settings.platform = global.Value("platform", config.platform.value_or(std::string(kAutoPlatform)));
  settings.overlay = on("overlay", config.overlay);
  settings.strace = on("strace", config.strace);
  settings.debug = debug;
  settings.network = global.Value("network", config.network.value_or(settings.network));
  settings.memory_limit = config.memory_limit;
  settings.annotations = config.annotations;
  settings.tenant_platforms = config.tenant_platforms;
  settings.tenant_logs = config.tenant_logs;
  runtime.choose_platform = ChoosePlatform;
  // Standard error may be the container's: a caller who reads it wants no words of ours there.
  const bool heard = log.is_file() || debug || isatty(STDERR_FILENO);
  runtime.warn = [&log, heard](const std::string& line) {
    if (heard) log.Write(LogLevel::kWarning, line);
  };
  runtime.debug = [&log](const std::string& line) { log.Write(LogLevel::kDebug, line); };
  return runtime;
}

absl::StatusOr<int> RunCommand(const OciCommand& command, const RuntimeOptions& runtime,
                               const std::vector<std::string>& args) {
  absl::StatusOr<ParsedFlags> flags = ParseFlags(args, command.flags);
  if (!flags.ok()) return flags.status();
  const size_t words = flags->words().size();
  if (words < command.least_words || words > command.most_words) {
    return absl::InvalidArgumentError(absl::StrCat("usage: runsc-cpp ", command.name, " ", command.usage));
  }
  return command.run(runtime, *flags);
}

}  // namespace

size_t WordsBehindGlobalFlags(const std::vector<std::string>& args) {
  const absl::StatusOr<ParsedFlags> global = ParseFlags(args, GlobalFlags());
  return global.ok() ? global->words().size() : args.size();
}

bool RunOciRuntime(const std::vector<std::string>& args, int* exit_code) {
  absl::StatusOr<ParsedFlags> global = ParseFlags(args, GlobalFlags());
  // Words that are no flag of ours are another command's.
  if (!global.ok() || global->words().empty()) return false;
  const std::vector<OciCommand> commands = Commands();
  const OciCommand* command = nullptr;
  for (const OciCommand& c : commands) {
    if (c.name == global->words()[0]) command = &c;
  }
  if (command == nullptr) return false;
  absl::StatusOr<LogFile> log = OpenLog(*global);
  if (!log.ok()) {
    Fail(std::string(command->name), std::string(log.status().message()));
    *exit_code = command->failure;
    return true;
  }
  const auto fail = [&](const std::string& text) {
    if (log->is_file()) log->Write(LogLevel::kError, text);
    (void)Fail("", text);
    *exit_code = command->failure;
    return true;
  };
  absl::StatusOr<OperatorConfig> config = ReadConfig(*global);
  if (!config.ok()) {
    // What runs can be looked at and ended all the same.
    if (command->starts) return fail(absl::StrCat(command->error_prefix, config.status().message()));
    config.emplace();
  }
  const RuntimeOptions runtime = MakeOptions(*global, *config, *log);
  const std::vector<std::string> rest(global->words().begin() + 1, global->words().end());
  const absl::StatusOr<int> code = RunCommand(*command, runtime, rest);
  if (code.ok()) {
    *exit_code = *code;
    return true;
  }
  const std::string text = absl::StrCat(command->error_prefix, code.status().message());
  if (command->starts && !rest.empty()) KeepFailure(runtime, rest.back(), code.status());
  return fail(text);
}

}  // namespace runsc
