#include "sentry/net/hostinet/inet_socket.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "sentry/abi/inet.h"
#include "sentry/abi/socket.h"
#include "sentry/usermem/user_ptr.h"

namespace sentry::hostinet {
namespace {

static_assert(POLLIN == base::kEventIn && POLLOUT == base::kEventOut && POLLPRI == base::kEventPri);
static_assert(POLLERR == base::kEventErr && POLLHUP == base::kEventHup && POLLRDHUP == base::kEventRdHup);
static_assert(POLLRDNORM == base::kEventRdNorm && POLLWRNORM == base::kEventWrNorm);
constexpr base::EventMask kRoomEvents = base::kEventOut | base::kEventWrNorm | base::kEventWrBand;
constexpr base::EventMask kDataEvents = base::kEventIn | base::kEventRdNorm;

base::EventMask PollNow(int fd, base::EventMask mask) {
  pollfd p = {fd, static_cast<short>(mask), 0};
  return poll(&p, 1, 0) == 1 ? static_cast<uint16_t>(p.revents) : 0;
}

// A port that only the privileged bind; both families have it in one place.
bool IsPrivilegedPort(std::span<const std::byte> address, uint32_t first_unprivileged) {
  abi::SockaddrIn in;
  if (address.size() < sizeof in) return false;
  std::memcpy(&in, address.data(), sizeof in);
  const uint16_t port = __builtin_bswap16(in.port);
  return (in.family == abi::kAfInet || in.family == abi::kAfInet6) && port != 0 && port < first_unprivileged;
}

template <typename Ask>
Result<SocketAddress> AskAddress(Ask ask) {
  SocketAddress address(abi::kSockaddrMax);
  socklen_t length = static_cast<socklen_t>(address.size());
  if (ask(reinterpret_cast<sockaddr*>(address.data()), &length) != 0) return base::HostErrno();
  address.resize(std::min<size_t>(length, address.size()));
  return address;
}

}  // namespace

RefPtr<InetSocket> InetSocket::Make(const VfsContext& ctx, SocketSlot slot, base::UniqueFd fd, SocketKind kind,
                                    uint32_t flags) {
  // The host's number, so that /proc/net/tcp and /proc/PID/fd agree.
  struct stat st;
  const uint64_t ino = fstat(fd.get(), &st) == 0 ? st.st_ino : 0;
  return MakeRef<InetSocket>(NewSocketPath(ctx, ino), abi::kORdWr | (flags & abi::kONonBlock), std::move(slot),
                             std::move(fd), kind);
}

InetSocket::InetSocket(Path path, uint32_t flags, SocketSlot slot, base::UniqueFd fd, SocketKind kind)
    : Socket(std::move(path), flags),
      slot_(std::move(slot)),
      fd_(std::move(fd)),
      kind_(kind),
      watch_(fd_.get(), queue_) {}

InetSocket::~InetSocket() { slot_.stack().poller().Remove(watch_); }

void InetSocket::ArmIfAwaited(SocketPoller::For what) {
  if (!queue_.empty()) slot_.stack().poller().Arm(watch_, what);
}

Result<void> InetSocket::Bind(const VfsContext& ctx, std::span<const std::byte> address) {
  if (!ctx.creds->Has(Capability::kNetBindService) && IsPrivilegedPort(address, client().unprivileged_port_start())) {
    return Errno::kEACCES;
  }
  return client().Bind(fd_.get(), address);
}

Result<void> InetSocket::Listen(const VfsContext&, int backlog) {
  TRY(client().Listen(fd_.get(), backlog));
  listening_.store(true, std::memory_order_relaxed);
  return Ok();
}

Result<RefPtr<Socket>> InetSocket::Accept(const VfsContext& ctx, uint32_t flags, SocketAddress* peer) {
  // The netgofer is asked only if there is somebody, or for the error's sake.
  if (listening_.load(std::memory_order_relaxed) && PollNow(fd_.get(), base::kEventIn) == 0) {
    ArmIfAwaited(SocketPoller::For::kArrivals);
    return Errno::kEAGAIN;
  }
  SocketSlot slot = TRY(SocketSlot::Take(RefPtr<HostStack>(&slot_.stack())));
  Result<netgofer::Client::Accepted> accepted = client().Accept(fd_.get());
  if (accepted.Is(Errno::kEAGAIN)) ArmIfAwaited(SocketPoller::For::kArrivals);
  if (!accepted.ok()) return accepted.error();
  if (peer != nullptr) *peer = std::move(accepted->peer);
  RefPtr<InetSocket> socket = Make(ctx, std::move(slot), std::move(accepted->fd), kind_, flags);
  socket->options_.Inherit(options_);
  return RefPtr<Socket>(std::move(socket));
}

Result<void> InetSocket::Connect(const VfsContext&, std::span<const std::byte> address) {
  using Settle = netgofer::Client::Settle;
  // Linux answers a non-blocking caller EINPROGRESS even on loopback.
  const Result<void> done = client().Connect(fd_.get(), address, nonblocking() ? Settle::kNo : Settle::kYes);
  if (done.Is(Errno::kEINPROGRESS)) ArmIfAwaited(SocketPoller::For::kRoom);
  return done;
}

Result<void> InetSocket::Shutdown(int how) {
  if (shutdown(fd_.get(), how) != 0) return base::HostErrno();
  if (how != abi::kShutWr) listening_.store(false, std::memory_order_relaxed);
  return Ok();
}

Result<SocketAddress> InetSocket::LocalAddress() {
  return AskAddress([this](sockaddr* a, socklen_t* n) { return getsockname(fd_.get(), a, n); });
}

Result<SocketAddress> InetSocket::PeerAddress() {
  return AskAddress([this](sockaddr* a, socklen_t* n) { return getpeername(fd_.get(), a, n); });
}

base::EventMask InetSocket::Readiness(base::EventMask mask) {
  base::EventMask now = PollNow(fd_.get(), mask) & (mask | base::kEventErr | base::kEventHup);
  if (aside_size() > 0) now |= mask & kDataEvents;
  const bool room_missing = (mask & ~now & kRoomEvents) != 0;
  ArmIfAwaited(room_missing ? SocketPoller::For::kRoom : SocketPoller::For::kArrivals);
  return now;
}

Result<uint64_t> InetSocket::Ioctl(const VfsContext& ctx, uint32_t request, uint64_t arg) {
  if (request != abi::kSiocInq && request != abi::kSiocOutq && request != abi::kSiocAtMark) return Errno::kENOTTY;
  if (ctx.memory == nullptr) return Errno::kEFAULT;
  int32_t value = 0;
  if (ioctl(fd_.get(), request, &value) != 0) return base::HostErrno();
  if (request == abi::kSiocInq) value += static_cast<int32_t>(aside_size());
  TRY(UserOut<int32_t>(UserAddr(arg)).Write(*ctx.memory, value));
  return uint64_t{0};
}

}  // namespace sentry::hostinet
