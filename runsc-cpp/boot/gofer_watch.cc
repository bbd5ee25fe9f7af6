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

void StartWatch(int fd, std::function<void()> died) {
  sentry::StartHostThread(Run, new Watch{fd, std::move(died)}).detach();
}

}  // namespace

void WatchGofer(std::shared_ptr<fsgofer::Client> client, std::function<void()> died) {
  const int fd = client->watch_fd();
  StartWatch(fd, [client = std::move(client), died = std::move(died)] {
    client->Shutdown();
    died();
  });
}

void WatchNetgofer(netgofer::Client& client, std::function<void()> died) {
  StartWatch(client.watch_fd(), [&client, died = std::move(died)] {
    client.Shutdown();
    died();
  });
}

}  // namespace runsc
