// AF_NETLINK sockets (man 7 netlink): NETLINK_ROUTE's questions, which the
// namespace's stack answers. Changes are refused, news are not told.
#ifndef SENTRY_NET_NETLINK_NETLINK_SOCKET_H_
#define SENTRY_NET_NETLINK_NETLINK_SOCKET_H_

#include <atomic>
#include <deque>

#include "sentry/net/net_state.h"
#include "sentry/net/socket/options.h"
#include "sentry/net/socket/socket.h"

namespace sentry {

class NetlinkSocket final : public Socket {
 public:
  NetlinkSocket(Path path, uint32_t flags, RefPtr<NetState> net, int type);

  int domain() const override;
  int socket_type() const override { return type_; }
  Result<void> Bind(const VfsContext& ctx, std::span<const std::byte> address) override;
  Result<void> Listen(const VfsContext&, int) override { return Errno::kEOPNOTSUPP; }
  Result<RefPtr<Socket>> Accept(const VfsContext&, uint32_t, SocketAddress*) override { return Errno::kEOPNOTSUPP; }
  Result<void> Connect(const VfsContext& ctx, std::span<const std::byte> address) override;
  Result<void> Shutdown(int) override { return Errno::kEOPNOTSUPP; }
  Result<SocketAddress> LocalAddress() override;
  Result<SocketAddress> PeerAddress() override;
  Result<size_t> SendMessage(const VfsContext& ctx, IoSource& src, std::span<const std::byte> to, ControlData control,
                             uint32_t flags) override;
  Result<ReceiveResult> ReceiveMessage(const VfsContext& ctx, IoSink& dst, uint32_t flags) override;
  Result<OptionValue> GetOption(const VfsContext& ctx, int level, int name, size_t max) override;
  Result<void> SetOption(const VfsContext& ctx, int level, int name, std::span<const std::byte> value) override;
  int64_t receive_timeout_ns() const override { return options_.receive_timeout_ns(); }
  int64_t send_timeout_ns() const override { return options_.send_timeout_ns(); }

  base::EventMask Readiness(base::EventMask mask) override;
  base::WaitQueue* wait_queue() override { return &queue_; }
  Result<uint64_t> Ioctl(const VfsContext& ctx, uint32_t request, uint64_t arg) override;
  Result<void> Sync(const VfsContext&) override { return Errno::kEINVAL; }

 private:
  using Datagram = std::vector<std::byte>;
  ~NetlinkSocket() override;
  // The socket's port; takes one first if there is none (Linux's netlink_autobind).
  uint32_t Port(const VfsContext& ctx);
  void Answer(const VfsContext& ctx, std::span<const std::byte> question);
  // Linux's netlink_ack.
  void Acknowledge(std::span<const std::byte> question, Errno error, bool failed);
  // False, and ENOBUFS for the next receive: there is no room.
  bool Enqueue(Datagram datagram);

  const RefPtr<NetState> net_;
  const int type_;
  SocketOptions options_;
  std::atomic<bool> strict_{false};
  base::WaitQueue queue_;
  // Rank kLeaf: over no copy.
  base::RankedMutex<base::LockRank::kLeaf> mu_;
  uint32_t port_ ABSL_GUARDED_BY(mu_) = 0;
  std::deque<Datagram> received_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;  // of received_
  bool overrun_ ABSL_GUARDED_BY(mu_) = false;
};

// socket(2). ESOCKTNOSUPPORT, EPROTONOSUPPORT.
Result<RefPtr<Socket>> NewNetlinkSocket(const VfsContext& ctx, RefPtr<NetState> net, int type, int protocol,
                                        uint32_t flags);

}  // namespace sentry

#endif  // SENTRY_NET_NETLINK_NETLINK_SOCKET_H_
