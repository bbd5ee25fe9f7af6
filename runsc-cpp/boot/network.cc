#include "runsc-cpp/boot/network.h"

#include <sys/resource.h>

#include <algorithm>

#include "runsc-cpp/boot/errno_status.h"

namespace runsc {
namespace {

constexpr size_t kMostSockets = 64 << 10;

// Each is a descriptor of the sentry, which needs others for files.
size_t MaxSockets() {
  rlimit limit{1024, 1024};
  getrlimit(RLIMIT_NOFILE, &limit);
  return std::clamp<size_t>(limit.rlim_max / 2, 64, kMostSockets);
}

}  // namespace

absl::StatusOr<Network> ConnectNetwork(std::vector<base::UniqueFd> sockets) {
  base::Result<std::unique_ptr<netgofer::Client>> client = netgofer::Client::Create(std::move(sockets));
  if (!client.ok()) return Failed("reach the netgofer", client.error());
  base::Result<std::unique_ptr<sentry::hostinet::SocketPoller>> poller = sentry::hostinet::SocketPoller::Create();
  if (!poller.ok()) return Failed("start the poller of sockets", poller.error());
  Network network;
  network.stack = base::MakeRef<sentry::hostinet::HostStack>(*std::move(client), *std::move(poller), MaxSockets());
  network.net_state = base::MakeRef<sentry::NetState>(network.stack);
  return network;
}

void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace runsc
