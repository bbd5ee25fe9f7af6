#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/cmd/command.h"
#include "runsc-cpp/sandbox/debug_socket.h"

namespace runsc {

int DebugCommand(int argc, char** argv) {
  constexpr std::string_view kUsage = "usage: runsc-cpp debug --unimplemented [PID of a running runsc-cpp]";
  if (argc < 1 || argc > 2 || std::string_view(argv[0]) != "--unimplemented") return Fail("debug", kUsage);
  std::vector<pid_t> pids = ListSandboxes();
  if (argc == 2) {
    int pid;
    if (!absl::SimpleAtoi(argv[1], &pid)) return Fail("debug", absl::StrCat(argv[1], " is no process id"));
    pids = {pid};
  }
  if (pids.empty()) Print("no sandbox runs\n");
  int status = 0;
  for (const pid_t pid : pids) {
    const absl::StatusOr<std::string> report = AskUnimplemented(pid);
    if (report.ok()) {
      Print(absl::StrCat("sandbox ", pid, ":\n", *report));
    } else {
      status = Fail("debug", std::string(report.status().message()));
    }
  }
  return status;
}

}  // namespace runsc
