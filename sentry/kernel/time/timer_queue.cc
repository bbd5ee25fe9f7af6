#include "sentry/kernel/time/timer_queue.h"

#include <pthread.h>

#include <chrono>
#include <map>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "base/signal_block.h"

namespace sentry {

using base::MutexLock;

struct TimerQueue::Impl {
  using Key = std::pair<int64_t, Id>;

  void Run();
  void RunDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void EnsureThread() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  // Rank kTimerQueue. Never held over a callback.
  base::RankedMutex<base::LockRank::kTimerQueue> mu;
  base::CondVar changed;   // the timer thread sleeps on it
  base::CondVar finished;  // Cancel waits for a callback that runs
  std::map<Key, std::function<void()>> queue ABSL_GUARDED_BY(mu);
  std::map<Id, int64_t> deadlines ABSL_GUARDED_BY(mu);
  Id last_id ABSL_GUARDED_BY(mu) = 0;
  Id running ABSL_GUARDED_BY(mu) = 0;
  bool stop ABSL_GUARDED_BY(mu) = false;
  std::thread thread ABSL_GUARDED_BY(mu);
};

TimerQueue::TimerQueue() : impl_(std::make_unique<Impl>()) {}

TimerQueue::~TimerQueue() {
  std::thread thread;
  {
    MutexLock lock(impl_->mu);
    impl_->stop = true;
    thread = std::move(impl_->thread);
  }
  impl_->changed.SignalAll();
  if (thread.joinable()) thread.join();
}

// At first use: a sandbox without timers has no timer thread.
void TimerQueue::Impl::EnsureThread() {
  if (thread.joinable() || stop) return;
  const base::SignalBlock block;
  thread = std::thread([this] {
    pthread_setname_np(pthread_self(), "timers");  // of another thread it would open a file
    Run();
  });
}

void TimerQueue::StartThread() {
  MutexLock lock(impl_->mu);
  impl_->EnsureThread();
}

TimerQueue::Id TimerQueue::Arm(int64_t deadline_ns, std::function<void()> callback) {
  bool first;
  Id id;
  {
    MutexLock lock(impl_->mu);
    id = ++impl_->last_id;
    impl_->EnsureThread();
    auto it = impl_->queue.emplace(Impl::Key(deadline_ns, id), std::move(callback)).first;
    impl_->deadlines.emplace(id, deadline_ns);
    first = it == impl_->queue.begin();
  }
  if (first) impl_->changed.Signal();
  return id;
}

void TimerQueue::Cancel(Id id) {
  std::function<void()> dropped;  // its captures end outside the lock
  MutexLock lock(impl_->mu);
  auto it = impl_->deadlines.find(id);
  if (it != impl_->deadlines.end()) {
    auto entry = impl_->queue.find(Impl::Key(it->second, id));
    dropped = std::move(entry->second);
    impl_->queue.erase(entry);
    impl_->deadlines.erase(it);
    return;
  }
  while (impl_->running == id && id != 0) impl_->finished.Wait(impl_->mu);
}

void TimerQueue::Impl::RunDue() {
  while (!stop && !queue.empty()) {
    auto it = queue.begin();
    if (it->first.first > MonotonicNow()) return;
    running = it->first.second;
    std::function<void()> callback = std::move(it->second);
    deadlines.erase(running);
    queue.erase(it);
    mu.Unlock();
    callback();
    callback = nullptr;
    mu.Lock();
    running = 0;
    finished.SignalAll();
  }
}

void TimerQueue::Impl::Run() {
  MutexLock lock(mu);
  while (!stop) {
    RunDue();
    if (stop) return;
    if (queue.empty()) {
      changed.Wait(mu);
      continue;
    }
    // libstdc++'s steady clock is CLOCK_MONOTONIC.
    const auto due = std::chrono::nanoseconds(queue.begin()->first.first);
    changed.WaitUntil(mu, std::chrono::steady_clock::time_point(due));
  }
}

}  // namespace sentry
