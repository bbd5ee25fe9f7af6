// Which file a command names.
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

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_PROGRAM_H_
