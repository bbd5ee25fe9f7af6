// AF_UNIX sockets as files (man 7 unix), and how they are made.
#ifndef SENTRY_NET_UNIX_UNIX_SOCKET_H_
#define SENTRY_NET_UNIX_UNIX_SOCKET_H_

#include <utility>

#include "sentry/net/socket/socket.h"
#include "sentry/net/unix/endpoint.h"

namespace sentry {

class UnixSocket final : public Socket {
 public:
  UnixSocket(Path path, uint32_t flags, RefPtr<UnixEndpoint> endpoint);

  // Null if `file` is none. No reference is taken.
  static UnixSocket* From(FileDescription* file);
  UnixEndpoint& endpoint() { return *endpoint_; }

  int domain() const override;
  int socket_type() const override { return endpoint_->type(); }
  Result<void> Bind(const VfsContext& ctx, std::span<const std::byte> address) override;
  Result<void> Listen(const VfsContext& ctx, int backlog) override;
  Result<RefPtr<Socket>> Accept(const VfsContext& ctx, uint32_t flags, SocketAddress* peer) override;
  Result<void> Connect(const VfsContext& ctx, std::span<const std::byte> address) override;
  Result<void> Shutdown(int how) override;
  Result<SocketAddress> LocalAddress() override;
  Result<SocketAddress> PeerAddress() override;
  Result<size_t> SendMessage(const VfsContext& ctx, IoSource& src, std::span<const std::byte> to, ControlData control,
                             uint32_t flags) override;
  Result<ReceiveResult> ReceiveMessage(const VfsContext& ctx, IoSink& dst, uint32_t flags) override;
  Result<OptionValue> GetOption(const VfsContext& ctx, int level, int name, size_t max) override;
  Result<void> SetOption(const VfsContext& ctx, int level, int name, std::span<const std::byte> value) override;
  Result<size_t> Read(const VfsContext& ctx, IoSink& dst) override;
  int64_t receive_timeout_ns() const override { return endpoint_->options().receive_timeout_ns(); }
  int64_t send_timeout_ns() const override { return endpoint_->options().send_timeout_ns(); }

  base::EventMask Readiness(base::EventMask mask) override { return endpoint_->Readiness(mask); }
  base::WaitQueue* wait_queue() override { return &endpoint_->wait_queue(); }
  Result<uint64_t> Ioctl(const VfsContext& ctx, uint32_t request, uint64_t arg) override;
  Result<void> Sync(const VfsContext&) override { return Errno::kEINVAL; }

 private:
  ~UnixSocket() override;
  Result<OptionValue> PeerGroups(const UserNamespace& viewer, size_t max) const;

  const RefPtr<UnixEndpoint> endpoint_;
};

// socket(2). `flags`: O_NONBLOCK or 0. ESOCKTNOSUPPORT, EPROTONOSUPPORT.
Result<RefPtr<Socket>> NewUnixSocket(const VfsContext& ctx, RefPtr<UnixNamespace> names, int type, int protocol,
                                     uint32_t flags);
// socketpair(2).
using SocketPair = std::pair<RefPtr<Socket>, RefPtr<Socket>>;
Result<SocketPair> NewUnixSocketPair(const VfsContext& ctx, RefPtr<UnixNamespace> names, int type, int protocol,
                                     uint32_t flags);

}  // namespace sentry

#endif  // SENTRY_NET_UNIX_UNIX_SOCKET_H_
