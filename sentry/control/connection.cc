#include "sentry/control/connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sentry::control {
namespace {

using base::Errno;
using base::Result;

Result<void> Await(int fd, short events, int timeout_ms) {
  pollfd entry{fd, events, 0};
  int ready;
  do {
    ready = poll(&entry, 1, timeout_ms);
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) return base::HostErrno();
  if (ready == 0) return Errno::kETIMEDOUT;
  return base::Ok();
}

Result<void> SendAll(int fd, std::string_view bytes, int timeout_ms) {
  while (!bytes.empty()) {
    TRY(Await(fd, POLLOUT, timeout_ms));
    const ssize_t n = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n < 0) return base::HostErrno();
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return base::Ok();
}

Result<void> ReceiveAll(int fd, char* to, size_t size, int timeout_ms) {
  while (size > 0) {
    TRY(Await(fd, POLLIN, timeout_ms));
    const ssize_t n = recv(fd, to, size, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n < 0) return base::HostErrno();
    if (n == 0) return Errno::kEPIPE;
    to += n;
    size -= static_cast<size_t>(n);
  }
  return base::Ok();
}

void TakeDescriptors(msghdr& msg, std::vector<base::UniqueFd>& out) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&msg); c != nullptr; c = CMSG_NXTHDR(&msg, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
      int fd;
      std::memcpy(&fd, reinterpret_cast<char*>(c) + at, sizeof fd);
      out.emplace_back(fd);
    }
  }
}

}  // namespace

Result<void> SendFrame(int fd, std::string_view bytes, const std::vector<int>& fds, int timeout_ms) {
  if (bytes.size() > kMaxFrame) return Errno::kEMSGSIZE;
  if (fds.size() > kMaxFds) return Errno::kETOOMANYREFS;
  uint32_t length = static_cast<uint32_t>(bytes.size());
  iovec iov{&length, sizeof length};
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))] = {};
  if (!fds.empty()) {
    msg.msg_control = control;
    msg.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(c), fds.data(), fds.size() * sizeof(int));
  }
  ssize_t n;
  do {
    TRY(Await(fd, POLLOUT, timeout_ms));
    n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (n < 0 && (errno == EAGAIN || errno == EINTR));
  if (n < 0) return base::HostErrno();
  TRY(SendAll(fd, std::string_view(reinterpret_cast<char*>(&length), sizeof length).substr(static_cast<size_t>(n)),
              timeout_ms));
  return SendAll(fd, bytes, timeout_ms);
}

Result<Frame> ReceiveFrame(int fd, int timeout_ms) {
  Frame frame;
  uint32_t length = 0;
  iovec iov{&length, sizeof length};
  msghdr msg{};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))];
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = control;
  msg.msg_controllen = sizeof control;
  ssize_t n;
  do {
    TRY(Await(fd, POLLIN, timeout_ms));
    n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (n < 0 && (errno == EAGAIN || errno == EINTR));
  if (n < 0) return base::HostErrno();
  if (n == 0) return Errno::kEPIPE;
  TakeDescriptors(msg, frame.fds);
  if ((msg.msg_flags & MSG_CTRUNC) != 0) return Errno::kEPROTO;
  TRY(ReceiveAll(fd, reinterpret_cast<char*>(&length) + n, sizeof length - static_cast<size_t>(n), timeout_ms));
  if (length > kMaxFrame) return Errno::kEPROTO;
  // In pieces: a length alone must not make us take 8 MiB.
  constexpr size_t kPiece = 64 << 10;
  while (frame.bytes.size() < length) {
    const size_t at = frame.bytes.size();
    const size_t piece = std::min<size_t>(length - at, kPiece);
    frame.bytes.resize(at + piece);
    TRY(ReceiveAll(fd, frame.bytes.data() + at, piece, timeout_ms));
  }
  return frame;
}

}  // namespace sentry::control
