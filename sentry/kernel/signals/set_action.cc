#include "sentry/kernel/task.h"

namespace sentry {

abi::SigAction Task::SetAction(int signo, const abi::SigAction& action) {
  const RefPtr<SignalActions> actions = group_->actions();
  const abi::SigAction old = actions->Exchange(signo, action);
  if (!actions->IsIgnored(signo)) return old;
  SignalSet ignored;
  ignored.Add(signo);
  const std::vector<RefPtr<Task>> tasks = group_->tasks();
  base::MutexLock lock(group_->signal_mu());
  group_->shared_pending_.Discard(ignored);
  for (const RefPtr<Task>& task : tasks) task->pending_.Discard(ignored);
  return old;
}

}  // namespace sentry
