// A guest's socket of AF_INET or AF_INET6: a host socket that the netgofer has
// made, non-blocking on the host whatever the guest's O_NONBLOCK says.
#ifndef SENTRY_NET_HOSTINET_INET_SOCKET_H_
#define SENTRY_NET_HOSTINET_INET_SOCKET_H_

#include <atomic>
#include <vector>

#include "base/unique_fd.h"
#include "sentry/abi/socket.h"
#include "sentry/net/hostinet/host_stack.h"
#include "sentry/net/hostinet/socket_poller.h"
#include "sentry/net/socket/options.h"
#include "sentry/net/socket/socket.h"

namespace sentry::hostinet {

struct SocketKind {
  int domain, type, protocol;
};

class InetSocket final : public Socket {
 public:
  static RefPtr<InetSocket> Make(const VfsContext& ctx, SocketSlot slot, base::UniqueFd fd, SocketKind kind,
                                 uint32_t flags);
  InetSocket(Path path, uint32_t flags, SocketSlot slot, base::UniqueFd fd, SocketKind kind);

  int domain() const override { return kind_.domain; }
  int socket_type() const override { return kind_.type; }
  int protocol() const override { return kind_.protocol; }
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
  int64_t receive_timeout_ns() const override { return options_.receive_timeout_ns(); }
  int64_t send_timeout_ns() const override { return options_.send_timeout_ns(); }

  base::EventMask Readiness(base::EventMask mask) override;
  base::WaitQueue* wait_queue() override { return &queue_; }
  Result<uint64_t> Ioctl(const VfsContext& ctx, uint32_t request, uint64_t arg) override;
  Result<void> Sync(const VfsContext&) override { return Errno::kEINVAL; }

 private:
  ~InetSocket() override;
  bool is_stream() const { return kind_.type == abi::kSockStream; }
  netgofer::Client& client() { return slot_.stack().client(); }
  // A waiter that is there is to be told of what comes.
  void ArmIfAwaited(SocketPoller::For what);
  Result<size_t> ReceiveOnce(std::span<std::byte> buffer, uint32_t flags, ReceiveResult& result);
  Result<ReceiveResult> ReceiveStream(IoSink& dst, uint32_t flags);
  Result<ReceiveResult> ReceiveDatagram(IoSink& dst, uint32_t flags);
  Result<void> SetLinger(const VfsContext& ctx, std::span<const std::byte> value);
  Result<void> SetOnHost(int level, int name, std::span<const std::byte> value);

  // Bytes of a stream that the host gave and the guest's memory refused: Linux
  // would have left them in its queue.
  void PutAside(std::span<const std::byte> bytes);
  Result<size_t> TakeAside(IoSink& dst, uint32_t flags);
  size_t aside_size() const { return aside_size_.load(std::memory_order_acquire); }

  const SocketSlot slot_;
  const base::UniqueFd fd_;
  const SocketKind kind_;
  SocketOptions options_;  // time limits and SO_LINGER; the rest is the host's
  std::atomic<bool> listening_{false};
  // An error that ended a receive which had bytes to tell: for the next call.
  std::atomic<int32_t> late_error_{0};
  base::WaitQueue queue_;
  SocketPoller::Watch watch_;
  base::RankedMutex<base::LockRank::kLeaf> aside_mu_;
  std::vector<std::byte> aside_ ABSL_GUARDED_BY(aside_mu_);
  std::atomic<size_t> aside_size_{0};  // of aside_, read without the lock
};

}  // namespace sentry::hostinet

#endif  // SENTRY_NET_HOSTINET_INET_SOCKET_H_
