// The end of a thread, and of a process with its last one. Analogous to Linux's
// do_exit: what it holds goes before anybody is told, so that a pipe's other end
// sees the end of file before the parent sees SIGCHLD.
#include <algorithm>
#include <utility>

#include "sentry/kernel/futex/futex.h"
#include "sentry/kernel/task_impl.h"
#include "sentry/kernel/time/posix_timers.h"
#include "sentry/usermem/user_ptr.h"

namespace sentry {

using base::MutexLock;

SyscallResult Task::Exit(int32_t code) {
  impl_->exit_status = {.code = code & 0xff};
  SetNextState(RunExit{});
  return NoReturn{};
}

RunState Task::Step(RunExit) {
  const bool last = StartExit();
  PidTable& pids = kernel().pids();
  if (last) group_->timers().Shutdown();
  ReleaseResources();
  if (last) {
    int32_t session = 0;
    RefPtr<base::RefCounted> terminal = pids.DetachTerminal(*group_, &session);
    if (terminal && kernel().on_session_leader_exit) kernel().on_session_leader_exit(*terminal, session);
  }
  // A pid namespace ends with its init.
  if (last && group_->is_init_.load(std::memory_order_relaxed)) {
    pids.EndNamespace(*group_);
    return RunReapNamespace{};
  }
  return Leave();
}

RunState Task::Step(RunReapNamespace) {
  while (true) {
    PrepareToSleep();
    if (kernel().pids().NamespaceEmpty(*group_, *this)) return Leave();
    SleepAs(SleepKind::kUninterruptible, std::nullopt);
  }
}

RunState Task::Leave() {
  PidTable& pids = kernel().pids();
  kernel().cgroups().Leave(impl_->member);
  pids.ForgetChildrenOf(*this);
  SwitchCpuMode(CpuMode::kSleep);
  state.store(is_leader() ? 'Z' : 'X', std::memory_order_relaxed);
  if (!FinishExit()) return RunDead{};
  // Taken first: once it is known to have ended, anybody may forget the group.
  const std::function<void(const ExitStatus&)> on_end = std::move(group_->on_end_);
  const ExitStatus status = group_->exit_status();
  pids.ProcessEnded(*group_);
  if (on_end) on_end(status);
  return RunDead{};
}

// No signal is for this thread from here on.
bool Task::StartExit() {
  ThreadGroup& group = *group_;
  ThreadGroup::ExitState& exit = *group.exit_;
  int32_t stopped = 0;
  bool last;
  {
    MutexLock lock(group.signal_mu_);
    impl_->exiting = true;
    last = --exit.live == 0;
    // exit(2) of the leader makes the status, unless the group's end had one.
    if (is_leader() && !group.exiting_.load(std::memory_order_relaxed)) exit.status = impl_->exit_status;
    // All have left one by one: from here on nothing changes the status.
    if (last) group.exiting_.store(true, std::memory_order_seq_cst);
    if (impl_->stop_pending) {
      impl_->stop_pending = false;
      if (--exit.stop_waiting == 0 && !last) {
        exit.stop_complete = true;
        stopped = exit.stop_signal;
      }
    }
    // A shared signal that was to be ours is another thread's now.
    const SignalSet shared = group.shared_pending_.set() & ~blocked();
    for (const RefPtr<Task>& task : group.tasks_) {
      if (!shared.empty() && !task->impl_->exiting && !(shared & ~task->blocked()).empty()) task->Interrupt();
    }
  }
  if (stopped != 0) kernel().pids().ReportStop(group, stopped);
  return last;
}

void Task::ReleaseMm() {
  ExitRobustList(*this);
  robust_list = UserAddr();
  if (!clear_child_tid.is_null()) {
    (void)UserOut<int32_t>(clear_child_tid).Write(*mm_, 0);
    (void)kernel().futexes().Wake(*mm_, clear_child_tid, FutexScope::kShared, 1, UINT32_MAX);
    clear_child_tid = UserAddr();
  }
  impl_->mm_released.store(true, std::memory_order_seq_cst);
  if (RefPtr<Task> parent = std::exchange(impl_->vfork_parent, nullptr)) parent->Wake();
}

void Task::ReleaseResources() {
  group_->NoteMaxRss(mm_->usage().peak_resident);
  ReleaseMm();
  context_->Release();
  ReleaseSeccomp();
  sched().Leave();
  // Flush and locks of the files still need the rest.
  SetFds(nullptr);
  SetFs(nullptr);
  SetMm(nullptr);
  LeaveSemUndo();
  LeaveSharedMemory();
  SetMounts(nullptr);
  SetNsproxy(nullptr);
}

bool Task::FinishExit() {
  ThreadGroup& group = *group_;
  RefPtr<Task> self(this);  // the lists' references go below
  // Asked for once: execve takes the number away as soon as we are done.
  const bool leader = is_leader();
  bool all_done;
  {
    MutexLock lock(group.signal_mu_);
    all_done = --group.exit_->present == 0;
    if (!leader) {
      group.FoldTimes(cpu_times());
      std::erase_if(group.tasks_, [this](const RefPtr<Task>& task) { return task.get() == this; });
    }
    if (group.exit_->exec_task) group.exit_->exec_task->Wake();
  }
  if (leader) return all_done;
  kernel().pids().RemoveThread(*this);
  impl_->member.ReleasePid();
  return all_done;
}

}  // namespace sentry
