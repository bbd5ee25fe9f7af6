// The commands of an OCI runtime, with runc's names and flags; main gives each what stands behind the global flags.
#ifndef RUNSC_CPP_CMD_OCI_COMMAND_H_
#define RUNSC_CPP_CMD_OCI_COMMAND_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cpp/cmd/oci_flags.h"
#include "runsc-cpp/container/runtime_options.h"

namespace runsc {

struct OciCommand {
  absl::string_view name;
  std::vector<FlagRule> flags;
  size_t least_words, most_words;
  const char* usage;  // what stands behind the name
  // The exit code, or an error: one line on stderr and in the log, exit code `failure`.
  std::function<absl::StatusOr<int>(const RuntimeOptions&, const ParsedFlags&)> run;
  int failure = 1;
  const char* error_prefix = "";  // "runc create failed: " and the like
  bool starts = false;            // its failure is remembered for `why`
};

// A file each.
OciCommand CreateOciCommand();
OciCommand RunOciCommand();
OciCommand ExecOciCommand();
std::vector<OciCommand> LifecycleOciCommands();
std::vector<OciCommand> InspectOciCommands();
OciCommand EventsOciCommand();
OciCommand UpdateOciCommand();
std::vector<OciCommand> EndingOciCommands();

// How many of `args` stand behind runc's global flags: the command and what is its. All, if there are others.
size_t WordsBehindGlobalFlags(const std::vector<std::string>& args);

// What `argv` (without the program's name) asks for, if its first word that is no global flag is a command of these.
// False: it is not for us.
bool RunOciRuntime(const std::vector<std::string>& args, int* exit_code);

// Of a foreground container or exec: until its anchor, our child, has ended. Signals go to it.
int AwaitAnchor(pid_t anchor);

}  // namespace runsc

#endif  // RUNSC_CPP_CMD_OCI_COMMAND_H_
