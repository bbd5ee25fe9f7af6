// HOME of a process that was given none, from the container's /etc/passwd.
#ifndef RUNSC_CPP_BOOT_HOME_H_
#define RUNSC_CPP_BOOT_HOME_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "sentry/vfs/context.h"

namespace runsc {

// "/" for a user who is not there, as runc has it.
std::string HomeOf(const sentry::VfsContext& ctx, uint32_t uid);

// The home in the text of a passwd file; empty: no such user. man 5 passwd.
std::string HomeInPasswd(std::string_view text, uint32_t uid);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_HOME_H_
