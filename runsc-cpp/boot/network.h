// The guests' network, made before the host filter is on.
#ifndef RUNSC_CPP_BOOT_NETWORK_H_
#define RUNSC_CPP_BOOT_NETWORK_H_

#include <vector>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "sentry/net/hostinet/host_stack.h"
#include "sentry/net/net_state.h"

namespace runsc {

struct Network {
  sentry::RefPtr<sentry::hostinet::HostStack> stack;
  sentry::RefPtr<sentry::NetState> net_state;
};

// Waits until the netgofer serves.
absl::StatusOr<Network> ConnectNetwork(std::vector<base::UniqueFd> sockets);

// To the hard limit: sockets of guests are descriptors of ours. After those that
// share the soft limit among themselves have looked at it.
void RaiseDescriptorLimit();

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_NETWORK_H_
