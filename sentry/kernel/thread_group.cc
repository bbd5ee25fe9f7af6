#include "sentry/kernel/thread_group.h"

#include <algorithm>
#include <utility>

#include "sentry/kernel/kernel.h"
#include "sentry/kernel/pid_table.h"
#include "sentry/kernel/task_impl.h"
#include "sentry/kernel/time/posix_timers.h"

namespace sentry {

using base::MutexLock;

ThreadGroup::ThreadGroup(Kernel& kernel, RefPtr<SignalActions> actions)
    : kernel_(kernel),
      start_time_ns_(BoottimeNow()),
      family_(std::make_unique<Family>()),
      exit_(std::make_unique<ExitState>()),
      actions_(std::move(actions)),
      timers_(std::make_unique<PosixTimers>(kernel, *this)) {}

ThreadGroup::~ThreadGroup() = default;

RefPtr<Task> ThreadGroup::leader() const {
  MutexLock lock(signal_mu_);
  for (const RefPtr<Task>& task : tasks_) {
    if (task->tid() == tgid_) return task;
  }
  return nullptr;
}

std::vector<RefPtr<Task>> ThreadGroup::tasks() const {
  MutexLock lock(signal_mu_);
  return tasks_;
}

void ThreadGroup::AddTask(RefPtr<Task> task) {
  ++exit_->live;
  ++exit_->present;
  tasks_.push_back(std::move(task));
}

Task* ThreadGroup::AnyLiveTaskLocked() const {
  for (const RefPtr<Task>& task : tasks_) {
    if (!task->impl_->exiting) return task.get();
  }
  return nullptr;
}

void ThreadGroup::InheritFrom(const ThreadGroup& parent) {
  oom_score_adj.store(parent.oom_score_adj.load(std::memory_order_relaxed), std::memory_order_relaxed);
  std::array<Rlimit, static_cast<size_t>(RlimitKind::kCount)> limits;
  RefPtr<UserNamespace> memory_ns;
  {
    MutexLock lock(parent.mu_);
    limits = parent.limits_;
    memory_ns = parent.memory_ns_;
  }
  {
    MutexLock lock(mu_);
    limits_ = limits;
    std::swap(memory_ns_, memory_ns);
  }
  timers_->CpuLimitChanged();
}

RefPtr<UserNamespace> ThreadGroup::memory_ns() const {
  MutexLock lock(mu_);
  return memory_ns_;
}
void ThreadGroup::SetMemoryNs(RefPtr<UserNamespace> ns) {
  MutexLock lock(mu_);
  std::swap(memory_ns_, ns);
}

int32_t ThreadGroup::ppid() const { return kernel_.pids().ppid(*this, pid_ns()); }
RefPtr<ThreadGroup> ThreadGroup::parent() const { return kernel_.pids().parent(*this); }
int32_t ThreadGroup::process_group_id() const { return kernel_.pids().process_group(*this); }
int32_t ThreadGroup::session_id() const { return kernel_.pids().session(*this); }
std::vector<RefPtr<ThreadGroup>> ThreadGroup::children() const { return kernel_.pids().children(*this); }

RefPtr<SignalActions> ThreadGroup::actions() const {
  MutexLock lock(signal_mu_);
  return actions_;
}

void ThreadGroup::SetActions(RefPtr<SignalActions> actions) {
  MutexLock lock(signal_mu_);
  std::swap(actions_, actions);
}

SignalSet ThreadGroup::shared_pending() const {
  MutexLock lock(signal_mu_);
  return shared_pending_.set();
}

void ThreadGroup::Exit(ExitStatus status) {
  MutexLock lock(signal_mu_);
  ExitLocked(status);
}

void ThreadGroup::ExitLocked(ExitStatus status) {
  if (exiting_.load(std::memory_order_relaxed)) return;
  exit_->status = status;
  exiting_.store(true, std::memory_order_seq_cst);
  for (const RefPtr<Task>& task : tasks_) {
    task->impl_->killed.store(true, std::memory_order_seq_cst);
    task->Interrupt();
  }
}

bool ThreadGroup::exiting() const { return exiting_.load(std::memory_order_acquire); }
bool ThreadGroup::ended() const { return ended_.load(std::memory_order_acquire); }

ExitStatus ThreadGroup::exit_status() const {
  MutexLock lock(signal_mu_);
  return exit_->status;
}

// --- Limits and accounting ---------------------------------------------------

Rlimit ThreadGroup::limit(RlimitKind kind) const {
  MutexLock lock(mu_);
  return limits_[static_cast<size_t>(kind)];
}

void ThreadGroup::SetLimit(RlimitKind kind, Rlimit limit) {
  {
    MutexLock lock(mu_);
    limits_[static_cast<size_t>(kind)] = limit;
  }
  if (kind == RlimitKind::kCpu) timers_->CpuLimitChanged();
  // What mm enforces, it keeps itself.
  if (kind != RlimitKind::kAs && kind != RlimitKind::kData && kind != RlimitKind::kStack &&
      kind != RlimitKind::kMemlock) {
    return;
  }
  const RefPtr<Task> task = leader();
  if (!task) return;
  const RefPtr<Credentials> creds = task->SharedCreds();
  if (RefPtr<MemoryManager> mm = task->SharedMm(); mm && creds) mm->SetLimits(mm_limits(*creds));
}

MmLimits ThreadGroup::mm_limits(const Credentials& creds) const {
  MutexLock lock(mu_);
  auto soft = [this](RlimitKind kind)
                  ABSL_NO_THREAD_SAFETY_ANALYSIS { return limits_[static_cast<size_t>(kind)].soft; };
  return {.address_space = soft(RlimitKind::kAs),
          .data = soft(RlimitKind::kData),
          .stack = soft(RlimitKind::kStack),
          .memlock = creds.Has(Capability::kIpcLock) ? UINT64_MAX : soft(RlimitKind::kMemlock)};
}

ThreadGroup::CpuTimes ThreadGroup::cpu_times() const {
  CpuTimes sum;
  // The signal lock keeps a thread from moving its times to the dead ones' sum
  // between the two looks.
  MutexLock lock(signal_mu_);
  for (const RefPtr<Task>& task : tasks_) {
    const CpuTimes times = task->cpu_times();
    sum.user_ns += times.user_ns;
    sum.system_ns += times.system_ns;
  }
  MutexLock leaf(mu_);
  sum.user_ns += dead_times_.user_ns;
  sum.system_ns += dead_times_.system_ns;
  return sum;
}

ThreadGroup::CpuTimes ThreadGroup::children_cpu_times() const {
  MutexLock lock(mu_);
  return children_times_;
}

void ThreadGroup::FoldTimes(CpuTimes times) {
  MutexLock lock(mu_);
  dead_times_.user_ns += times.user_ns;
  dead_times_.system_ns += times.system_ns;
}

void ThreadGroup::FoldChildTimes(CpuTimes times, uint64_t max_rss) {
  MutexLock lock(mu_);
  children_times_.user_ns += times.user_ns;
  children_times_.system_ns += times.system_ns;
  if (max_rss > children_max_rss_.load(std::memory_order_relaxed)) {
    children_max_rss_.store(max_rss, std::memory_order_relaxed);
  }
}

void ThreadGroup::NoteMaxRss(uint64_t bytes) {
  uint64_t seen = max_rss_.load(std::memory_order_relaxed);
  while (bytes > seen && !max_rss_.compare_exchange_weak(seen, bytes, std::memory_order_relaxed)) {
  }
}

uint64_t ThreadGroup::max_rss() const {
  uint64_t peak = max_rss_.load(std::memory_order_relaxed);
  const RefPtr<Task> task = leader();
  if (!task) return peak;
  if (RefPtr<MemoryManager> mm = task->SharedMm()) peak = std::max(peak, mm->usage().peak_resident);
  return peak;
}

}  // namespace sentry
