// One thread that tells guests' sockets what happens to their host sockets.
//
// A socket is watched edge by edge from its first waiter on, for as long as
// there is one: each event of the host is passed on once, as Linux's own wake-up
// would be, so that edge-triggered epolls of guests see what they should. An
// event that finds nobody waiting ends the watch: a stream that is read without
// waits costs no wake-ups.
#ifndef SENTRY_NET_HOSTINET_SOCKET_POLLER_H_
#define SENTRY_NET_HOSTINET_SOCKET_POLLER_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>

#include "base/mutex.h"
#include "base/result.h"
#include "base/thread.h"
#include "base/unique_fd.h"
#include "base/wait_queue.h"

namespace sentry::hostinet {

class SocketPoller {
 public:
  // One host socket; its owner keeps it until Remove.
  class Watch {
   public:
    Watch(int fd, base::WaitQueue& queue) : fd_(fd), queue_(queue) {}

   private:
    friend class SocketPoller;
    const int fd_;
    base::WaitQueue& queue_;
    uint64_t id_ = 0;  // 0: not in the epoll set
    bool armed_ = false;
    bool want_room_ = false;
  };

  // Makes the epoll set, the eventfd and the thread: before the host filter.
  static base::Result<std::unique_ptr<SocketPoller>> Create();
  ~SocketPoller();
  SocketPoller(const SocketPoller&) = delete;
  SocketPoller& operator=(const SocketPoller&) = delete;

  // Passes on what happens from now on, and what is ready now if it was not
  // watched before. To be called once the waiter stands in the queue. That a
  // socket is writable is passed on only after kRoom was asked for: else every
  // arrival would look like room too.
  enum class For : uint8_t { kArrivals, kRoom };
  void Arm(Watch& watch, For what);
  // After it returns the poller touches neither `watch` nor its queue.
  void Remove(Watch& watch);

  // How often the thread woke (tests: an idle poller sleeps).
  uint64_t wakeups() const { return wakeups_.load(std::memory_order_relaxed); }

 private:
  SocketPoller(base::UniqueFd epoll, base::UniqueFd stop) : epoll_(std::move(epoll)), stop_(std::move(stop)) {}
  void Run();
  void Deliver(uint64_t id, uint32_t events);
  void Set(Watch& watch, uint32_t events) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const base::UniqueFd epoll_;
  const base::UniqueFd stop_;
  base::Thread thread_;
  std::atomic<uint64_t> wakeups_{0};
  // Held while a queue is notified, so that Remove waits for it. Also orders an
  // event that finds nobody against a waiter that has just come.
  base::RankedMutex<base::LockRank::kHostFile> mu_;
  uint64_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
  std::map<uint64_t, Watch*> watches_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sentry::hostinet

#endif  // SENTRY_NET_HOSTINET_SOCKET_POLLER_H_
