#include "fsgofer/protocol/transport.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

namespace fsgofer {
namespace {

using base::Errno;
using base::Result;
using base::UniqueFd;

// Takes ownership of every descriptor that came with the packet. More than one
// is a violation: the buffer's alignment leaves room for two.
bool TakeFds(msghdr& msg, UniqueFd* out) {
  size_t count = 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&msg); c != nullptr; c = CMSG_NXTHDR(&msg, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < n; i++, count++) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
      UniqueFd owned(fd);
      if (count == 0) *out = std::move(owned);
    }
  }
  return count <= 1 && (msg.msg_flags & MSG_CTRUNC) == 0;
}

}  // namespace

Result<ConnectionFds> MakeConnection(size_t channels) {
  if (channels == 0 || channels > kMaxChannels) return Errno::kEINVAL;
  ConnectionFds fds;
  for (size_t i = 0; i < channels; i++) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return base::HostErrno();
    fds.client.emplace_back(pair[0]);
    fds.server.emplace_back(pair[1]);
  }
  return fds;
}

Result<void> SendPacket(int socket, std::span<const std::byte> bytes, int fd) {
  iovec iov = {const_cast<std::byte*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr msg = {};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  if (fd >= 0) {
    msg.msg_control = control;
    msg.msg_controllen = sizeof(control);
    cmsghdr* c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(c), &fd, sizeof(fd));
  }
  for (;;) {
    const ssize_t n = sendmsg(socket, &msg, MSG_NOSIGNAL);
    if (n >= 0) return static_cast<size_t>(n) == bytes.size() ? base::Ok() : Result<void>(Errno::kEIO);
    if (errno != EINTR) return base::HostErrno();
  }
}

Result<Packet> ReceivePacket(int socket, std::span<std::byte> buffer, AcceptFds accept) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  for (;;) {
    iovec iov = {buffer.data(), buffer.size()};
    msghdr msg = {};
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    // Without a control buffer the host discards whatever the peer attached.
    if (accept == AcceptFds::kOne) {
      msg.msg_control = control;
      msg.msg_controllen = sizeof(control);
    }
    const ssize_t n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::HostErrno();
    Packet packet;
    packet.size = static_cast<size_t>(n);
    if (accept == AcceptFds::kOne && !TakeFds(msg, &packet.fd)) return Errno::kEMSGSIZE;
    if ((msg.msg_flags & MSG_TRUNC) != 0) return Errno::kEMSGSIZE;
    if (n == 0) return Errno::kEPIPE;
    return packet;
  }
}

}  // namespace fsgofer
