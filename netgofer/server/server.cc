#include "netgofer/server/server.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/log.h"
#include "netgofer/protocol/proc_files.h"

namespace netgofer {
namespace {

using base::Errno;
using base::Ok;
using base::Result;
using base::UniqueFd;

constexpr uint32_t kDefaultUnprivilegedPort = 1024;
constexpr size_t kMaxText = 8 << 20;  // more than a client takes
constexpr int kSoNetnsCookie = 71;    // newer than some headers

}  // namespace

bool ReplyWriter::Send(int32_t error, uint32_t flags, std::span<const std::byte> data, int fd) {
  const Reply reply{error, flags, static_cast<uint32_t>(data.size())};
  return SendPacket(channel_, std::as_bytes(std::span(&reply, 1)), data, fd).ok();
}

Result<void> Server::SetUp() {
  inet_ = UniqueFd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!inet_.valid()) return base::HostErrno();
  netlink_ = UniqueFd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0 /* NETLINK_ROUTE */));
  if (!netlink_.valid()) return base::HostErrno();
  const timeval patience{2, 0};  // the kernel answers within the send; this is against a lost answer
  if (setsockopt(netlink_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0) return base::HostErrno();
  socklen_t length = sizeof namespace_cookie_;
  if (getsockopt(inet_.get(), SOL_SOCKET, kSoNetnsCookie, &namespace_cookie_, &length) != 0) namespace_cookie_ = 0;
  return Ok();
}

void Server::Serve() {
  std::vector<pollfd> polled;
  for (const UniqueFd& channel : options_.channels) polled.push_back({channel.get(), POLLIN, 0});
  for (;;) {
    if (poll(polled.data(), polled.size(), -1) < 0) continue;
    for (const pollfd& p : polled) {
      if (p.revents != 0 && !ServeOne(p.fd)) return;
    }
  }
}

bool Server::ServeOne(int channel) {
  alignas(Request) std::byte buffer[sizeof(Request) + kMaxRequestData];
  Result<Packet> packet = ReceivePacket(channel, buffer);
  if (packet.ok() && packet->size == 0) return false;
  Request request;
  if (!packet.ok() || packet->size < sizeof request) {
    LOG(kError, "netgofer: a packet that is no request");
    return false;
  }
  std::memcpy(&request, buffer, sizeof request);
  if (request.size != packet->size - sizeof request) {
    LOG(kError, "netgofer: a request of %d bytes says %d", packet->size, request.size);
    return false;
  }
  ReplyWriter reply(channel);
  return Handle(request, {buffer + sizeof request, request.size}, packet->fd.get(), reply);
}

bool Server::Handle(const Request& request, std::span<const std::byte> data, int fd, ReplyWriter& reply) {
  switch (request.op) {
    case Op::kHello:
      return Hello(reply);
    case Op::kSocket:
      return NewSocket(request, reply);
    case Op::kInterface:
      return Interface(request, data, reply);
    case Op::kInterfaces:
      return Interfaces(reply);
    case Op::kRoute:
      return Route(request, data, reply);
    case Op::kProcFile:
      return ProcFile(request, reply);
    default:
      break;
  }
  if (const Result<void> own = CheckOwn(fd); !own.ok()) return reply.Answer(own);
  const auto* const address = reinterpret_cast<const sockaddr*>(data.data());
  const auto length = static_cast<socklen_t>(data.size());
  switch (request.op) {
    case Op::kBind:
      return reply.Answer(bind(fd, address, length) == 0 ? Ok() : base::HostErrno());
    case Op::kConnect:
      return reply.Answer(Connect(fd, data, request.flags));
    case Op::kListen:
      return reply.Answer(listen(fd, request.a) == 0 ? Ok() : base::HostErrno());
    case Op::kAccept:
      return Accept(fd, reply);
    default:
      return reply.Error(Errno::kEOPNOTSUPP);
  }
}

bool Server::Hello(ReplyWriter& reply) {
  struct Hello hello = {};
  hello.unprivileged_port_start = kDefaultUnprivilegedPort;
  for (size_t i = 0; i < options_.files.size(); ++i) {
    if (options_.files[i].valid()) hello.proc_files |= uint64_t{1} << i;
  }
  char text[16] = {};
  const UniqueFd& file = options_.files[FindProcFile("sys/net/ipv4", "ip_unprivileged_port_start")];
  if (file.valid() && pread(file.get(), text, sizeof text - 1, 0) > 0) {
    hello.unprivileged_port_start = static_cast<uint32_t>(std::strtoul(text, nullptr, 10));
  }
  return reply.Last(std::as_bytes(std::span(&hello, 1)));
}

// What comes back from the client must be what we have made: a socket of our
// namespace, not a stream that its guest inherited.
Result<void> Server::CheckOwn(int fd) const {
  if (fd < 0) return Errno::kEBADF;
  int domain = 0;
  socklen_t length = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0) return base::HostErrno();
  if (domain != AF_INET && domain != AF_INET6) return Errno::kEOPNOTSUPP;
  uint64_t cookie = 0;
  length = sizeof cookie;
  if (namespace_cookie_ == 0) return Ok();
  if (getsockopt(fd, SOL_SOCKET, kSoNetnsCookie, &cookie, &length) != 0) return base::HostErrno();
  return cookie == namespace_cookie_ ? Ok() : Errno::kEPERM;
}

bool Server::NewSocket(const Request& request, ReplyWriter& reply) {
  if (request.a != AF_INET && request.a != AF_INET6) return reply.Error(Errno::kEAFNOSUPPORT);
  if (request.b != SOCK_STREAM && request.b != SOCK_DGRAM && request.b != SOCK_RAW) {
    return reply.Error(Errno::kESOCKTNOSUPPORT);
  }
  if (request.b == SOCK_RAW && !options_.raw) return reply.Error(Errno::kEPERM);
  const UniqueFd made(socket(request.a, request.b | SOCK_NONBLOCK | SOCK_CLOEXEC, request.c));
  return made.valid() ? reply.Last({}, made.get()) : reply.Error(base::HostErrno());
}

Result<void> Server::Connect(int fd, std::span<const std::byte> data, uint32_t flags) {
  const auto* const address = reinterpret_cast<const sockaddr*>(data.data());
  const auto length = static_cast<socklen_t>(data.size());
  if (connect(fd, address, length) == 0) return Ok();
  const Errno error = base::HostErrno();
  if (error != Errno::kEINPROGRESS || (flags & kSettle) == 0) return error;
  pollfd p = {fd, POLLOUT, 0};
  if (poll(&p, 1, 0) != 1) return error;
  return connect(fd, address, length) == 0 ? Ok() : base::HostErrno();
}

bool Server::Accept(int fd, ReplyWriter& reply) {
  sockaddr_storage peer = {};
  socklen_t length = sizeof peer;
  const UniqueFd made(accept4(fd, reinterpret_cast<sockaddr*>(&peer), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!made.valid()) return reply.Error(base::HostErrno());
  return reply.Last(std::as_bytes(std::span(&peer, 1)).first(std::min<size_t>(length, sizeof peer)), made.get());
}

bool Server::ProcFile(const Request& request, ReplyWriter& reply) {
  const size_t index = static_cast<uint32_t>(request.a);
  if (index >= options_.files.size() || !options_.files[index].valid()) return reply.Error(Errno::kENOENT);
  std::byte text[16 << 10];
  for (off_t at = 0; at < static_cast<off_t>(kMaxText);) {
    const ssize_t n = pread(options_.files[index].get(), text, sizeof text, at);
    if (n < 0) return reply.Error(base::HostErrno());
    if (n == 0) break;
    if (!reply.More(std::span(text).first(static_cast<size_t>(n)))) return false;
    at += n;
  }
  return reply.Last({});
}

}  // namespace netgofer
