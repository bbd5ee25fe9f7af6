// fcntl(2)'s record locks: guest structs to FileLocks and the waits.
#ifndef SENTRY_SYSCALLS_FILE_LOCKING_H_
#define SENTRY_SYSCALLS_FILE_LOCKING_H_

#include "sentry/kernel/task.h"

namespace sentry {

// F_GETLK, F_OFD_GETLK.
SyscallResult TestRangeLock(Task& task, FileDescription& file, uint32_t command, UserAddr arg);
// F_SETLK, F_SETLKW and the OFD forms of `file`, which stood at `fd`.
SyscallResult SetRangeLock(Task& task, int32_t fd, const RefPtr<FileDescription>& file, uint32_t command, UserAddr arg);

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_FILE_LOCKING_H_
