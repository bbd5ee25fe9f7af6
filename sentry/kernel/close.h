// What close(2) does besides taking the number out of the table.
#ifndef SENTRY_KERNEL_CLOSE_H_
#define SENTRY_KERNEL_CLOSE_H_

#include "sentry/kernel/task.h"

namespace sentry {

// Linux's filp_close: Flush, release of the process's POSIX locks on the file,
// then the reference. Own thread; no lock held.
void CloseFile(Task& task, RefPtr<FileDescription> file);

// The same of another process's table, from which the file was taken.
void CloseFileOfTable(Task& task, FdTable& table, RefPtr<FileDescription> file);

// Who holds a POSIX lock: the descriptor table, as Linux's current->files.
const void* PosixLockOwner(Task& task);

}  // namespace sentry

#endif  // SENTRY_KERNEL_CLOSE_H_
