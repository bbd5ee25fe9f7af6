#include "sentry/net/hostinet/socket_poller.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <cerrno>

namespace sentry::hostinet {
namespace {

// Poll and epoll events share their values for all bits that are passed on.
static_assert(EPOLLIN == base::kEventIn && EPOLLOUT == base::kEventOut && EPOLLPRI == base::kEventPri);
static_assert(EPOLLHUP == base::kEventHup && EPOLLERR == base::kEventErr && EPOLLRDHUP == base::kEventRdHup);
constexpr uint32_t kAll = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;
constexpr uint32_t kNothing = EPOLLET;  // errors and hang-ups: once each
constexpr uint32_t kRoomEvents = EPOLLOUT | EPOLLERR | EPOLLHUP;

}  // namespace

base::Result<std::unique_ptr<SocketPoller>> SocketPoller::Create() {
  base::UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return base::HostErrno();
  base::UniqueFd stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop) return base::HostErrno();
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = 0;
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, stop.get(), &event) != 0) return base::HostErrno();
  std::unique_ptr<SocketPoller> poller(new SocketPoller(std::move(epoll), std::move(stop)));
  poller->thread_ = TRY(base::Thread::Start([p = poller.get()] { p->Run(); }));
  return poller;
}

SocketPoller::~SocketPoller() {
  const uint64_t one = 1;
  // An eventfd of ours at zero takes one more for certain.
  [[maybe_unused]] const ssize_t n = write(stop_.get(), &one, sizeof(one));
  thread_.Join();
}

// A change makes the host look at the socket anew: what is ready is an event.
void SocketPoller::Set(Watch& watch, uint32_t events) {
  epoll_event event{};
  event.events = events;
  const bool fresh = watch.id_ == 0;
  const uint64_t id = fresh ? next_id_++ : watch.id_;
  event.data.u64 = id;
  if (epoll_ctl(epoll_.get(), fresh ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, watch.fd_, &event) != 0) {
    // ENOMEM, ENOSPC: a waiter must not sleep for ever, so it looks again.
    watch.queue_.Notify(base::kEventErr);
    return;
  }
  if (fresh) {
    watch.id_ = id;
    watches_.emplace(id, &watch);
  }
  watch.armed_ = events == kAll;
}

void SocketPoller::Arm(Watch& watch, For what) {
  base::MutexLock lock(mu_);
  // Room that came before it was asked for may have been left untold.
  const bool more = what == For::kRoom && !watch.want_room_;
  if (more) watch.want_room_ = true;
  if (!watch.armed_ || more) Set(watch, kAll);
}

void SocketPoller::Remove(Watch& watch) {
  base::MutexLock lock(mu_);
  if (watch.id_ == 0) return;
  epoll_event event{};
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watch.fd_, &event);
  watches_.erase(watch.id_);
  watch.id_ = 0;
  watch.armed_ = false;
}

void SocketPoller::Deliver(uint64_t id, uint32_t events) {
  base::MutexLock lock(mu_);
  const auto it = watches_.find(id);  // an id is never used twice
  if (it == watches_.end()) return;
  Watch& watch = *it->second;
  if (watch.queue_.empty()) {
    watch.want_room_ = false;
    if (watch.armed_) Set(watch, kNothing);
    return;
  }
  base::EventMask mask = events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR);
  if ((events & EPOLLIN) != 0) mask |= base::kEventRdNorm;
  if ((events & kRoomEvents) != 0 && watch.want_room_) {
    watch.want_room_ = false;
    mask |= base::kEventOut | base::kEventWrNorm;
  }
  if (mask != 0) watch.queue_.Notify(mask);
}

void SocketPoller::Run() {
  for (;;) {
    epoll_event events[32];
    const int n = epoll_wait(epoll_.get(), events, 32, -1);
    wakeups_.fetch_add(1, std::memory_order_relaxed);
    if (n < 0 && errno != EINTR) return;
    for (int i = 0; i < n; ++i) {
      if (events[i].data.u64 == 0) return;
      Deliver(events[i].data.u64, events[i].events);
    }
  }
}

}  // namespace sentry::hostinet
