// state, list, ps: what is true of containers, in runc's layouts.
#include <stdio.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/cmd/command.h"
#include "runsc-cpp/cmd/oci_command.h"
#include "runsc-cpp/container/host_pids.h"
#include "runsc-cpp/container/operations.h"
#include "runsc-cpp/container/state.h"
#include "runsc-cpp/oci/state.h"

namespace runsc {
namespace {

absl::StatusOr<int> State(const RuntimeOptions& runtime, const ParsedFlags& flags) {
  const absl::StatusOr<ContainerRecord> record = runtime.root.Load(flags.words()[0]);
  if (!record.ok()) return record.status();
  Print(absl::StrCat(oci::StateToJson(StateOf(*record)), "\n"));
  return 0;
}

std::string UserName(uint32_t uid) {
  char name[32];
  snprintf(name, sizeof name, "#%u", uid);
  return uid == 0 ? "root" : name;  // a static program asks no name service
}

absl::StatusOr<int> List(const RuntimeOptions& runtime, const ParsedFlags& flags) {
  std::vector<oci::ContainerState> containers;
  for (const std::string& id : runtime.root.List()) {
    const absl::StatusOr<ContainerRecord> record = runtime.root.Load(id);
    if (!record.ok()) {
      runtime.warn(absl::StrCat("container ", id, ": ", record.status().message()));
      continue;
    }
    containers.push_back(StateOf(*record));
    containers.back().owner = UserName(record->owner());
  }
  const std::string format = flags.Value("format", "table");
  if (flags.Switch("quiet")) {
    for (const oci::ContainerState& container : containers) Print(container.id + "\n");
  } else if (format == "json") {
    Print(oci::ListToJson(containers));
  } else if (format == "table") {
    Print(oci::ListToTable(containers));
  } else {
    return absl::InvalidArgumentError(absl::StrCat("--format: \"", format, "\" is not table or json"));
  }
  return 0;
}

// A guest's words, for a terminal: a blank between two, and nothing that a terminal might obey.
std::string Harmless(absl::string_view words) {
  std::string out(words.substr(0, words.find_last_not_of('\0') + 1));
  for (char& c : out) c = c == '\0' ? ' ' : absl::ascii_isprint(static_cast<unsigned char>(c)) ? c : '?';
  return out;
}

// The sandbox's own view.
std::string GuestTable(const std::vector<sentry::control::ProcessInfo>& processes) {
  std::string out = "UID        PID  PPID  TIME     CMD\n";
  for (const sentry::control::ProcessInfo& p : processes) {
    const uint64_t seconds = p.cpu_ns() / 1'000'000'000;
    char line[96];
    snprintf(line, sizeof line, "%-8u %5d %5d  %02d:%02d:%02d ", p.uid(), p.pid(), p.parent(),
             static_cast<int>(seconds / 3600), static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
    absl::StrAppend(&out, line, p.args().empty() ? absl::StrCat("[", Harmless(p.command()), "]") : Harmless(p.args()),
                    "\n");
  }
  return out;
}

absl::StatusOr<int> Ps(const RuntimeOptions& runtime, const ParsedFlags& flags) {
  const absl::StatusOr<std::vector<sentry::control::ProcessInfo>> processes = ListProcesses(runtime, flags.words()[0]);
  if (!processes.ok()) return processes.status();
  const std::string format = flags.Value("format", "table");
  if (flags.Switch("guest") || format == "table") {
    Print(GuestTable(*processes));
    return 0;
  }
  if (format != "json") {
    return absl::InvalidArgumentError(absl::StrCat("--format: \"", format, "\" is not table or json"));
  }
  const absl::StatusOr<ContainerRecord> record = runtime.root.Load(flags.words()[0]);
  if (!record.ok()) return record.status();
  const std::vector<pid_t> pids = HostPidsOf(*record, *processes);
  if (pids.size() < processes->size()) {
    runtime.warn(absl::StrCat("ps: ", processes->size() - pids.size(), " processes have no process on the host"));
  }
  Print(oci::PidsToJson({pids.begin(), pids.end()}));
  return 0;
}

}  // namespace

std::vector<OciCommand> InspectOciCommands() {
  return {{.name = "state", .flags = {}, .least_words = 1, .most_words = 1, .usage = "ID", .run = State},
          {.name = "list",
           .flags = {{"format", "f", FlagKind::kValue}, {"quiet", "q", FlagKind::kSwitch}},
           .least_words = 0,
           .most_words = 0,
           .usage = "[--format table|json] [--quiet]",
           .run = List},
          {.name = "ps",
           .flags = {{"format", "f", FlagKind::kValue}, {"guest", "", FlagKind::kSwitch}},
           .least_words = 1,
           .most_words = SIZE_MAX,
           .usage = "[--format table|json] [--guest] ID",
           .run = Ps}};
}

}  // namespace runsc
