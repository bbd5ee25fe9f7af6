// execve. Analogous to Linux's fs/exec.c: everything that can fail comes before
// the point of no return and harms nothing.
#include <utility>

#include "sentry/kernel/close.h"
#include "sentry/kernel/task_impl.h"
#include "sentry/kernel/time/posix_timers.h"
#include "sentry/loader/loader.h"

namespace sentry {

using base::MutexLock;

SyscallResult Task::Execve(const Path& start, std::string path, WalkFlags flags, std::vector<std::string> argv,
                           std::vector<std::string> envp) {
  LoadRequest request = {.start = start,
                         .path = std::move(path),
                         .flags = flags,
                         .argv = std::move(argv),
                         .envp = std::move(envp),
                         .stack_limit = group_->soft_limit(RlimitKind::kStack),
                         .personality = personality.load(std::memory_order_relaxed),
                         .vdso = kernel().vdso(),
                         .vdso_size = kernel().vdso_size()};
  Result<RefPtr<MemoryManager>> mm =
      MemoryManager::Create(mm_->spaces(), kernel().memory_file(), &kernel().code_cache());
  if (!mm.ok()) return mm.error();
  (*mm)->SetLimits(group_->mm_limits(*creds_));
  VfsContext ctx = vfs_context();
  // Linux's check_unsafe_exec.
  uint32_t own = 0;
  for (const RefPtr<Task>& task : group_->tasks()) own += task->SharedFs() == fs_ ? 1 : 0;
  ctx.fs_shared = fs_->users() > own;
  Result<LoadedProgram> program = LoadProgram(ctx, **mm, request);
  if (!program.ok()) return program.error();

  if (!BecomeOnlyThread()) return Restart::kNoIntr;  // it leaves before it could restart
  SwitchProgram(std::move(*mm), *program);
  return NoReturn{};
}

bool Task::BecomeOnlyThread() {
  ThreadGroup& group = *group_;
  {
    MutexLock lock(group.signal_mu_);
    // Another thread's execve or exit came first and ends this one.
    if (killed() || group.exit_->exec_task) return false;
    if (group.exit_->present > 1) {
      group.exit_->exec_task = this;
      for (const RefPtr<Task>& task : group.tasks_) {
        if (task.get() == this) continue;
        task->impl_->killed.store(true, std::memory_order_seq_cst);
        task->Interrupt();
      }
    }
  }
  while (true) {
    PrepareToSleep();
    {
      MutexLock lock(group.signal_mu_);
      const bool dying = killed();
      if (dying || group.exit_->present == 1) {
        group.exit_->exec_task = nullptr;
        if (dying) return false;
        break;
      }
    }
    SleepAs(SleepKind::kKillable, std::nullopt);
  }
  if (!is_leader()) kernel().pids().TakeLeadership(*this);
  return true;
}

void Task::SwitchProgram(RefPtr<MemoryManager> mm, LoadedProgram& program) {
  const RefPtr<Credentials> old_creds = creds_;
  const Credentials& creds = *program.credentials;
  const bool changed = creds.euid != old_creds->euid || creds.egid != old_creds->egid || creds.euid != creds.uid ||
                       creds.egid != creds.gid;
  if (program.secure || changed) {
    mm->dumpable.store(0, std::memory_order_relaxed);
    parent_death_signal.store(0, std::memory_order_relaxed);
  }

  // The old memory goes.
  group_->NoteMaxRss(mm_->usage().peak_resident);
  ReleaseMm();
  context_->Release();
  SetMm(std::move(mm));
  context_->SetFpState(arch::FpState());
  regs_ = program.registers;
  regs_.orig_rax = UINT64_MAX;

  SetCreds(program.credentials);
  personality.store(program.personality, std::memory_order_relaxed);
  group_->SetMemoryNs(program.credentials->user_ns);
  SetName(program.name);
  // Handlers are gone with the code they were in. A table shared with another
  // process (CLONE_SIGHAND) stays that one's.
  RefPtr<SignalActions> actions = group_->actions()->Fork();
  actions->ResetForExec();
  group_->SetActions(std::move(actions));
  altstack_ = {};
  saved_mask_.reset();
  restart_block = std::monostate();
  impl_->restart.reset();
  group_->timers().DeleteAll();
  group_->executed_since_fork.store(true, std::memory_order_relaxed);

  if (fds_->users() > 1) SetFds(fds_->Fork());
  for (RefPtr<FileDescription>& file : fds_->RemoveCloseOnExec()) CloseFile(*this, std::move(file));
}

}  // namespace sentry
