// For this room: a close on behalf of a table that the task has already left.
#ifndef SENTRY_KERNEL_CLOSE_INTERNAL_H_
#define SENTRY_KERNEL_CLOSE_INTERNAL_H_

#include "sentry/kernel/task.h"

namespace sentry {

void CloseFileOf(Task& task, const void* lock_owner, RefPtr<FileDescription> file);

}  // namespace sentry

#endif  // SENTRY_KERNEL_CLOSE_INTERNAL_H_
