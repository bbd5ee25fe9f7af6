#include "runsc-cpp/shim/loop.h"

#include <cerrno>
#include <utility>

namespace runsc::shim {

absl::StatusOr<std::unique_ptr<Loop>> Loop::Create() {
  base::UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return absl::ErrnoToStatus(errno, "epoll_create1");
  return std::unique_ptr<Loop>(new Loop(std::move(epoll)));
}

absl::Status Loop::Watch(int fd, uint32_t events, Handler handler) {
  epoll_event event = {};
  event.events = events;
  event.data.fd = fd;
  const bool known = handlers_.contains(fd);
  if (epoll_ctl(epoll_.get(), known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0) {
    return absl::ErrnoToStatus(errno, "epoll_ctl");
  }
  handlers_[fd] = std::make_shared<Handler>(std::move(handler));
  return absl::OkStatus();
}

void Loop::Forget(int fd) {
  if (handlers_.erase(fd) > 0) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Loop::TimerId Loop::After(std::chrono::milliseconds delay, std::function<void()> action) {
  const TimerId id = next_timer_++;
  timers_.emplace(std::make_pair(Clock::now() + delay, id), std::move(action));
  return id;
}

void Loop::Cancel(TimerId id) {
  std::erase_if(timers_, [id](const auto& timer) { return timer.first.second == id; });
}

void Loop::RunPosted() {
  while (!posted_.empty() && !stopped_) {
    const std::function<void()> action = std::move(posted_.front());
    posted_.pop_front();
    action();
  }
}

int Loop::RunTimers() {
  while (!timers_.empty() && !stopped_) {
    const auto first = timers_.begin();
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(first->first.first - Clock::now());
    if (left.count() > 0) return static_cast<int>(std::min<int64_t>(left.count(), 60'000));
    const std::function<void()> action = std::move(first->second);
    timers_.erase(first);
    action();
    RunPosted();
  }
  return -1;
}

void Loop::Run() {
  stopped_ = false;
  while (!stopped_) {
    RunPosted();
    const int timeout = RunTimers();
    if (stopped_) return;
    // One at a time: a handler may close the descriptor of another, and its number may be a new one's.
    epoll_event event;
    if (epoll_wait(epoll_.get(), &event, 1, timeout) != 1) continue;
    const auto found = handlers_.find(event.data.fd);
    if (found == handlers_.end()) continue;
    const std::shared_ptr<Handler> handler = found->second;  // it may forget itself
    (*handler)(event.events);
  }
}

}  // namespace runsc::shim
