// The shim's only thread: descriptors, timers, and what is to be done next.
#ifndef RUNSC_CPP_SHIM_LOOP_H_
#define RUNSC_CPP_SHIM_LOOP_H_

#include <sys/epoll.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace runsc::shim {

class Loop {
 public:
  using Handler = std::function<void(uint32_t events)>;
  using TimerId = uint64_t;

  static absl::StatusOr<std::unique_ptr<Loop>> Create();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Level-triggered; EPOLLHUP and EPOLLERR always come. A second call for a descriptor replaces the first. An error:
  // the descriptor is of a kind that epoll refuses (a regular file, /dev/null).
  absl::Status Watch(int fd, uint32_t events, Handler handler);
  // To be called before the descriptor is closed. No handler of it runs any more.
  void Forget(int fd);

  TimerId After(std::chrono::milliseconds delay, std::function<void()> action);
  void Cancel(TimerId id);
  // Runs once the present handler has returned, in order.
  void Post(std::function<void()> action) { posted_.push_back(std::move(action)); }

  void Run();
  void Stop() { stopped_ = true; }

 private:
  using Clock = std::chrono::steady_clock;
  explicit Loop(base::UniqueFd epoll) : epoll_(std::move(epoll)) {}
  void RunPosted();
  int RunTimers();  // milliseconds until the next one, -1: none

  base::UniqueFd epoll_;
  std::map<int, std::shared_ptr<Handler>> handlers_;
  std::map<std::pair<Clock::time_point, TimerId>, std::function<void()>> timers_;
  std::deque<std::function<void()>> posted_;
  TimerId next_timer_ = 1;
  bool stopped_ = false;
};

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_LOOP_H_
