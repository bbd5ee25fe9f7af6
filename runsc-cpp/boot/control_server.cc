#include "runsc-cpp/boot/control_server.h"

#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <memory>

#include "base/log.h"
#include "base/thread.h"
#include "sentry/control/connection.h"

namespace runsc {
namespace {

namespace control = sentry::control;

constexpr int kMaxConnections = 64;
// Between the parts of one frame; between requests a peer may take its time.
constexpr int kFrameMs = 10'000;
constexpr int kBusyMs = 10;

std::atomic<int> g_connections{0};

struct Connection {
  Connection(Containers& its_containers, base::UniqueFd its_fd) : containers(its_containers), fd(std::move(its_fd)) {}
  Containers& containers;
  base::UniqueFd fd;
};

// False: the peer is gone, or what it says is no request.
bool ServeOne(Connection& connection) {
  pollfd entry{connection.fd.get(), POLLIN, 0};
  if (poll(&entry, 1, -1) < 0) return errno == EINTR;
  connection.containers.RequestStarted();
  bool good = false;
  base::Result<control::Frame> frame = control::ReceiveFrame(connection.fd.get(), kFrameMs);
  control::Request request;
  if (frame.ok() && request.ParseFromString(frame->bytes)) {
    const control::Response response = connection.containers.Handle(request, RequestFds(std::move(frame->fds)));
    good = control::SendFrame(connection.fd.get(), response.SerializeAsString(), {}, kFrameMs).ok();
  } else if (frame.ok()) {
    LOG(kWarning, "a control request could not be parsed");
  }
  connection.containers.RequestAnswered();
  return good;
}

void Close(Connection& connection) {
  connection.fd.reset();
  --g_connections;
  connection.containers.ConnectionClosed();
}

// An error closes the connection: its peer may try again.
base::Result<void> Open(Containers& containers, base::UniqueFd fd) {
  ++g_connections;
  containers.ConnectionOpened();
  auto connection = std::make_shared<Connection>(containers, std::move(fd));
  const base::Result<void> started = base::Thread::StartDetached([connection] {
    while (ServeOne(*connection)) {
    }
    Close(*connection);
  });
  if (!started.ok()) Close(*connection);
  return started;
}

[[noreturn]] void Listen(const std::shared_ptr<Connection>& listener) {
  while (true) {
    pollfd entry{listener->fd.get(), POLLIN, 0};
    (void)poll(&entry, 1, -1);
    if (g_connections >= kMaxConnections) {  // they wait in the socket's queue
      poll(nullptr, 0, kBusyMs);
      continue;
    }
    base::UniqueFd fd(accept4(listener->fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.valid()) continue;
    if (const base::Result<void> open = Open(listener->containers, std::move(fd)); !open.ok()) {
      LOG(kWarning, "no thread for a control connection: %s", base::ErrnoName(open.error()));
      poll(nullptr, 0, kBusyMs);
    }
  }
}

}  // namespace

base::Result<void> ServeControl(Containers& containers, base::UniqueFd first, base::UniqueFd listener) {
  TRY(Open(containers, std::move(first)));
  if (!listener.valid()) return base::Ok();
  return base::Thread::StartDetached(
      [listening = std::make_shared<Connection>(containers, std::move(listener))] { Listen(listening); });
}

}  // namespace runsc
