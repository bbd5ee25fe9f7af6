#include "runsc-cpp/boot/gofer_watch.h"

#include <poll.h>

#include "base/thread.h"

namespace runsc {
namespace {

base::Result<void> StartWatch(int socket, std::function<void()> died) {
  return base::Thread::StartDetached([socket, died = std::move(died)] {
    pollfd fd{socket, 0, 0};
    while (poll(&fd, 1, -1) <= 0) {
    }
    died();
  });
}

}  // namespace

base::Result<void> WatchGofer(std::shared_ptr<fsgofer::Client> client, std::function<void()> died) {
  const int fd = client->watch_fd();
  return StartWatch(fd, [client = std::move(client), died = std::move(died)] {
    client->Shutdown();
    died();
  });
}

base::Result<void> WatchNetgofer(netgofer::Client& client, std::function<void()> died) {
  return StartWatch(client.watch_fd(), [&client, died = std::move(died)] {
    client.Shutdown();
    died();
  });
}

}  // namespace runsc
