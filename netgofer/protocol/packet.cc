#include "netgofer/protocol/packet.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

namespace netgofer {
namespace {

using base::Errno;
using base::Result;
using base::UniqueFd;

// Takes ownership of every descriptor that came. More than one is a violation:
// the buffer's alignment leaves room for two.
bool TakeFds(msghdr& message, UniqueFd& out) {
  size_t count = 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < n; ++i, ++count) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      UniqueFd owned(fd);
      if (count == 0) out = std::move(owned);
    }
  }
  return count <= 1;
}

}  // namespace

Result<void> SendPacket(int socket, std::span<const std::byte> header, std::span<const std::byte> data, int fd) {
  iovec iov[2] = {{const_cast<std::byte*>(header.data()), header.size()},
                  {const_cast<std::byte*>(data.data()), data.size()}};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = iov;
  message.msg_iovlen = 2;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return base::HostErrno();
  }
  return base::Ok();
}

Result<Packet> ReceivePacket(int socket, std::span<std::byte> buffer) {
  iovec iov = {buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message;
  ssize_t n;
  do {
    message = {};
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return base::HostErrno();
  Packet packet;
  const bool one = TakeFds(message, packet.fd);
  if (!one || (message.msg_flags & MSG_TRUNC) != 0) return Errno::kEMSGSIZE;
  // MSG_CTRUNC: our table is full, and the packet comes without its descriptor.
  packet.size = static_cast<size_t>(n);
  return packet;
}

}  // namespace netgofer
