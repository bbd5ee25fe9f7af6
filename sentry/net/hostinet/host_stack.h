// The network of the host's namespace that the netgofer lives in.
#ifndef SENTRY_NET_HOSTINET_HOST_STACK_H_
#define SENTRY_NET_HOSTINET_HOST_STACK_H_

#include <atomic>
#include <memory>

#include "netgofer/protocol/client.h"
#include "sentry/net/hostinet/socket_poller.h"
#include "sentry/net/socket/net_stack.h"

namespace sentry::hostinet {

class HostStack final : public NetStack {
 public:
  // `max_sockets`: of all guests together; ENFILE beyond it. A host descriptor each.
  HostStack(std::unique_ptr<netgofer::Client> client, std::unique_ptr<SocketPoller> poller, size_t max_sockets);

  Result<RefPtr<Socket>> NewSocket(const VfsContext& ctx, int domain, int type, int protocol, uint32_t flags) override;
  Result<std::vector<std::byte>> Interface(uint32_t request, std::span<const std::byte> ifreq) override;
  Result<std::vector<std::byte>> Interfaces() override;
  Result<Datagrams> Route(std::span<const std::byte> question, RouteCheck check) override;
  bool HasProcFile(std::string_view directory, std::string_view name) const override;
  Result<std::string> ProcFile(std::string_view directory, std::string_view name) override;

  netgofer::Client& client() { return *client_; }
  SocketPoller& poller() { return *poller_; }

 private:
  friend class SocketSlot;
  ~HostStack() override;
  const std::unique_ptr<netgofer::Client> client_;
  const std::unique_ptr<SocketPoller> poller_;
  const size_t max_sockets_;
  std::atomic<size_t> sockets_{0};
};

// One socket's place among the stack's.
class SocketSlot {
 public:
  static Result<SocketSlot> Take(RefPtr<HostStack> stack);
  SocketSlot(SocketSlot&&) noexcept = default;
  SocketSlot& operator=(SocketSlot&&) = delete;
  ~SocketSlot();
  HostStack& stack() const { return *stack_; }

 private:
  explicit SocketSlot(RefPtr<HostStack> stack) : stack_(std::move(stack)) {}
  RefPtr<HostStack> stack_;
};

}  // namespace sentry::hostinet

#endif  // SENTRY_NET_HOSTINET_HOST_STACK_H_
