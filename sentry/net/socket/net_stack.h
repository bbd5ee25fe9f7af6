// What a network namespace asks of the implementation of its network: the
// host's (net/hostinet), or later one of our own.
#ifndef SENTRY_NET_SOCKET_NET_STACK_H_
#define SENTRY_NET_SOCKET_NET_STACK_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ref_ptr.h"
#include "sentry/net/socket/socket.h"

namespace sentry {

class NetStack : public base::RefCounted {
 public:
  // socket(2) of AF_INET and AF_INET6. `flags`: O_NONBLOCK or 0.
  virtual Result<RefPtr<Socket>> NewSocket(const VfsContext& ctx, int domain, int type, int protocol,
                                           uint32_t flags) = 0;

  // man 7 netdevice. `ifreq` and the answer have abi::kIfreqSize bytes.
  virtual Result<std::vector<std::byte>> Interface(uint32_t request, std::span<const std::byte> ifreq) = 0;
  virtual Result<std::vector<std::byte>> Interfaces() = 0;  // a struct ifreq each

  // One RTM_GET* message: the datagrams that answer it, with a sequence number
  // and port that mean nothing.
  enum class RouteCheck : uint8_t { kLoose, kStrict };  // NETLINK_GET_STRICT_CHK
  using Datagrams = std::vector<std::vector<std::byte>>;
  virtual Result<Datagrams> Route(std::span<const std::byte> question, RouteCheck check) = 0;

  // A file below /proc/net ("net") or /proc/sys/net ("sys/net/core"). ENOENT.
  virtual bool HasProcFile(std::string_view directory, std::string_view name) const = 0;
  virtual Result<std::string> ProcFile(std::string_view directory, std::string_view name) = 0;
};

}  // namespace sentry

#endif  // SENTRY_NET_SOCKET_NET_STACK_H_
