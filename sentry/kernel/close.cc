#include "sentry/kernel/close.h"

#include "sentry/kernel/close_internal.h"
#include "sentry/vfs/file_locks.h"

namespace sentry {

const void* PosixLockOwner(Task& task) { return &task.fds(); }

void CloseFileOf(Task& task, const void* lock_owner, RefPtr<FileDescription> file) {
  if (!file->is_path()) {
    file->Flush(task.vfs_context());
    if (FileLocks* locks = file->inode()->locks_if_any()) locks->Release(lock_owner);
  }
}

void CloseFile(Task& task, RefPtr<FileDescription> file) { CloseFileOf(task, PosixLockOwner(task), std::move(file)); }

void CloseFileOfTable(Task& task, FdTable& table, RefPtr<FileDescription> file) {
  CloseFileOf(task, &table, std::move(file));
}

void Task::CloseTable(RefPtr<FdTable> table) {
  for (RefPtr<FileDescription>& file : table->RemoveAll()) CloseFileOf(*this, table.get(), std::move(file));
}

}  // namespace sentry
