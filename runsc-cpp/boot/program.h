// Which file a command names, and what to say when it can't be run.
#ifndef RUNSC_CPP_BOOT_PROGRAM_H_
#define RUNSC_CPP_BOOT_PROGRAM_H_

#include <string>
#include <vector>

#include "sentry/vfs/context.h"

namespace runsc {

// As execvp(3) looks for it: PATH of `envp`, inside the sandbox. ENOENT; EACCES
// if a file was found that may not be executed.
sentry::Result<std::string> FindProgram(const sentry::VfsContext& ctx, const std::string& command,
                                        const std::vector<std::string>& envp);

// The exit code and the line of env(1) and sh(1): 127 not found, 126 not
// executable.
struct StartFailure {
  int exit_code;
  std::string text;
};
StartFailure DescribeStartFailure(const std::string& command, sentry::Errno error);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_PROGRAM_H_
