// How a task comes by its filters: its own, a parent's, another thread's, the
// runtime's. Linux's seccomp_set_mode_*, copy_seccomp, seccomp_sync_threads.
#include <utility>

#include "sentry/kernel/seccomp/notifier.h"
#include "sentry/kernel/task_impl.h"

namespace sentry {

using base::MutexLock;
using base::RefPtr;

TaskSeccomp::TaskSeccomp() = default;
TaskSeccomp::~TaskSeccomp() { SetFilter(nullptr); }

// The last reference to what was there is never ours but at the task's end.
void TaskSeccomp::SetFilter(RefPtr<SeccompFilter> filter) {
  SeccompFilter* const old = filter_.exchange(filter.release(), std::memory_order_acq_rel);
  if (old != nullptr) old->DecRef();
}

Task::SeccompStatus Task::seccomp_status() const {
  MutexLock lock(group_->signal_mu_);
  const SeccompFilter* const filter = seccomp_.filter_.load(std::memory_order_acquire);
  return {.mode = seccomp_.mode(), .filters = filter != nullptr ? filter->count() : 0};
}

Result<void> Task::SetSeccompStrict() {
  {
    MutexLock lock(group_->signal_mu_);
    if (seccomp_.mode() == TaskSeccomp::Mode::kFilter) return Errno::kEINVAL;
    seccomp_.mode_.store(TaskSeccomp::Mode::kStrict, std::memory_order_release);
  }
  context_->ForgetAnswers();
  return Ok();
}

int32_t Task::WhoCannotFollowLocked() const {
  const SeccompFilter* const own = seccomp_.filter_.load(std::memory_order_acquire);
  for (const RefPtr<Task>& task : group_->tasks_) {
    if (task.get() == this || task->impl_->exiting || !task->seccomp_.active()) continue;
    const SeccompFilter* const theirs = task->seccomp_.filter_.load(std::memory_order_acquire);
    const bool follows = task->seccomp_.mode() == TaskSeccomp::Mode::kFilter && own != nullptr;
    if (!follows || !own->IsOrDescendsFrom(theirs)) return task->tid();
  }
  return 0;
}

Result<int32_t> Task::AttachSeccompFilter(RefPtr<SeccompFilter> filter, SeccompSync sync) {
  MutexLock lock(group_->signal_mu_);
  if (seccomp_.mode() == TaskSeccomp::Mode::kStrict) return Errno::kEINVAL;
  RefPtr<SeccompFilter> older = seccomp_.filter();
  if (filter->supervisor() != nullptr && older && older->HasLiveSupervisor()) return Errno::kEBUSY;
  TRY(filter->Link(std::move(older)));
  if (sync == SeccompSync::kAllThreads) {
    if (const int32_t tid = WhoCannotFollowLocked(); tid != 0) return tid;
  }
  // The filter is a user of the older one from now on, in this task's place.
  filter->AddUser();
  seccomp_.SetFilter(filter);
  seccomp_.mode_.store(TaskSeccomp::Mode::kFilter, std::memory_order_release);
  context_->ForgetAnswers();
  if (sync == SeccompSync::kThisThread) return 0;
  for (const RefPtr<Task>& task : group_->tasks_) {
    if (task.get() == this || task->impl_->exiting) continue;
    filter->AddUser();
    if (const RefPtr<SeccompFilter> theirs = task->seccomp_.filter()) theirs->DropUser();
    if (creds_->no_new_privs) task->seccomp_.takes_no_new_privs_.store(true, std::memory_order_relaxed);
    task->seccomp_.SetFilter(filter);
    task->seccomp_.mode_.store(TaskSeccomp::Mode::kFilter, std::memory_order_release);
    task->context_->ForgetAnswers();
  }
  return 0;
}

void Task::InheritSeccompLocked(const Task& parent) {
  if (!parent.seccomp_.active()) return;
  RefPtr<SeccompFilter> filter = parent.seccomp_.filter();
  if (filter) filter->AddUser();
  seccomp_.SetFilter(std::move(filter));
  seccomp_.takes_no_new_privs_.store(parent.seccomp_.takes_no_new_privs_.load(std::memory_order_relaxed),
                                     std::memory_order_relaxed);
  seccomp_.mode_.store(parent.seccomp_.mode(), std::memory_order_release);
}

void Task::ReleaseSeccomp() {
  RefPtr<SeccompFilter> filter;  // its end is behind the lock
  MutexLock lock(group_->signal_mu_);
  filter = seccomp_.filter();
  seccomp_.SetFilter(nullptr);
  if (filter) filter->DropUser();
}

Result<void> InstallSeccompProgram(Task& task, std::span<const abi::SockFilter> program, uint64_t flags) {
  if ((flags & ~(abi::kSeccompFilterLog | abi::kSeccompFilterSpecAllow)) != 0) return Errno::kEINVAL;
  BpfProgram checked = TRY(BpfProgram::Create({program.begin(), program.end()}));
  const auto log = (flags & abi::kSeccompFilterLog) != 0 ? SeccompFilter::Log::kYes : SeccompFilter::Log::kNo;
  TRY(task.AttachSeccompFilter(TRY(SeccompFilter::Create(std::move(checked), log)), Task::SeccompSync::kThisThread));
  return Ok();
}

}  // namespace sentry
