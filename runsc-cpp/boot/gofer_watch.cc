#include "runsc-cpp/boot/gofer_watch.h"

#include <poll.h>

#include "sentry/fs/host/host_poller.h"

namespace runsc {
namespace {

struct Watch {
  int fd;
  std::function<void()> died;
};

void Run(void* argument) {
  const std::unique_ptr<Watch> watch(static_cast<Watch*>(argument));
  pollfd fd{watch->fd, 0, 0};
  while (poll(&fd, 1, -1) <= 0) {
  }
  watch->died();
}

}  // namespace

void WatchGofer(fsgofer::Client& client, std::function<void()> died) {
  const auto shut_down = [&client, died = std::move(died)] {
    client.Shutdown();
    died();
  };
  sentry::StartHostThread(Run, new Watch{client.watch_fd(), shut_down}).detach();
}

void WatchNetgofer(netgofer::Client& client, std::function<void()> died) {
  const auto shut_down = [&client, died = std::move(died)] {
    client.Shutdown();
    died();
  };
  sentry::StartHostThread(Run, new Watch{client.watch_fd(), shut_down}).detach();
}

}  // namespace runsc
