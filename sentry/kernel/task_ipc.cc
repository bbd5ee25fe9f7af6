// A task's share in System V IPC: what its end takes back and lets go.
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

ShmCreator& Task::shm_creator() {
  if (!impl_->shm_creator) impl_->shm_creator = base::MakeRef<ShmCreator>();
  return *impl_->shm_creator;
}

void Task::LeaveSharedMemory() {
  if (const RefPtr<ShmCreator> creator = std::exchange(impl_->shm_creator, nullptr)) creator->Leave();
}

}  // namespace sentry
