// The interfaces of the guest's network as /sys/class/net shows them.
#ifndef RUNSC_CPP_BOOT_NET_DEVICES_H_
#define RUNSC_CPP_BOOT_NET_DEVICES_H_

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "sentry/fs/sys/sys_view.h"
#include "sentry/net/socket/net_stack.h"

namespace runsc {

// Asks the stack afresh each time.
class StackNetDevices final : public sentry::NetDevices {
 public:
  explicit StackNetDevices(base::RefPtr<sentry::NetStack> stack) : stack_(std::move(stack)) {}
  std::vector<sentry::NetDevice> List() override;

 private:
  const base::RefPtr<sentry::NetStack> stack_;
};

// The interface of an RTM_NEWLINK message (without its nlmsghdr); nothing if it is malformed.
std::optional<sentry::NetDevice> ParseLink(std::span<const std::byte> message);

}  // namespace runsc

#endif  // RUNSC_CPP_BOOT_NET_DEVICES_H_
