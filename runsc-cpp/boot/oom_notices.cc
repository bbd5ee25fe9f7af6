#include "runsc-cpp/boot/oom_notices.h"

#include <algorithm>

#include "sentry/kernel/time/clock.h"

namespace runsc {
namespace {

// Those who die together are one event for an engine.
constexpr int64_t kOneEvent = 100'000'000;

}  // namespace

void OomNotices::Add(const sentry::Cgroup& cgroup, std::weak_ptr<HostedProcess> first) {
  base::MutexLock lock(mu_);
  entries_[&cgroup].first = std::move(first);
}

void OomNotices::Remove(const sentry::Cgroup& cgroup) {
  base::MutexLock lock(mu_);
  entries_.erase(&cgroup);
}

void OomNotices::SetBytes(const sentry::Cgroup& cgroup, uint64_t bytes) {
  base::MutexLock lock(mu_);
  entries_[&cgroup].bytes = bytes;
}

void OomNotices::Show(const sentry::Cgroup& domain, const sentry::Cgroup& asker) {
  std::shared_ptr<HostedProcess> first;
  uint64_t bytes = 0;
  {
    base::MutexLock lock(mu_);
    // A limit that a guest set on a group of its own is nothing to the host.
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
      return entry.first == &domain || (domain.parent() == nullptr && asker.IsBelow(*entry.first));
    });
    if (found == entries_.end() || found->second.bytes == 0) return;
    const int64_t now = sentry::MonotonicNow();
    if (now - found->second.shown_ns < kOneEvent) return;
    found->second.shown_ns = now;
    first = found->second.first.lock();
    bytes = found->second.bytes;
  }
  if (first) first->ShowOutOfMemory(bytes);
}

}  // namespace runsc
