#include "sentry/fs/host/host_poller.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <cerrno>

namespace sentry {
namespace {

// Poll and epoll events share their values for all bits that Arm passes on.
static_assert(EPOLLIN == base::kEventIn && EPOLLOUT == base::kEventOut && EPOLLPRI == base::kEventPri);
static_assert(EPOLLHUP == base::kEventHup && EPOLLERR == base::kEventErr && EPOLLRDHUP == base::kEventRdHup);
constexpr uint32_t kPollable = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP;

uint32_t ToEpoll(base::EventMask mask) {
  uint32_t events = mask & kPollable;
  if (mask & base::kEventRdNorm) events |= EPOLLIN;
  if (mask & base::kEventWrNorm) events |= EPOLLOUT;
  return events;
}

base::EventMask FromEpoll(uint32_t events) {
  base::EventMask mask = events & (kPollable | EPOLLHUP | EPOLLERR);
  if (events & EPOLLIN) mask |= base::kEventRdNorm;
  if (events & EPOLLOUT) mask |= base::kEventWrNorm;
  return mask;
}

}  // namespace

Result<std::unique_ptr<HostPoller>> HostPoller::Create() {
  base::UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return base::HostErrno();
  base::UniqueFd stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop) return base::HostErrno();
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = 0;
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, stop.get(), &event) != 0) return base::HostErrno();
  std::unique_ptr<HostPoller> poller(new HostPoller(std::move(epoll), std::move(stop)));
  poller->thread_ = TRY(base::Thread::Start([p = poller.get()] { p->Run(); }));
  return poller;
}

HostPoller::~HostPoller() {
  const uint64_t one = 1;
  // An eventfd of ours at zero takes one more for certain.
  [[maybe_unused]] const ssize_t n = write(stop_.get(), &one, sizeof(one));
  thread_.Join();
}

void HostPoller::Arm(Watch& watch, base::EventMask mask) {
  base::MutexLock lock(mu_);
  // epoll tells of a hang-up always; the bit here says "armed" for a waiter that
  // wants nothing else.
  const uint32_t wanted = watch.armed | ToEpoll(mask) | EPOLLHUP;
  if (watch.refused || wanted == watch.armed) return;
  epoll_event event{};
  event.events = wanted | EPOLLONESHOT;
  const bool fresh = watch.id == 0;
  const uint64_t id = fresh ? next_id_++ : watch.id;
  event.data.u64 = id;
  if (epoll_ctl(epoll_.get(), fresh ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, watch.fd, &event) != 0) {
    // EPERM: always ready, as Readiness says too. Others (ENOMEM, ENOSPC): a
    // waiter must not sleep for ever, so it looks again and fails by itself.
    watch.refused = errno == EPERM;
    watch.queue.Notify(mask | base::kEventErr);
    return;
  }
  watch.armed = wanted;
  if (fresh) {
    watch.id = id;
    watches_.emplace(id, &watch);
  }
}

void HostPoller::Remove(Watch& watch) {
  base::MutexLock lock(mu_);
  if (watch.id == 0) return;
  epoll_event event{};
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watch.fd, &event);
  watches_.erase(watch.id);
  watch.id = 0;
  watch.armed = 0;
}

void HostPoller::Deliver(uint64_t id, uint32_t events) {
  base::MutexLock lock(mu_);
  const auto it = watches_.find(id);  // an id is never used twice
  if (it == watches_.end()) return;
  it->second->armed = 0;
  it->second->queue.Notify(FromEpoll(events));
}

void HostPoller::Run() {
  for (;;) {
    epoll_event events[16];
    const int n = epoll_wait(epoll_.get(), events, 16, -1);
    wakeups_.fetch_add(1, std::memory_order_relaxed);
    if (n < 0 && errno != EINTR) return;
    for (int i = 0; i < n; ++i) {
      if (events[i].data.u64 == 0) return;
      Deliver(events[i].data.u64, events[i].events);
    }
  }
}

}  // namespace sentry
