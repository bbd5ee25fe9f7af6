#include <string>

#include "absl/strings/str_format.h"
#include "runsc-cpp/cmd/command.h"
#include "sentry/syscalls/dispatch.h"

namespace runsc {
namespace {

const char* Name(sentry::Support support) {
  switch (support) {
    case sentry::Support::kFull:
      return "full";
    case sentry::Support::kPartial:
      return "partial";
    case sentry::Support::kMissing:
      return "missing";
  }
  return "";
}

// Names and notes are our own and hold nothing that JSON escapes.
std::string AsJson() {
  std::string out = "[\n";
  bool first = true;
  for (const sentry::SyscallRow& row : sentry::SyscallTable()) {
    absl::StrAppendFormat(&out, "%s  {\"number\": %d, \"name\": \"%s\", \"support\": \"%s\", \"note\": \"%s\"}",
                          first ? "" : ",\n", row.number, row.name, Name(row.support), row.note);
    first = false;
  }
  return out + "\n]\n";
}

std::string AsTable() {
  std::string out;
  int counts[3] = {};
  for (const sentry::SyscallRow& row : sentry::SyscallTable()) {
    absl::StrAppendFormat(&out, "%3d  %-24s %-8s %s\n", row.number, row.name, Name(row.support), row.note);
    ++counts[static_cast<int>(row.support)];
  }
  absl::StrAppendFormat(&out, "%d full, %d partial, %d missing\n", counts[0], counts[1], counts[2]);
  return out;
}

}  // namespace

int SyscallsCommand(int argc, char** argv) {
  const bool json = argc == 1 && std::string_view(argv[0]) == "--json";
  if (argc != 0 && !json) return Fail("syscalls", "usage: runsc-cpp syscalls [--json]");
  Print(json ? AsJson() : AsTable());
  return 0;
}

}  // namespace runsc
