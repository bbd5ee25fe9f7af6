#include "runsc-cpp/boot/control_server.h"

#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <memory>

#include "base/log.h"
#include "sentry/control/connection.h"
#include "sentry/fs/host/host_poller.h"

namespace runsc {
namespace {

namespace control = sentry::control;

constexpr int kMaxConnections = 64;
// Between the parts of one frame; between requests a peer may take its time.
constexpr int kFrameMs = 10'000;
constexpr int kBusyMs = 10;

std::atomic<int> g_connections{0};

struct Connection {
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

void Serve(void* argument) {
  const std::unique_ptr<Connection> connection(static_cast<Connection*>(argument));
  while (ServeOne(*connection)) {
  }
  Containers& containers = connection->containers;
  connection->fd.reset();
  --g_connections;
  containers.ConnectionClosed();
}

void Open(Containers& containers, base::UniqueFd fd) {
  ++g_connections;
  containers.ConnectionOpened();
  sentry::StartHostThread(Serve, new Connection{containers, std::move(fd)}).detach();
}

void Listen(void* argument) {
  const std::unique_ptr<Connection> listener(static_cast<Connection*>(argument));
  while (true) {
    pollfd entry{listener->fd.get(), POLLIN, 0};
    (void)poll(&entry, 1, -1);
    if (g_connections >= kMaxConnections) {  // they wait in the socket's queue
      poll(nullptr, 0, kBusyMs);
      continue;
    }
    base::UniqueFd fd(accept4(listener->fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (fd.valid()) Open(listener->containers, std::move(fd));
  }
}

}  // namespace

void ServeControl(Containers& containers, base::UniqueFd first, base::UniqueFd listener) {
  Open(containers, std::move(first));
  if (listener.valid()) sentry::StartHostThread(Listen, new Connection{containers, std::move(listener)}).detach();
}

}  // namespace runsc
