// runsc-cpp: the command line, the processes that re-execute it, and by another name containerd's shim.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "runsc-cpp/boot/boot.h"
#include "runsc-cpp/cmd/command.h"
#include "runsc-cpp/cmd/oci_command.h"
#include "runsc-cpp/container/anchor.h"
#include "runsc-cpp/oci/state.h"
#include "runsc-cpp/sandbox/launch.h"
#include "runsc-cpp/shim/shim_main.h"

namespace runsc {
namespace {

struct Command {
  std::string_view name;
  int (*run)(int argc, char** argv);
};
constexpr Command kCommands[] = {{"do", DoCommand},
                                 {"debug", DebugCommand},
                                 {"platforms", PlatformsCommand},
                                 {"syscalls", SyscallsCommand},
                                 {"spec", SpecCommand},
                                 {"install", InstallCommand},
                                 {"doctor", DoctorCommand},
                                 {"features", FeaturesCommand},
                                 {"help", HelpCommand},
                                 {"--help", HelpCommand},
                                 {"-h", HelpCommand}};

// A descriptor that is opened later must not become somebody's stdout.
void FillStandardStreams() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    ClosedStreams() |= 1u << fd;
    (void)!open("/dev/null", O_RDWR);
  }
}

int Main(int argc, char** argv) {
  const std::string_view verb = argc > 1 ? argv[1] : "";
  if (getenv(kAnchorVariable) != nullptr) return AnchorMain();
  if (verb == kSentryVerb) return SentryMain();
  if (verb == kGoferVerb) return GoferMain();
  if (verb == kNetgoferVerb) return NetgoferMain();
  FillStandardStreams();
  if (shim::IsShimName(argc > 0 ? argv[0] : "")) return shim::ShimMain(argc, argv, kVersion);
  if (verb == "--version" || verb == "version") {
    // As runc: engines want these three lines.
    Print(std::string("runsc-cpp version ") + kVersion + "\ncommit: " + kVersion + "\nspec: " + oci::kSpecVersion +
          "\n");
    return 0;
  }
  if (verb.empty()) {
    HelpCommand(0, nullptr);
    return kExitFailure;
  }
  const std::vector<std::string> args(argv + 1, argv + argc);
  const int at = argc - static_cast<int>(WordsBehindGlobalFlags(args));  // of the command
  for (const Command& command : kCommands) {
    if (at < argc && command.name == argv[at]) return command.run(argc - at - 1, argv + at + 1);
  }
  int code;
  if (RunOciRuntime(args, &code)) return code;
  return Fail("", std::string("unknown command \"") + std::string(verb) + "\"; `runsc-cpp help` lists them");
}

}  // namespace
}  // namespace runsc

int main(int argc, char** argv) { return runsc::Main(argc, argv); }
