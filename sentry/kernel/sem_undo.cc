// A task's share in what its end takes back of semaphores.
#include <utility>

#include "sentry/kernel/task_impl.h"

namespace sentry {

SemUndoList& Task::sem_undo() {
  if (!impl_->sem_undo) impl_->sem_undo = base::MakeRef<SemUndoList>();
  return *impl_->sem_undo;
}

void Task::LeaveSemUndo() {
  if (const RefPtr<SemUndoList> list = std::exchange(impl_->sem_undo, nullptr)) list->Leave(group_->pid());
}

}  // namespace sentry
