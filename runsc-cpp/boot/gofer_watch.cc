#include "runsc-cpp/boot/gofer_watch.h"

#include <poll.h>

#include "sentry/fs/host/host_poller.h"

namespace runsc {
namespace {

struct Watch {
  std::shared_ptr<fsgofer::Client> client;
  std::function<void()> died;
};

void Run(void* argument) {
  const std::unique_ptr<Watch> watch(static_cast<Watch*>(argument));
  pollfd fd{watch->client->watch_fd(), 0, 0};
  while (poll(&fd, 1, -1) <= 0) {
  }
  watch->client->Shutdown();
  watch->died();
}

}  // namespace

void WatchGofer(std::shared_ptr<fsgofer::Client> client, std::function<void()> died) {
  sentry::StartHostThread(Run, new Watch{std::move(client), std::move(died)}).detach();
}

}  // namespace runsc
