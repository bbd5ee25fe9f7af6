// What a post-mortem says in words. Much of it was told by a sandbox: numbers are only printed, text only if printable.
#include <string.h>
#include <time.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runsc-cpp/oci/json.h"
#include "runsc-cpp/postmortem/post_mortem.h"
#include "sentry/control/control.pb.h"

namespace runsc {
namespace {

using sentry::control::OomVictim;
using sentry::control::ProcessEnd;

constexpr int kMostVictims = 4;

std::string Printable(absl::string_view text, bool lines) {
  std::string out;
  for (const char c : text) out += absl::ascii_isprint(c) || (lines && c == '\n') ? c : '?';
  while (!out.empty() && absl::ascii_isspace(out.back())) out.pop_back();
  return out;
}
std::string OneLine(absl::string_view text) { return Printable(text, false); }

std::string SignalName(int signo) {
  const char* name = sigabbrev_np(signo);
  return name != nullptr ? absl::StrCat("SIG", name) : absl::StrCat("signal ", signo);
}

const char* From(ProcessEnd::Sender sender) {
  switch (sender) {
    case ProcessEnd::KILL_COMMAND:
      return " of the `kill` command";
    case ProcessEnd::HOST_PROCESS:
      return " sent to its process on the host";
    case ProcessEnd::SANDBOX:
      return " of the sandbox";
    case ProcessEnd::OUT_OF_MEMORY:
      return ": its memory was out";
    default:
      return " from inside";
  }
}

std::string Size(uint64_t bytes) {
  constexpr uint64_t kMiB = 1 << 20;
  return bytes >= 10 * kMiB ? absl::StrCat(bytes / kMiB, " MiB") : absl::StrCat(bytes / 1024, " KiB");
}

ProcessEnd ToldBy(const PostMortem& end) {
  ProcessEnd told;
  if (!told.ParseFromString(end.told())) told.Clear();
  return told;
}

std::string HostSender(const PostMortem& end) {
  return end.host_sender().empty() ? "" : absl::StrCat(" by ", OneLine(end.host_sender()));
}

std::string Ended(const PostMortem& end, const ProcessEnd& told) {
  std::string line;
  if (told.signal() != 0) {
    line = absl::StrCat("killed by ", SignalName(told.signal()), From(told.sender()));
    if (told.sender() == ProcessEnd::HOST_PROCESS && told.signal() == end.host_signal()) line += HostSender(end);
    if (told.sender() == ProcessEnd::SANDBOX) absl::StrAppend(&line, ": ", OneLine(told.text()));
    return line;
  }
  line = absl::StrCat("exited with code ", end.code());
  if (told.last_signal() == 0) return line;
  absl::StrAppend(&line, " after ", SignalName(told.last_signal()), From(told.last_sender()));
  if (told.last_sender() == ProcessEnd::HOST_PROCESS && told.last_signal() == end.host_signal()) {
    line += HostSender(end);
  }
  return line;
}

std::string Cause(const PostMortem& end, const ProcessEnd& told) {
  switch (end.cause()) {
    case PostMortem::ENDED:
      return Ended(end, told);
    case PostMortem::SANDBOX_DIED:
      return absl::StrCat("the sandbox ended: ", OneLine(end.text()));
    case PostMortem::SANDBOX_LOST:
      return "the sandbox's process was killed on the host";
    case PostMortem::ANCHOR_KILLED:
      return "its process on the host was killed by SIGKILL";
    case PostMortem::DELETED:
      return "killed by `delete --force`";
    case PostMortem::NOT_STARTED:
      return absl::StrCat("never started: ", OneLine(end.text()));
    case PostMortem::REBOOT:
      return "the host was restarted";
    default:
      return "ended for a reason that is not known";
  }
}

std::string Victim(const OomVictim& victim) {
  return absl::StrCat("process ", victim.pid(), " (", OneLine(victim.command()), ") with ",
                      Size(victim.resident_bytes()), " of ", Size(victim.limit_bytes()));
}

std::string Time(int64_t ns) {
  const time_t seconds = ns / 1'000'000'000;
  tm parts;
  char text[64];
  if (localtime_r(&seconds, &parts) == nullptr) return "";
  return std::string(text, strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z", &parts));
}

}  // namespace

std::string WhyLine(const PostMortem& end) {
  const ProcessEnd told = ToldBy(end);
  std::string line = Cause(end, told);
  if (told.victims_size() > 0) {
    absl::StrAppend(&line, "; out of memory: killed ", Victim(told.victims(told.victims_size() - 1)));
    if (told.victim_count() > 1) absl::StrAppend(&line, " and ", told.victim_count() - 1, " before");
  }
  if (end.host_oom_kills() > 0) {
    absl::StrAppend(&line, "; the host was out of its cgroup's memory and killed ", end.host_oom_kills(),
                    end.host_oom_kills() == 1 ? " process" : " processes", " in it");
  }
  return line;
}

std::string WhyReport(const PostMortem& end) {
  const ProcessEnd told = ToldBy(end);
  std::string out = absl::StrCat(OneLine(end.id()), ": ", WhyLine(end), "\n");
  absl::StrAppend(&out, "  exit code:            ", end.code(), "\n");
  if (end.created_ns() != 0) absl::StrAppend(&out, "  created:              ", Time(end.created_ns()), "\n");
  absl::StrAppend(&out, "  ended:                ", Time(end.ended_ns()), "\n");
  for (int i = 0; i < std::min(told.victims_size(), kMostVictims); ++i) {
    absl::StrAppend(&out, "  out of memory:        ", Victim(told.victims(i)), "\n");
  }
  for (const absl::string_view call : absl::StrSplit(told.unimplemented(), '\n', absl::SkipEmpty())) {
    absl::StrAppend(&out, "  unimplemented call:   ", absl::StripAsciiWhitespace(OneLine(call)), "\n");
  }
  if (!end.log_tail().empty()) {
    absl::StrAppend(&out, "  the sandbox's last words:\n");
    for (const absl::string_view line : absl::StrSplit(Printable(end.log_tail(), true), '\n')) {
      absl::StrAppend(&out, "    ", line, "\n");
    }
  }
  return out;
}

std::string WhyJson(const PostMortem& end) {
  const ProcessEnd told = ToldBy(end);
  const auto text = [](absl::string_view value) { return oci::QuoteJson(Printable(value, true)); };
  std::string out =
      absl::StrCat("{\"id\":", text(end.id()), ",\"why\":", text(WhyLine(end)), ",\"exitCode\":", end.code(),
                   ",\"signal\":", told.signal(), ",\"createdNs\":", end.created_ns(), ",\"endedNs\":", end.ended_ns(),
                   ",\"hostOomKills\":", end.host_oom_kills(), ",\"oomVictims\":[");
  for (int i = 0; i < std::min(told.victims_size(), kMostVictims); ++i) {
    const OomVictim& victim = told.victims(i);
    absl::StrAppend(&out, i == 0 ? "" : ",", "{\"pid\":", victim.pid(), ",\"command\":", text(victim.command()),
                    ",\"residentBytes\":", victim.resident_bytes(), ",\"limitBytes\":", victim.limit_bytes(), "}");
  }
  absl::StrAppend(&out, "],\"unimplemented\":[");
  const char* comma = "";
  for (const absl::string_view call : absl::StrSplit(told.unimplemented(), '\n', absl::SkipEmpty())) {
    absl::StrAppend(&out, comma, text(absl::StripAsciiWhitespace(call)));
    comma = ",";
  }
  return absl::StrCat(out, "]}\n");
}

}  // namespace runsc
