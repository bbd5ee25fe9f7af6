// The subcommands, a file each. Each gets what stands behind its name.
#ifndef RUNSC_CPP_CMD_COMMAND_H_
#define RUNSC_CPP_CMD_COMMAND_H_

#include <cstdint>
#include <string_view>

namespace runsc {

// The exit status of runsc-cpp's own failures, as env(1) and timeout(1) have it.
inline constexpr int kExitFailure = 125;

int DoCommand(int argc, char** argv);
int DebugCommand(int argc, char** argv);
int PlatformsCommand(int argc, char** argv);
int SyscallsCommand(int argc, char** argv);
int SpecCommand(int argc, char** argv);
int InstallCommand(int argc, char** argv);
int DoctorCommand(int argc, char** argv);
int FeaturesCommand(int argc, char** argv);
int HelpCommand(int argc, char** argv);

inline constexpr char kVersion[] = "0.1.0";

// Which of descriptors 0 to 2 the caller did not give us (bit N); main fills
// their places before a command runs.
uint32_t& ClosedStreams();

// One line on stderr: "runsc-cpp COMMAND: TEXT". Returns kExitFailure.
int Fail(std::string_view command, std::string_view text);
void Print(std::string_view text);  // to stdout

}  // namespace runsc

#endif  // RUNSC_CPP_CMD_COMMAND_H_
