// What the host learns of a thread's scheduling.
#include "sentry/kernel/task_impl.h"

namespace sentry {

TaskSched& Task::sched() const { return impl_->sched; }

uint64_t Task::allowed_cpus() const { return kernel().all_cpus() & impl_->member.allowed_cpus(); }
uint64_t Task::cpus() const { return impl_->sched.CpusOf(allowed_cpus()); }

void Task::SchedChanged() {
  if (impl_->sched.host_is_stale()) KickFromGuest();
}

void Task::TellHostPriority() {
  const std::optional<platform::HostPriority> priority = impl_->sched.TakeForHost();
  if (!priority) return;
  platform::SetHostPriority(0, *priority);
  context_->SetPriority(*priority);
}

}  // namespace sentry
