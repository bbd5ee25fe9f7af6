// One thread that waits for host descriptors on behalf of guest tasks.
//
// A descriptor is in the epoll set only while somebody waits for it, and each
// arming serves once (EPOLLONESHOT): an idle sandbox makes no host call and a
// ready descriptor that nobody reads costs nothing.
#ifndef SENTRY_FS_HOST_HOST_POLLER_H_
#define SENTRY_FS_HOST_HOST_POLLER_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>

#include "base/mutex.h"
#include "base/result.h"
#include "base/thread.h"
#include "base/unique_fd.h"
#include "base/wait_queue.h"

namespace sentry {

using base::Errno;
using base::Result;

class HostPoller {
 public:
  // One watched descriptor; its owner keeps it until Remove.
  struct Watch {
    Watch(int f, base::WaitQueue& q) : fd(f), queue(q) {}
    const int fd;
    base::WaitQueue& queue;

   private:
    friend class HostPoller;
    uint64_t id = 0;       // 0: not in the epoll set
    uint32_t armed = 0;    // what the set waits for now
    bool refused = false;  // the host says it can't be polled (regular files)
  };

  // Makes the epoll set, the eventfd and the thread: before the host filter.
  static Result<std::unique_ptr<HostPoller>> Create();
  ~HostPoller();
  HostPoller(const HostPoller&) = delete;
  HostPoller& operator=(const HostPoller&) = delete;

  // Notifies watch.queue once when an event of `mask` comes.
  void Arm(Watch& watch, base::EventMask mask);
  // After it returns the poller touches neither `watch` nor its queue.
  void Remove(Watch& watch);

  // How often the thread woke (tests: an idle poller sleeps).
  uint64_t wakeups() const { return wakeups_.load(std::memory_order_relaxed); }

 private:
  HostPoller(base::UniqueFd epoll, base::UniqueFd stop) : epoll_(std::move(epoll)), stop_(std::move(stop)) {}
  void Run();
  void Deliver(uint64_t id, uint32_t events);

  const base::UniqueFd epoll_;
  const base::UniqueFd stop_;
  base::Thread thread_;
  std::atomic<uint64_t> wakeups_{0};
  // Held while a queue is notified, so that Remove waits for it.
  base::RankedMutex<base::LockRank::kHostFile> mu_;
  uint64_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
  std::map<uint64_t, Watch*> watches_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sentry

#endif  // SENTRY_FS_HOST_HOST_POLLER_H_
