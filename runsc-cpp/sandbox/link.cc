#include "runsc-cpp/sandbox/link.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace runsc {
namespace {
struct Header {
  uint32_t type;
  uint32_t value;
};
}  // namespace

bool SendLink(int fd, const LinkMessage& message, SendWait wait) {
  Header header{static_cast<uint32_t>(message.type), message.value};
  const size_t text = std::min(message.text.size(), kMaxLinkText);
  iovec iov[2] = {{&header, sizeof header}, {const_cast<char*>(message.text.data()), text}};
  msghdr msg{};
  msg.msg_iov = iov;
  msg.msg_iovlen = 2;
  ssize_t n;
  do {
    n = sendmsg(fd, &msg, MSG_NOSIGNAL | (wait == SendWait::kNo ? MSG_DONTWAIT : 0));
  } while (n < 0 && errno == EINTR);
  return n == static_cast<ssize_t>(sizeof header + text);
}

std::optional<LinkMessage> ReceiveLink(int fd) {
  Header header;
  std::vector<char> text(kMaxLinkText);
  iovec iov[2] = {{&header, sizeof header}, {text.data(), text.size()}};
  msghdr msg{};
  msg.msg_iov = iov;
  msg.msg_iovlen = 2;
  ssize_t n;
  do {
    n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < static_cast<ssize_t>(sizeof header) || header.type > static_cast<uint32_t>(kLastLinkMessageType)) {
    return std::nullopt;
  }
  return LinkMessage{static_cast<LinkMessageType>(header.type), header.value,
                     std::string(text.data(), n - sizeof header)};
}

}  // namespace runsc
