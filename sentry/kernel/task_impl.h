// Private parts of Task and ThreadGroup, shared by this room's files only.
#ifndef SENTRY_KERNEL_TASK_IMPL_H_
#define SENTRY_KERNEL_TASK_IMPL_H_

#include <atomic>
#include <optional>

#include "sentry/kernel/cgroup/tree.h"
#include "sentry/kernel/family.h"
#include "sentry/kernel/ipc/sem_undo.h"
#include "sentry/kernel/ipc/shm_segment.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/pid_table.h"
#include "sentry/kernel/sched/task_sched.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/task_member.h"

namespace sentry {

struct Task::Impl {
  explicit Impl(Task& task) : member(task), sched(task.kernel().deadlines()) {}

  // Set under the signal lock, read anywhere: this thread must leave.
  std::atomic<bool> killed{false};
  // True while Switch may run guest code: Interrupt kicks only then.
  std::atomic<bool> in_guest{false};
  TaskMember member;
  TaskSched sched;
  RefPtr<SemUndoList> sem_undo;    // own thread; null: none yet
  RefPtr<ShmCreator> shm_creator;  // the same
  // Under the signal lock: must join the group's stop; has joined it.
  bool stop_pending = false;
  bool stopped = false;
  // Under the signal lock: it left, no signal is for it any more.
  bool exiting = false;

  // Own thread: how the last call wants to be restarted.
  std::optional<Restart> restart;
  // Own thread: what it ends with if it ends alone.
  ExitStatus exit_status;

  // The last fault, for the signal frame (Linux's thread_struct).
  uint64_t fault_address = 0;
  uint64_t fault_trap = 0;
  uint64_t fault_error = 0;

  // vfork: who waits for us, and whether it need not any more.
  RefPtr<Task> vfork_parent;  // own thread, once started
  std::atomic<bool> mm_released{false};

  // CPU time: what was counted up to `stamp`, and what runs since. Written by
  // the own thread inside an odd `version`, so that onlookers never read a mix.
  std::atomic<uint32_t> cpu_version{0};
  std::atomic<int64_t> user_ns{0};
  std::atomic<int64_t> system_ns{0};
  std::atomic<int64_t> stamp{0};
  std::atomic<uint8_t> cpu_mode{static_cast<uint8_t>(CpuMode::kSleep)};
};

struct ThreadGroup::ExitState {
  ExitStatus status;  // once exiting_
  // Threads that have not begun to leave; threads that have not finished.
  int32_t live = 0;
  int32_t present = 0;
  // The thread that execs, while it waits for the others to go.
  Task* exec_task = nullptr;

  // A group stop: begun (stop_signal != 0), threads that have yet to join,
  // complete.
  int32_t stop_signal = 0;
  int32_t stop_waiting = 0;
  bool stop_complete = false;
  // SIGCONT ended a complete stop; a thread of the group has yet to tell.
  bool continue_untold = false;

  // Signals that came from outside the namespace or sandbox: init takes them.
  SignalSet from_outside;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_TASK_IMPL_H_
